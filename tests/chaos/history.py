"""A random history: a business goes on, the platform runs and is killed, and in the end nothing is lost or doubled."""

from random import Random

from tests.chaos.people import People, Told
from tests.chaos.site import BASE, EMPTY, Site
from tests.chaos.verification import hold_against_source
from tests.chaos.warm import Point
from totelake.runtime import failpoints

STAGES = ("ingest", "transform", "load")
_ZONE = (
    failpoints.TABLE_WRITTEN,
    failpoints.BEFORE_LOG_CREATED,
    failpoints.LOG_CREATED,
    failpoints.PARTITIONS_REGISTERED,
)
BOUNDARIES = {
    "ingest": (failpoints.SNAPSHOT_EXPORTED, *_ZONE),
    "transform": _ZONE,
    "load": (failpoints.TABLE_STAGED, failpoints.BEFORE_MERGE_COMMITTED, failpoints.MERGE_COMMITTED),
}
_FROM_EMPTY = 0.04
_KILLED = 0.85
_RUN_ONCE_MORE = 0.1
_ROUNDS = (1, 1, 2)
_ALL_TOGETHER = (failpoints.TABLE_WRITTEN, failpoints.TABLE_STAGED)


def happen(site: Site, seed: int) -> Told:
    """Let the history of `seed` happen at `site`, and return what is told of it."""
    choice, told = Random(seed), Told(seed)
    beginning = EMPTY if choice.random() < _FROM_EMPTY else BASE
    site.go_back_to(beginning)
    told.lines.append(f"begins {beginning}")
    people = People(site.totesys, choice, told, site.last_snapshot)
    for _ in range(choice.choice(_ROUNDS)):
        people.act()
        _run(site, choice, told, people.refusals())
    people.leave()
    for stage in STAGES:
        _stage(site, told, stage, None)
    told.rows = hold_against_source(site, told.faults)
    told.compared = sum(len(batch.compared) for batch in site.batches())
    told.waited = sum(sum(batch.quarantined.values()) for batch in site.processed())
    if choice.random() < _RUN_ONCE_MORE:
        _run_once_more(site, told)
    return told


def _run_once_more(site: Site, told: Told) -> None:
    """Run all stages once more, and see that there was nothing to do."""
    before = (len(site.ingested()), len(site.processed()))
    for stage in STAGES:
        _stage(site, told, stage, None)
    told.once_more += 1
    if (len(site.ingested()), len(site.processed())) != before:
        told.faults.append("a run after the end committed something")


def _run(site: Site, choice: Random, told: Told, refusals: list[str]) -> None:
    """Run the stages one after the other; most often one of them is killed, and those after it do not run."""
    victim = choice.choice(STAGES) if choice.random() < _KILLED else None
    for stage in STAGES:
        kill = None
        if stage == victim:
            boundary = choice.choice(BOUNDARIES[stage])
            kill = Point(boundary, choice.randint(1, 3) if boundary in _ALL_TOGETHER else 1)
        if stage == "ingest" and refusals:
            refused(site, told, refusals, kill)
            return
        if not _stage(site, told, stage, kill):
            return


def refused(site: Site, told: Told, refusals: list[str], kill: Point | None) -> None:
    """Run the ingest while totesys cannot be read: it has to end with one of the errors, unless it is killed first."""
    before = len(site.ingested())
    outcome = site.warm.run(site.job("ingest"), kill=kill)
    told.runs += 1
    if outcome.killed:
        site.await_quiet()
        told.kills[f"ingest: {outcome.reached[-1]}"] += 1
    told.lines.append(f"ingest {'killed' if outcome.killed else outcome.error or 'ended'}, to be refused: {refusals}")
    found = [refusal for refusal in refusals if (outcome.error or "").startswith(refusal)]
    told.refused.update(refusal.partition(":")[0] for refusal in found)
    if not found and not outcome.killed:
        told.faults.append(f"ingest was not refused with {' or '.join(refusals)}: {outcome.error or 'it ended'}")
    if len(site.ingested()) != before:
        told.faults.append(f"ingest committed a batch, and had to be refused with {' or '.join(refusals)}")
    site.note_committed()


def _stage(site: Site, told: Told, stage: str, kill: Point | None) -> bool:
    """Run one stage; return whether it was left to end."""
    outcome = site.warm.run(site.job(stage), kill=kill)
    told.runs += 1
    if outcome.killed:
        told.kills[f"{stage}: {outcome.reached[-1]}"] += 1
        told.lines.append(f"{stage} killed at {outcome.reached[-1]!r}")
        site.await_quiet()
    else:
        told.lines.append(f"{stage} {outcome.error or 'ended'}")
    if outcome.error:
        told.faults.append(f"{stage} failed: {outcome.error}")
    site.note_committed()
    return not outcome.killed
