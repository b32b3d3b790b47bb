"""Two runs of one stage at once: one of them commits, the other ends with an error that says so."""

import os
import select
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Self

from tests.chaos.history import STAGES
from tests.chaos.people import People, Told
from tests.chaos.site import BASE, Site
from tests.chaos.verification import hold_against_source
from tests.chaos.warm import Outcome
from totelake.runtime import failpoints

_REFUSALS = {"ingest": "CommitConflictError", "transform": "CommitConflictError", "load": "AlreadyRunningError"}
_ARRIVES_WITHIN = 300.0


@dataclass
class Twice:
    """What came of starting each stage twice, once: the error of the one that was refused, by stage."""

    seed: int
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def start_twice(site: Site, seed: int) -> Twice:
    """Let the business do something at `site`, and start each stage twice at once."""
    twice = Twice(seed)
    site.go_back_to(BASE)
    People(site.totesys, Random(seed), Told(seed), site.last_snapshot).place_order()
    for stage in STAGES:
        outcomes = _one_within_the_other(site) if stage == "load" else _both_before_the_commit(site, stage)
        errors = [outcome.error for outcome in outcomes if outcome.error]
        if len(errors) == 1 and errors[0].startswith(_REFUSALS[stage]):
            twice.refused[f"{stage}: {_REFUSALS[stage]}"] += 1
        else:
            twice.faults.append(f"two starts of {stage} ended with the errors {errors}")
        site.warm.settle()
        site.await_quiet()
    if (batches := (len(site.ingested()), len(site.processed()))) != (2, 2):
        twice.faults.append(f"there are {batches} batches, and not one more in each zone")
    hold_against_source(site, twice.faults)
    return twice


def _both_before_the_commit(site: Site, stage: str) -> list[Outcome]:
    """Start `stage` twice, and let both create the record of their batch when both have come that far."""
    with _Meeting(failpoints.BEFORE_LOG_CREATED) as meeting:
        processes = [site.warm.start(site.job(stage), watcher=meeting.arrive) for _ in range(2)]
        meeting.let_go(of=2)
        return [process.outcome() for process in processes]


def _one_within_the_other(site: Site) -> list[Outcome]:
    """Start a load when another has merged everything and not committed it yet."""
    with _Meeting(failpoints.BEFORE_MERGE_COMMITTED) as meeting:
        first = site.warm.start(site.job("load"), watcher=meeting.arrive)
        meeting.await_arrivals(1)
        second = site.warm.start(site.job("load")).outcome()
        meeting.let_go(of=1, arrived=1)
        return [first.outcome(), second]


class _Meeting:
    """A boundary at which processes wait for each other."""

    def __init__(self, boundary: str) -> None:
        self._boundary = boundary
        self._arrived, self._arrive = os.pipe()
        self._go, self._let_go = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._arrived, self._arrive, self._go, self._let_go):
            os.close(descriptor)

    def arrive(self, boundary: str) -> None:
        """Wait at the boundary until the process is let go; called in the process."""
        if boundary == self._boundary:
            os.write(self._arrive, b".")
            os.read(self._go, 1)

    def await_arrivals(self, count: int) -> None:
        """Wait until `count` more processes have arrived."""
        for _ in range(count):
            if not select.select([self._arrived], [], [], _ARRIVES_WITHIN)[0]:
                raise TimeoutError(f"no process came to {self._boundary!r} within {_ARRIVES_WITHIN:g} s")
            os.read(self._arrived, 1)

    def let_go(self, of: int, arrived: int = 0) -> None:
        """Let `of` processes go on when all of them have arrived, of which so many have `arrived` already."""
        self.await_arrivals(of - arrived)
        os.write(self._let_go, b"." * of)
