"""The proof of late commits: concurrent transactions of every kind, and an ingest that loses and doubles no version.

Hundreds of generated interleavings are woven into one sequence of steps on as many connections, and the real ingest
stage runs in the midst of them, several times: transactions are open, prepared, and commit while it reads. What it
lands is held against the source's own audit trail. The same moments are read by `last_updated > watermark`, too.
Between the batches one more table is truncated, altered, exchanged for another and hidden from the reader.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields

import psycopg

from tests.chaos.audit import Moment, Trail, Values
from tests.chaos.audited_world import Version, World, world
from tests.chaos.late_commits import LateCommits, LateCommitsError, NotRefusedError
from tests.chaos.restructured import Restructured, candidates
from tests.chaos.schedules import Action, Interleaving, Row, Stamp, Step, generate, owner
from tests.chaos.sessions import DEPTH, Sessions
from tests.chaos.weaving import woven
from totelake.lake.batches import IngestedBatch
from totelake.runtime import failpoints
from totelake.runtime.errors import UnreadableTableError
from totelake.tables import SOURCE_TABLES

__all__ = ["LateCommits", "LateCommitsError", "NotRefusedError", "prove", "world"]

TOGETHER = 400
BATCHES = 4
_TABLES = 3
_SHARE_WHILE_READ = 0.3
_SHARE_HIDDEN = 0.2


def prove(
    world: World,
    count: int = 10_000,
    seed: int = 1,
    progress: Callable[[LateCommits], None] = lambda _: None,
    *,
    only: int | None = None,
    until: float = math.inf,
) -> LateCommits:
    """Run at least `count` interleavings of `seed` through the ingest of `world`, and return the figures.

    None of them may have run in `world` before. When it is `until` by the monotonic clock, no group is begun any more
    but the first one. `progress` gets the figures after each group that is woven together.
    `only` is the number of an interleaving: nothing but its group is run, as who it is woven with is a part of it.
    Raises `LateCommitsError` at the first batch that lacks a version or has one too many.
    """
    proof = _Proof(world, seed)
    world.ingest()
    groups = range(-(-count // TOGETHER)) if only is None else [only // TOGETHER]
    with (
        psycopg.connect(world.url, autocommit=True) as auditor,
        psycopg.connect(world.url, autocommit=True) as restructurer,
        Sessions(world.url) as sessions,
    ):
        for number in groups:
            if proof.has_begun and time.monotonic() >= until:
                break
            choice = random.Random(f"{seed}/group {number}")
            tables = choice.sample(sorted(SOURCE_TABLES), _TABLES)
            restructured = Restructured(restructurer, choice.choice(candidates(tables)), choice)
            members = range(number * TOGETHER, (number + 1) * TOGETHER)
            group = [generate(seed, member, tables, BATCHES) for member in members]
            proof.run(group, Trail(auditor, tables, restructured.table), sessions, restructured, choice)
            progress(proof.figures())
    return proof.figures()


class _Proof:
    """A proof as far as it has come."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._began = time.monotonic()
        self._tally: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._losers: set[int | None] = set()
        self._alive: dict[Row, Values] = {}

    @property
    def has_begun(self) -> bool:
        """Whether a group was run."""
        return self._tally["interleavings"] > 0

    def figures(self) -> LateCommits:
        """Return the figures so far."""
        tally = self._tally | Counter(watermark_losers=len(self._losers))
        counted = {field.name: tally[field.name] for field in fields(LateCommits) if field.type is int}
        return LateCommits(**counted, seconds=time.monotonic() - self._began, events=dict(self._events))

    def run(
        self,
        group: list[Interleaving],
        trail: Trail,
        sessions: Sessions,
        restructured: Restructured,
        choice: random.Random,
    ) -> None:
        """Weave the interleavings of `group`, and hold each batch against `trail`; another one finds nothing more."""
        weave = [woven(group, part, choice) for part in range(BATCHES)]
        self._alive = trail.moment().whole | self._alive
        for part, steps in enumerate(weave):
            _do(sessions, steps)
            restructured.act()
            if choice.random() < _SHARE_HIDDEN:
                self._be_refused(restructured)
            following = weave[part + 1] if part + 1 < BATCHES else []
            while_read = following[: int(len(following) * _SHARE_WHILE_READ)]
            del following[: len(while_read)]
            self._batch(group, part + 1, trail, restructured, lambda steps=while_read: _do(sessions, steps))
        restructured.restore()
        self._batch(group, BATCHES + 1, trail, restructured, lambda: None)
        self._hold_against(group, BATCHES + 2, [], self._world.ingest(), restructured)
        self._count(group, restructured)

    def _batch(
        self,
        group: list[Interleaving],
        number: int,
        trail: Trail,
        restructured: Restructured,
        while_read: Callable[[], None],
    ) -> None:
        """Ingest once and hold the batch against what was due; `while_read` is done before its snapshot is read."""
        moments: list[Moment] = []
        compares = restructured.is_other
        restructured.is_other = False

        def reached(boundary: str) -> None:
            if boundary == failpoints.SNAPSHOT_EXPORTED:
                moments.append(trail.moment())
                while_read()
                if number <= BATCHES:
                    restructured.try_while_read()

        with failpoints.watched(reached):
            batch = self._world.ingest()
        [moment] = moments
        if batch:
            assert (batch.snapshot.xmin, batch.snapshot.xmax) == (moment.xmin, moment.xmax), "not the batch's moment"
        self._tally.update(batches=1, compared=compares)
        restructured.told.append(f"batch {number}")
        expected = [*self._expected(moment), *self._expected_of_whole(moment, restructured.table, compares=compares)]
        self._count_watermark(moment)
        self._hold_against(group, number, expected, batch, restructured)

    def _be_refused(self, restructured: Restructured) -> None:
        """Run while rows are hidden from the reader: the run has to end with an error that names the table."""
        restructured.hide()
        try:
            committed = self._world.ingest()
        except UnreadableTableError as refused:
            error = str(refused)
        else:
            raise NotRefusedError(restructured.table, f"it ended with {committed}")
        if restructured.table not in error:
            raise NotRefusedError(restructured.table, error)
        self._tally["refused"] += 1
        restructured.show()

    def _expected(self, moment: Moment) -> list[Version]:
        """Return what has to land: each changed row as it is, or once more as it landed last, if it is gone."""
        expected = []
        for row, values in moment.changed.items():
            if values is not None:
                self._alive[row] = values
                expected.append(Version(row, "U", values))
            elif row in self._alive:
                expected.append(Version(row, "D", self._alive.pop(row)))
                self._tally["deletions"] += 1
        return expected

    def _expected_of_whole(self, moment: Moment, table: str, *, compares: bool) -> list[Version]:
        """Return what has to land of the restructured table.

        Where it is compared by content, what shows something else than what landed last, whoever wrote it when; else
        what was written. What is not there any more is a deletion.
        """
        expected = []
        for row, values in moment.whole.items():
            known = self._alive.get(row)
            if known is None or (known[1:] != values[1:] if compares else row in moment.written):
                self._alive[row] = values
                expected.append(Version(row, "U", values))
        for row in [row for row in self._alive if row.table == table and row not in moment.whole]:
            expected.append(Version(row, "D", self._alive.pop(row)))
            self._tally["deletions"] += 1
        return expected

    def _hold_against(
        self,
        group: list[Interleaving],
        number: int,
        expected: list[Version],
        batch: IngestedBatch | None,
        restructured: Restructured,
    ) -> None:
        """Compare a batch, by its number among the steps of `group`, with what is expected of it."""
        due, landed = Counter(expected), Counter(self._world.landed(batch))
        lost, doubled = list((due - landed).elements()), list((landed - due).elements())
        self._tally.update(versions=len(expected), lost=len(lost), doubled=len(doubled))
        if lost or doubled:
            raise LateCommitsError(self._seed, group, number, lost=lost, doubled=doubled, told=restructured.told)

    def _count_watermark(self, moment: Moment) -> None:
        lost = [row for row, values in moment.changed.items() if values is not None and row not in moment.newer]
        self._tally["watermark_lost"] += len(lost)
        self._losers.update(map(owner, lost))

    def _count(self, group: list[Interleaving], restructured: Restructured) -> None:
        self._events += restructured.events
        steps = [step for interleaving in group for step in interleaving.steps]
        done = Counter(step.action for step in steps)
        self._tally.update(
            interleavings=len(group),
            transactions=done[Action.BEGIN],
            savepoints=done[Action.SAVEPOINT] + DEPTH * done[Action.DEEP_UPDATE],
            prepared=done[Action.PREPARE],
            late=sum(len(interleaving.late) for interleaving in group),
            rollbacks=done[Action.ROLLBACK] + done[Action.ROLLBACK_TO] + done[Action.ROLLBACK_PREPARED],
            key_changes=done[Action.CHANGE_KEY],
            forgotten=sum(step.stamp is Stamp.FORGOTTEN for step in steps),
        )


def _do(sessions: Sessions, steps: list[tuple[int, Step]]) -> None:
    for number, step in steps:
        sessions.do(number, step)
