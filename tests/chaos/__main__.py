"""Check that no row is lost, duplicated or incomplete: `python -m tests.chaos --histories 1000 --seed 1`.

Three parts run in sequence: random histories in which processes are killed, two concurrent runs of a stage, and
interleaved transactions during the ingest. A run of at least a thousand histories, or limited by `--minutes`, writes
its figures to docs/reliability.md. The first failure is printed with its seed and ends the command with exit
status 1.
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
from tests.chaos.double_starts import start_twice
from tests.chaos.history import run_history
from tests.chaos.interleavings import LateCommits, LateCommitsError, NotRejectedError, audited_pipeline, prove
from tests.chaos.report import RunFigures
from tests.chaos.workers import WORKERS, WorkerPool, postgres_server, server_version

FULL = 1_000
# Interleavings per history, and histories per double start of each stage.
_INTERLEAVINGS = 10
_HISTORIES_PER_DOUBLE_START = 10
# Fewer histories would be done before another worker has started.
_HISTORIES_PER_WORKER = 10
_PROGRESS_SECONDS = 10.0
# The fraction of the time at which the histories, and then the double starts, end.
_UNTIL_HISTORIES, _UNTIL_DOUBLE_STARTS = 0.7, 0.76
# More than fit into any time limit.
_UNBOUNDED = 10**9


@dataclass(frozen=True)
class RunPlan:
    """The number of runs of each part, and the monotonic times after which a part starts no further run."""

    histories: int
    double_starts: int
    interleavings: int
    until_histories: float = math.inf
    until_double_starts: float = math.inf
    until: float = math.inf

    @classmethod
    def of_minutes(cls, minutes: float) -> Self:
        """Return the plan for as many runs as fit into `minutes` from now."""
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
        """Return the plan for `histories`, with the other parts in proportion unless `interleavings` is given."""
        count = histories * _INTERLEAVINGS if interleavings is None else interleavings
        return cls(histories, -(-histories // _HISTORIES_PER_DOUBLE_START), count)

    @property
    def is_full_run(self) -> bool:
        """Whether the run is large enough, or limited by time, to write the page."""
        return self.histories >= FULL and self.interleavings >= FULL * _INTERLEAVINGS


def main() -> int:
    """Run all parts and return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.partition("\n")[0])
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--histories", type=int, default=FULL, help="number of histories; the other parts in proportion"
    )
    amount.add_argument(
        "--minutes", type=float, help="run as many histories, and of the other parts, as fit into this time"
    )
    amount.add_argument("--replay", type=int, metavar="SEED", help="run only the history of this seed")
    parser.add_argument(
        "--seed", type=int, default=1, help="the seed of the first history; incremented for each further one"
    )
    parser.add_argument("--interleavings", type=int, help="number of interleavings (default: ten per history)")
    parser.add_argument(
        "--page", type=Path, default=report.PAGE, help="the file to which a full run writes its figures"
    )
    options = parser.parse_args()
    if options.histories < 1:
        parser.error(f"--histories {options.histories}: at least one history is needed")
    if options.minutes is not None and options.minutes <= 0:
        parser.error(f"--minutes {options.minutes:g}: must be greater than 0")
    logging.disable(logging.INFO)  # the endpoint logs every request
    if options.replay is not None:
        with postgres_server() as server, WorkerPool(server, 1) as workers:
            return _replay(workers, options.replay)
    plan = (
        RunPlan.of_minutes(options.minutes)
        if options.minutes
        else RunPlan.of_histories(options.histories, options.interleavings)
    )
    return _prove(plan, options.seed, options.page)


def _prove(plan: RunPlan, seed: int, page: Path) -> int:
    """Run all parts in sequence and return the exit status."""
    figures = RunFigures(seed)
    with (
        postgres_server() as server,
        WorkerPool(server, min(WORKERS, -(-plan.histories // _HISTORIES_PER_WORKER))) as workers,
    ):
        passed = _histories(workers, figures, plan) and _double_starts(workers, figures, plan)
        postgres = server_version(server)
    if not passed:
        return 1
    if not plan.interleavings:
        return 0
    if not (late := _late_commits(plan, seed)):
        return 1
    if plan.is_full_run:
        report.write(figures, late, postgres, page)
        print(f"Written: {page}")
    return 0


def _replay(workers: WorkerPool, seed: int) -> int:
    [result] = workers.do(run_history, [seed])
    print("\n".join([f"History {seed}", *result.lines, *result.faults]))
    return 1 if result.faults else 0


def _histories(workers: WorkerPool, figures: RunFigures, plan: RunPlan) -> bool:
    """Run the histories; return whether all passed."""
    print(f"Kills: histories with seeds from {figures.seed}", flush=True)
    started = printed = time.monotonic()
    for result in workers.do(
        run_history, range(figures.seed, figures.seed + plan.histories), until=plan.until_histories
    ):
        if result.faults:
            print("\n".join([f"History {result.seed} failed:", *result.lines, "", *result.faults]))
            print(f"Replay it: make chaos REPLAY={result.seed}")
            return False
        figures.add(result)
        figures.history_seconds = time.monotonic() - started
        if time.monotonic() - printed > _PROGRESS_SECONDS:
            printed = time.monotonic()
            _print_progress(figures)
    _print_progress(figures)
    return True


def _print_progress(figures: RunFigures) -> None:
    kills, each = figures.kills.total(), figures.history_seconds / figures.histories
    rejected, compared = figures.rejected_runs.total(), figures.compared
    print(
        f"  {figures.histories:,} histories, {kills:,} kills, {rejected:,} runs rejected, {compared:,} tables compared"
        f" by content, {each:.2f} s each",
        flush=True,
    )


def _double_starts(workers: WorkerPool, figures: RunFigures, plan: RunPlan) -> bool:
    """Start each stage twice at once, many times; return whether exactly one of the two was rejected each time."""
    print("Double starts of each stage", flush=True)
    started = time.monotonic()
    for double_start in workers.do(
        start_twice, range(figures.seed, figures.seed + plan.double_starts), until=plan.until_double_starts
    ):
        if double_start.faults:
            print("\n".join([f"Two starts with the seed {double_start.seed} failed:", *double_start.faults]))
            return False
        figures.double_starts += 1
        figures.rejected += double_start.rejected
    figures.double_start_seconds = time.monotonic() - started
    print(f"  {dict(figures.rejected)}, {figures.double_start_seconds:,.0f} s", flush=True)
    return True


def _late_commits(plan: RunPlan, seed: int) -> LateCommits | None:
    """Run interleavings during the ingest; return the figures, or None if a version was lost or duplicated."""
    print("Late commits: interleavings", flush=True)
    with audited_pipeline() as pipeline:
        try:
            late = prove(
                pipeline,
                plan.interleavings,
                seed,
                lambda so_far: print(f"  {so_far.interleavings:,} run", flush=True),
                until=plan.until,
            )
        except (LateCommitsError, NotRejectedError) as error:
            print(error)
            return None
    print(late)
    return late


if __name__ == "__main__":
    sys.exit(main())
