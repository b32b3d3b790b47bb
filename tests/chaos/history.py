"""A random history: totesys changes, stages run and are killed, and in the end no row is lost or duplicated."""

from random import Random

from tests.chaos.shared_jvm import KillPoint
from tests.chaos.testbed import BASE, EMPTY, PipelineTestbed
from tests.chaos.verification import verify
from tests.chaos.writers import HistoryResult, Writers
from totelake.runtime import failpoints

STAGES = ("ingest", "transform", "load")
COMPACT = "compact"
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
    COMPACT: _ZONE,
}
_FROM_EMPTY = 0.04
_KILLED = 0.85
_REPEATED = 0.1
_COMPACTED, _ENDS = 0.25, 0.5
_ROUNDS = (1, 1, 2)
_ALL_TOGETHER = (failpoints.TABLE_WRITTEN, failpoints.TABLE_STAGED)


def run_history(testbed: PipelineTestbed, seed: int) -> HistoryResult:
    """Run the history of `seed` in `testbed` and return its result."""
    choice, result = Random(seed), HistoryResult(seed)
    state = EMPTY if choice.random() < _FROM_EMPTY else BASE
    testbed.restore_state(state)
    result.lines.append(f"starts from {state}")
    writers = Writers(testbed.totesys, choice, result, testbed.last_snapshot)
    compactions = Random(f"compactions of {seed}")
    for _ in range(choice.choice(_ROUNDS)):
        writers.run_transactions()
        _run(testbed, choice, result, writers.rejections(), compactions)
    writers.finish()
    for stage in STAGES:
        _stage(testbed, result, stage, None)
        _compact(testbed, compactions, result)
    if result.compactions:
        _stage(testbed, result, COMPACT, None)
    result.rows = verify(testbed, result.faults)
    result.compared = sum(len(batch.compared) for batch in testbed.batches())
    result.quarantined = sum(sum(batch.quarantined.values()) for batch in testbed.processed())
    if choice.random() < _REPEATED:
        _repeat_run(testbed, result)
    return result


def _repeat_run(testbed: PipelineTestbed, result: HistoryResult) -> None:
    """Run all stages again and check that they commit nothing."""
    before = (len(testbed.ingested()), len(testbed.processed()))
    for stage in STAGES:
        _stage(testbed, result, stage, None)
    result.repeated += 1
    if (len(testbed.ingested()), len(testbed.processed())) != before:
        result.faults.append("a repeated run committed a batch")


def _compact(testbed: PipelineTestbed, choice: Random, result: HistoryResult) -> None:
    """Sometimes run a compaction, which is often killed; the last one of a history is not."""
    if choice.random() < _COMPACTED:
        kill = KillPoint(choice.choice(BOUNDARIES[COMPACT]), choice.randint(1, 2)) if choice.random() < _ENDS else None
        result.compactions += 1
        _stage(testbed, result, COMPACT, kill)


def _run(
    testbed: PipelineTestbed, choice: Random, result: HistoryResult, rejections: list[str], compactions: Random
) -> None:
    """Run the stages in sequence; usually one of them is killed, and the later ones do not run."""
    victim = choice.choice(STAGES) if choice.random() < _KILLED else None
    for stage in STAGES:
        kill = None
        if stage == victim:
            boundary = choice.choice(BOUNDARIES[stage])
            kill = KillPoint(boundary, choice.randint(1, 3) if boundary in _ALL_TOGETHER else 1)
        if stage == "ingest" and rejections:
            run_rejected_ingest(testbed, result, rejections, kill)
            return
        if not _stage(testbed, result, stage, kill):
            return
        _compact(testbed, compactions, result)


def run_rejected_ingest(
    testbed: PipelineTestbed, result: HistoryResult, rejections: list[str], kill: KillPoint | None
) -> None:
    """Run the ingest while totesys cannot be read: it must end with one of the errors, unless it is killed first."""
    before = len(testbed.ingested())
    outcome = testbed.jvm.run(testbed.job("ingest"), kill=kill)
    result.runs += 1
    if outcome.killed:
        testbed.wait_for_disconnects()
        result.kills[f"ingest: {outcome.reached[-1]}"] += 1
    result.lines.append(
        f"ingest {'killed' if outcome.killed else outcome.error or 'ended'}, expected errors: {rejections}"
    )
    matching = [rejection for rejection in rejections if (outcome.error or "").startswith(rejection)]
    result.rejected.update(rejection.partition(":")[0] for rejection in matching)
    if not matching and not outcome.killed:
        result.faults.append(f"ingest was not rejected with {' or '.join(rejections)}: {outcome.error or 'it ended'}")
    if len(testbed.ingested()) != before:
        result.faults.append(f"ingest committed a batch instead of failing with {' or '.join(rejections)}")
    testbed.record_checksums()


def _stage(testbed: PipelineTestbed, result: HistoryResult, stage: str, kill: KillPoint | None) -> bool:
    """Run one stage; return whether it was not killed."""
    outcome = testbed.jvm.run(testbed.job(stage), kill=kill)
    result.runs += 1
    if outcome.killed:
        result.kills[f"{stage}: {outcome.reached[-1]}"] += 1
        result.lines.append(f"{stage} killed at {outcome.reached[-1]!r}")
        testbed.wait_for_disconnects()
    else:
        result.lines.append(f"{stage} {outcome.error or 'ended'}")
    if outcome.error:
        result.faults.append(f"{stage} failed: {outcome.error}")
    testbed.record_checksums()
    return not outcome.killed
