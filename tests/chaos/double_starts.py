"""Two concurrent runs of one stage: one commits, the other ends with a conflict error."""

import os
import select
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Self

from tests.chaos.history import COMPACT, STAGES
from tests.chaos.shared_jvm import ProcessOutcome
from tests.chaos.testbed import BASE, PipelineTestbed
from tests.chaos.verification import verify
from tests.chaos.writers import HistoryResult, Writers
from totelake.runtime import failpoints

_REJECTIONS = {"ingest": "CommitConflictError", "transform": "CommitConflictError", "load": "AlreadyRunningError"}
_ARRIVES_WITHIN = 300.0


@dataclass
class DoubleStart:
    """The result of starting each stage twice: the error of the rejected run, by stage."""

    seed: int
    rejected: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def start_twice(testbed: PipelineTestbed, seed: int) -> DoubleStart:
    """Place an order in the totesys of `testbed`, then start each stage twice at once."""
    double_start = DoubleStart(seed)
    testbed.restore_state(BASE)
    Writers(testbed.totesys, Random(seed), HistoryResult(seed), testbed.last_snapshot).place_order()
    for stage in STAGES:
        outcomes = _one_within_the_other(testbed) if stage == "load" else _both_before_the_commit(testbed, stage)
        errors = [outcome.error for outcome in outcomes if outcome.error]
        if len(errors) == 1 and errors[0].startswith(_REJECTIONS[stage]):
            double_start.rejected[f"{stage}: {_REJECTIONS[stage]}"] += 1
        else:
            double_start.faults.append(f"two starts of {stage} ended with the errors {errors}")
        testbed.jvm.release_requests()
        testbed.wait_for_disconnects()
    double_start.faults += _compactions_meanwhile(testbed, seed)
    if (batches := (len(testbed.ingested()), len(testbed.processed()))) != (4, 4):
        double_start.faults.append(f"{batches} batches in the two zones instead of (4, 4)")
    verify(testbed, double_start.faults)
    return double_start


def _compactions_meanwhile(testbed: PipelineTestbed, seed: int) -> list[str]:
    """Run all stages while two compactions wait before their checkpoints, and return the errors: there is none."""
    writers = Writers(testbed.totesys, Random(seed + 1), HistoryResult(seed), testbed.last_snapshot)
    writers.place_order()
    outcomes = [testbed.jvm.run(testbed.job(stage)) for stage in STAGES]
    writers.place_order()
    with _Rendezvous(failpoints.BEFORE_LOG_CREATED) as meeting:
        compactions = [testbed.jvm.start(testbed.job(COMPACT), watcher=meeting.arrive_once()) for _ in range(2)]
        meeting.wait_for_arrivals(2)
        outcomes += [testbed.jvm.start(testbed.job(stage)).outcome() for stage in STAGES]
        meeting.release(of=2, arrived=2)
        outcomes += [compaction.outcome() for compaction in compactions]
    testbed.wait_for_disconnects()
    outcomes.append(testbed.jvm.run(testbed.job(COMPACT)))
    return [f"beside two compactions: {outcome.error}" for outcome in outcomes if outcome.error]


def _both_before_the_commit(testbed: PipelineTestbed, stage: str) -> list[ProcessOutcome]:
    """Start `stage` twice; both create their commit record after both have hit that failpoint."""
    with _Rendezvous(failpoints.BEFORE_LOG_CREATED) as meeting:
        processes = [testbed.jvm.start(testbed.job(stage), watcher=meeting.arrive) for _ in range(2)]
        meeting.release(of=2)
        return [process.outcome() for process in processes]


def _one_within_the_other(testbed: PipelineTestbed) -> list[ProcessOutcome]:
    """Start a load while another has merged everything and not committed yet."""
    with _Rendezvous(failpoints.BEFORE_MERGE_COMMITTED) as meeting:
        first = testbed.jvm.start(testbed.job("load"), watcher=meeting.arrive)
        meeting.wait_for_arrivals(1)
        second = testbed.jvm.start(testbed.job("load")).outcome()
        meeting.release(of=1, arrived=1)
        return [first.outcome(), second]


class _Rendezvous:
    """A failpoint at which processes wait for each other."""

    def __init__(self, boundary: str) -> None:
        self._boundary = boundary
        self._arrived, self._arrive = os.pipe()
        self._go, self._release = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._arrived, self._arrive, self._go, self._release):
            os.close(descriptor)

    def arrive(self, boundary: str) -> None:
        """Wait at the failpoint until released; called in the process."""
        if boundary == self._boundary:
            os.write(self._arrive, b".")
            os.read(self._go, 1)

    def arrive_once(self) -> Callable[[str], None]:
        """Return a watcher that waits only the first time: a compaction commits in each of the zones."""
        waits = [True]

        def watch(boundary: str) -> None:
            if boundary == self._boundary and waits:
                waits.clear()
                self.arrive(boundary)

        return watch

    def wait_for_arrivals(self, count: int) -> None:
        """Wait until `count` more processes have arrived."""
        for _ in range(count):
            if not select.select([self._arrived], [], [], _ARRIVES_WITHIN)[0]:
                raise TimeoutError(f"no process reached {self._boundary!r} within {_ARRIVES_WITHIN:g} s")
            os.read(self._arrived, 1)

    def release(self, of: int, arrived: int = 0) -> None:
        """Release `of` processes once all have arrived; `arrived` of them have already."""
        self.wait_for_arrivals(of - arrived)
        os.write(self._release, b"." * of)
