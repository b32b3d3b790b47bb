"""Prove that no row is lost, doubled or torn: `python -m tests.chaos --histories 1000 --seed 1`.

Three proofs, one after the other: random histories in which processes are killed, two runs of a stage at once, and
interleaved transactions against the ingest. With a thousand histories or more, or with as many as fit into `--minutes`,
the figures are written to docs/reliability.md. The first thing that is wrong is told with its seed and ends the command
with status 1.
"""

import argparse
import logging
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.chaos import report
from tests.chaos.crew import WORKERS, Crew, postgres_server, server_version
from tests.chaos.double_starts import start_twice
from tests.chaos.history import happen
from tests.chaos.interleavings import LateCommits, LateCommitsError, NotRefusedError, prove, world
from tests.chaos.report import Figures

FULL = 1_000
# To a thousand histories belong ten thousand interleavings and a hundred starts of each stage twice.
_INTERLEAVINGS = 10
_HISTORIES_PER_DOUBLE_START = 10
# So few do not repay the start of another worker, which takes as long as they do.
_HISTORIES_PER_WORKER = 10
_PROGRESS_SECONDS = 10.0
# What part of the time is over when the histories, and then the double starts, come to their end.
_UNTIL_HISTORIES, _UNTIL_DOUBLE_STARTS = 0.7, 0.76
# More than fit into any time that is asked for.
_UNBOUNDED = 10**9


@dataclass(frozen=True)
class Plan:
    """How many of each there are to be, and when each proof begins nothing more, by the monotonic clock."""

    histories: int
    double_starts: int
    interleavings: int
    until_histories: float = math.inf
    until_double_starts: float = math.inf
    until: float = math.inf

    @classmethod
    def of_minutes(cls, minutes: float) -> Self:
        """Return the plan to do as much as fits into `minutes` from now on."""
        now, seconds = time.monotonic(), 60 * minutes
        return cls(
            _UNBOUNDED,
            _UNBOUNDED,
            _UNBOUNDED,
            now + _UNTIL_HISTORIES * seconds,
            now + _UNTIL_DOUBLE_STARTS * seconds,
            now + seconds,
        )

    @classmethod
    def of_histories(cls, histories: int, interleavings: int | None) -> Self:
        """Return the plan of so many `histories` and the rest in proportion, but for the `interleavings` if given."""
        wanted = histories * _INTERLEAVINGS if interleavings is None else interleavings
        return cls(histories, -(-histories // _HISTORIES_PER_DOUBLE_START), wanted)

    @property
    def is_worth_a_page(self) -> bool:
        """Whether the figures are those of a full run, or of one that was bounded by its time."""
        return self.histories >= FULL and self.interleavings >= FULL * _INTERLEAVINGS


def main() -> int:
    """Run the proofs; return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.partition("\n")[0])
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--histories", type=int, default=FULL, help="how many histories; the rest in proportion")
    amount.add_argument("--minutes", type=float, help="do as many histories, and of the rest, as fit into this time")
    amount.add_argument("--replay", type=int, metavar="SEED", help="let the history of this seed happen, and no other")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first history; the next ones count up")
    parser.add_argument("--interleavings", type=int, help="how many interleavings, ten for each history if not said")
    parser.add_argument("--page", type=Path, default=report.PAGE, help="where a full run writes its figures")
    asked = parser.parse_args()
    if asked.histories < 1:
        parser.error(f"--histories {asked.histories}: at least one history is needed")
    if asked.minutes is not None and asked.minutes <= 0:
        parser.error(f"--minutes {asked.minutes:g}: some time is needed")
    logging.disable(logging.INFO)  # the endpoint tells of every request
    if asked.replay is not None:
        with postgres_server() as server, Crew(server, 1) as crew:
            return _replay(crew, asked.replay)
    plan = Plan.of_minutes(asked.minutes) if asked.minutes else Plan.of_histories(asked.histories, asked.interleavings)
    return _prove(plan, asked.seed, asked.page)


def _prove(plan: Plan, seed: int, page: Path) -> int:
    """Run the proofs one after the other; return the exit status."""
    figures = Figures(seed)
    with postgres_server() as server, Crew(server, min(WORKERS, -(-plan.histories // _HISTORIES_PER_WORKER))) as crew:
        right = _histories(crew, figures, plan) and _double_starts(crew, figures, plan)
        postgres = server_version(server)
    if not right:
        return 1
    if not plan.interleavings:
        return 0
    if not (late := _late_commits(plan, seed)):
        return 1
    if plan.is_worth_a_page:
        report.write(figures, late, postgres, page)
        print(f"Written: {page}")
    return 0


def _replay(crew: Crew, seed: int) -> int:
    [told] = crew.do(happen, [seed])
    print("\n".join([f"History {seed}", *told.lines, *told.faults]))
    return 1 if told.faults else 0


def _histories(crew: Crew, figures: Figures, plan: Plan) -> bool:
    """Let the histories happen; return whether all ended right."""
    print(f"Kills: histories with the seeds from {figures.seed} on", flush=True)
    began = shown = time.monotonic()
    for told in crew.do(happen, range(figures.seed, figures.seed + plan.histories), until=plan.until_histories):
        if told.faults:
            print("\n".join([f"History {told.seed} ended wrong:", *told.lines, "", *told.faults]))
            print(f"Replay it alone: make chaos REPLAY={told.seed}")
            return False
        figures.add(told)
        figures.history_seconds = time.monotonic() - began
        if time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            _tell(figures)
    _tell(figures)
    return True


def _tell(figures: Figures) -> None:
    kills, each = figures.kills.total(), figures.history_seconds / figures.histories
    refused, compared = figures.refused_runs.total(), figures.compared
    print(
        f"  {figures.histories:,} histories, {kills:,} kills, {refused:,} runs refused, {compared:,} tables compared by"
        f" content, {each:.2f} s each",
        flush=True,
    )


def _double_starts(crew: Crew, figures: Figures, plan: Plan) -> bool:
    """Start each stage twice at once, many times; return whether one of each two was refused."""
    print("Double starts of each stage", flush=True)
    began = time.monotonic()
    for twice in crew.do(
        start_twice, range(figures.seed, figures.seed + plan.double_starts), until=plan.until_double_starts
    ):
        if twice.faults:
            print("\n".join([f"Two starts with the seed {twice.seed} ended wrong:", *twice.faults]))
            return False
        figures.double_starts += 1
        figures.refused += twice.refused
    figures.double_start_seconds = time.monotonic() - began
    print(f"  {dict(figures.refused)}, {figures.double_start_seconds:,.0f} s", flush=True)
    return True


def _late_commits(plan: Plan, seed: int) -> LateCommits | None:
    """Weave interleavings with the ingest; return the figures, None where a version was lost or doubled."""
    print("Late commits: interleavings", flush=True)
    with world() as made:
        try:
            found = prove(
                made,
                plan.interleavings,
                seed,
                lambda so_far: print(f"  {so_far.interleavings:,} woven", flush=True),
                until=plan.until,
            )
        except (LateCommitsError, NotRefusedError) as error:
            print(error)
            return None
    print(found)
    return found


if __name__ == "__main__":
    sys.exit(main())
