"""Prove that no row is lost, doubled or torn: `python -m tests.chaos --histories 1000 --seed 1`.

Three proofs, one after the other: random histories in which processes are killed, two runs of a stage at once, and
interleaved transactions against the ingest. With a thousand histories or more the figures are written to
docs/reliability.md. The first thing that is wrong is told with its seed and ends the command with status 1.
"""

import argparse
import logging
import sys
import time

from tests.chaos import report
from tests.chaos.crew import WORKERS, Crew, postgres_server, server_version
from tests.chaos.double_starts import start_twice
from tests.chaos.history import happen
from tests.chaos.interleavings import LateCommits, LateCommitsError, prove, world
from tests.chaos.report import Figures

FULL = 1_000
# To a thousand histories belong ten thousand interleavings and a hundred starts of each stage twice.
_INTERLEAVINGS = 10
_HISTORIES_PER_DOUBLE_START = 10
# So few do not repay the start of another worker, which takes as long as they do.
_HISTORIES_PER_WORKER = 10
_PROGRESS_SECONDS = 10.0


def main() -> int:
    """Run the proofs; return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--histories", type=int, default=FULL, help="how many histories; the rest in proportion")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first history; the next ones count up")
    parser.add_argument("--interleavings", type=int, help="how many interleavings, ten for each history if not said")
    parser.add_argument("--replay", type=int, metavar="SEED", help="let the history of this seed happen, and no other")
    asked = parser.parse_args()
    if asked.histories < 1:
        parser.error(f"--histories {asked.histories}: at least one history is needed")
    logging.disable(logging.INFO)  # the endpoint tells of every request
    figures = Figures(asked.seed)
    workers = 1 if asked.replay is not None else min(WORKERS, -(-asked.histories // _HISTORIES_PER_WORKER))
    with postgres_server() as server, Crew(server, workers) as crew:
        if asked.replay is not None:
            return _replay(crew, asked.replay)
        double_starts = -(-asked.histories // _HISTORIES_PER_DOUBLE_START)
        right = _histories(crew, figures, asked.histories) and _double_starts(crew, figures, double_starts)
        postgres = server_version(server)
    if not right:
        return 1
    interleavings = asked.histories * _INTERLEAVINGS if asked.interleavings is None else asked.interleavings
    if not interleavings:
        return 0
    if not (late := _late_commits(interleavings, asked.seed)):
        return 1
    if asked.histories >= FULL and interleavings >= FULL * _INTERLEAVINGS:
        report.write(figures, late, postgres)
        print(f"Written: {report.PAGE}")
    return 0


def _replay(crew: Crew, seed: int) -> int:
    [told] = crew.do(happen, [seed])
    print("\n".join([f"History {seed}", *told.lines, *told.faults]))
    return 1 if told.faults else 0


def _histories(crew: Crew, figures: Figures, count: int) -> bool:
    """Let `count` histories happen; return whether all ended right."""
    print(f"Kills: {count:,} histories with the seeds {figures.seed} to {figures.seed + count - 1}", flush=True)
    began = shown = time.monotonic()
    for told in crew.do(happen, range(figures.seed, figures.seed + count)):
        if told.faults:
            print("\n".join([f"History {told.seed} ended wrong:", *told.lines, "", *told.faults]))
            print(f"Replay it alone: make chaos REPLAY={told.seed}")
            return False
        figures.add(told)
        figures.history_seconds = time.monotonic() - began
        if time.monotonic() - shown > _PROGRESS_SECONDS or figures.histories == count:
            shown = time.monotonic()
            kills, each = figures.kills.total(), figures.history_seconds / figures.histories
            print(f"  {figures.histories:,} histories, {kills:,} kills, {each:.2f} s each", flush=True)
    return True


def _double_starts(crew: Crew, figures: Figures, count: int) -> bool:
    """Start each stage twice at once, `count` times; return whether one of each two was refused."""
    print(f"Double starts: {count:,} of each stage", flush=True)
    began = time.monotonic()
    for twice in crew.do(start_twice, range(figures.seed, figures.seed + count)):
        if twice.faults:
            print("\n".join([f"Two starts with the seed {twice.seed} ended wrong:", *twice.faults]))
            return False
        figures.double_starts += 1
        figures.refused += twice.refused
    figures.double_start_seconds = time.monotonic() - began
    print(f"  {dict(figures.refused)}, {figures.double_start_seconds:,.0f} s", flush=True)
    return True


def _late_commits(count: int, seed: int) -> LateCommits | None:
    """Weave `count` interleavings with the ingest; return the figures, None where one was lost or doubled."""
    print(f"Late commits: {count:,} interleavings", flush=True)
    with world() as made:
        try:
            found = prove(made, count, seed, lambda so_far: print(f"  {so_far.interleavings:,} woven", flush=True))
        except LateCommitsError as error:
            print(error)
            return None
    print(found)
    return found


if __name__ == "__main__":
    sys.exit(main())
