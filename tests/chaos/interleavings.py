"""Proof for late commits: concurrent transactions of every kind, and an ingest that loses and duplicates no version.

Hundreds of generated interleavings are merged into one sequence of steps on as many connections, and the real ingest
stage runs in between, several times: transactions are open, prepared, and commit while it reads. Each batch is
compared with the source's audit trail, and so are the rows selected by `last_updated > watermark` at the same time.
Between the batches one more table is truncated, altered, swapped with another and hidden from the reader.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields

import psycopg

from tests.chaos.audit import AuditedSnapshot, AuditTrail, Values
from tests.chaos.audited_pipeline import AuditedPipeline, RowVersion, audited_pipeline
from tests.chaos.late_commits import LateCommits, LateCommitsError, NotRejectedError
from tests.chaos.merging import merged_steps
from tests.chaos.restructured_table import RestructuredTable, candidates
from tests.chaos.schedules import Interleaving, LastUpdated, RowId, ScheduleStep, StepKind, generate, owner
from tests.chaos.sessions import DEPTH, Sessions
from totelake.lake.batches import IngestedBatch
from totelake.runtime import failpoints
from totelake.runtime.errors import UnreadableTableError
from totelake.tables import SOURCE_TABLES

__all__ = ["LateCommits", "LateCommitsError", "NotRejectedError", "audited_pipeline", "prove"]

TOGETHER = 400
BATCHES = 4
_TABLES = 3
_SHARE_WHILE_READ = 0.3
_SHARE_HIDDEN = 0.2


def prove(
    pipeline: AuditedPipeline,
    count: int = 10_000,
    seed: int = 1,
    progress: Callable[[LateCommits], None] = lambda _: None,
    *,
    only: int | None = None,
    until: float = math.inf,
) -> LateCommits:
    """Run at least `count` interleavings of `seed` against the ingest of `pipeline` and return the figures.

    None of them may have run in `pipeline` before. After `until` (monotonic clock) no further group is started, but one
    is always run. `progress` gets the figures after each group of interleavings.
    `only` is the number of an interleaving: only its group is run, since the others of the group affect its schedule.
    Raises `LateCommitsError` at the first batch that lacks a version or has a duplicate.
    """
    proof = _Proof(pipeline, seed)
    pipeline.ingest()
    groups = range(-(-count // TOGETHER)) if only is None else [only // TOGETHER]
    with (
        psycopg.connect(pipeline.url, autocommit=True) as auditor,
        psycopg.connect(pipeline.url, autocommit=True) as restructurer,
        Sessions(pipeline.url) as sessions,
    ):
        for number in groups:
            if proof.has_run and time.monotonic() >= until:
                break
            choice = random.Random(f"{seed}/group {number}")
            tables = choice.sample(sorted(SOURCE_TABLES), _TABLES)
            restructured = RestructuredTable(restructurer, choice.choice(candidates(tables)), choice)
            members = range(number * TOGETHER, (number + 1) * TOGETHER)
            group = [generate(seed, member, tables, BATCHES) for member in members]
            proof.run(group, AuditTrail(auditor, tables, restructured.table), sessions, restructured, choice)
            progress(proof.figures())
    return proof.figures()


class _Proof:
    """A proof in progress."""

    def __init__(self, pipeline: AuditedPipeline, seed: int) -> None:
        self._pipeline = pipeline
        self._seed = seed
        self._started = time.monotonic()
        self._tally: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._losers: set[int | None] = set()
        self._alive: dict[RowId, Values] = {}

    @property
    def has_run(self) -> bool:
        """Whether a group was run."""
        return self._tally["interleavings"] > 0

    def figures(self) -> LateCommits:
        """Return the figures so far."""
        tally = self._tally | Counter(watermark_losers=len(self._losers))
        counted = {field.name: tally[field.name] for field in fields(LateCommits) if field.type is int}
        return LateCommits(**counted, seconds=time.monotonic() - self._started, events=dict(self._events))

    def run(
        self,
        group: list[Interleaving],
        trail: AuditTrail,
        sessions: Sessions,
        restructured: RestructuredTable,
        choice: random.Random,
    ) -> None:
        """Merge the interleavings of `group` and check each batch against `trail`; a final ingest writes nothing."""
        steps_by_part = [merged_steps(group, part, choice) for part in range(BATCHES)]
        self._alive = trail.snapshot().all_rows | self._alive
        for part, steps in enumerate(steps_by_part):
            _do(sessions, steps)
            restructured.apply_changes()
            if choice.random() < _SHARE_HIDDEN:
                self._ingest_hidden(restructured)
            following = steps_by_part[part + 1] if part + 1 < BATCHES else []
            while_read = following[: int(len(following) * _SHARE_WHILE_READ)]
            del following[: len(while_read)]
            self._batch(group, part + 1, trail, restructured, lambda steps=while_read: _do(sessions, steps))
        restructured.restore()
        self._batch(group, BATCHES + 1, trail, restructured, lambda: None)
        self._compare(group, BATCHES + 2, [], self._pipeline.ingest(), restructured)
        self._count(group, restructured)

    def _batch(
        self,
        group: list[Interleaving],
        number: int,
        trail: AuditTrail,
        restructured: RestructuredTable,
        while_read: Callable[[], None],
    ) -> None:
        """Ingest once and check the batch; `while_read` runs before its snapshot is read."""
        moments: list[AuditedSnapshot] = []
        compares = restructured.is_changed
        restructured.is_changed = False

        def reached(boundary: str) -> None:
            if boundary == failpoints.SNAPSHOT_EXPORTED:
                moments.append(trail.snapshot())
                while_read()
                if number <= BATCHES:
                    restructured.try_while_read()

        with failpoints.watched(reached):
            batch = self._pipeline.ingest()
        [moment] = moments
        if batch:
            assert (batch.snapshot.xmin, batch.snapshot.xmax) == (moment.xmin, moment.xmax), "not the batch's snapshot"
        self._tally.update(batches=1, compared=compares)
        restructured.changes.append(f"batch {number}")
        expected = [
            *self._expected(moment),
            *self._expected_of_restructured(moment, restructured.table, compares=compares),
        ]
        self._count_watermark(moment)
        self._compare(group, number, expected, batch, restructured)

    def _ingest_hidden(self, restructured: RestructuredTable) -> None:
        """Ingest while rows are hidden from the reader: the run must fail with an error that names the table."""
        restructured.hide()
        try:
            committed = self._pipeline.ingest()
        except UnreadableTableError as rejected:
            error = str(rejected)
        else:
            raise NotRejectedError(restructured.table, f"it ended with {committed}")
        if restructured.table not in error:
            raise NotRejectedError(restructured.table, error)
        self._tally["rejected"] += 1
        restructured.show()

    def _expected(self, moment: AuditedSnapshot) -> list[RowVersion]:
        """Return the expected versions: changed rows with their values, deleted rows with the values last ingested."""
        expected = []
        for row, values in moment.changed.items():
            if values is not None:
                self._alive[row] = values
                expected.append(RowVersion(row, "U", values))
            elif row in self._alive:
                expected.append(RowVersion(row, "D", self._alive.pop(row)))
                self._tally["deletions"] += 1
        return expected

    def _expected_of_restructured(self, moment: AuditedSnapshot, table: str, *, compares: bool) -> list[RowVersion]:
        """Return the expected versions of the restructured table.

        If it is compared by content: the rows whose values differ from those last ingested, whenever they were written.
        Otherwise the rows that were written. Missing rows are deletions.
        """
        expected = []
        for row, values in moment.all_rows.items():
            known = self._alive.get(row)
            if known is None or (known[1:] != values[1:] if compares else row in moment.written):
                self._alive[row] = values
                expected.append(RowVersion(row, "U", values))
        for row in [row for row in self._alive if row.table == table and row not in moment.all_rows]:
            expected.append(RowVersion(row, "D", self._alive.pop(row)))
            self._tally["deletions"] += 1
        return expected

    def _compare(
        self,
        group: list[Interleaving],
        number: int,
        expected: list[RowVersion],
        batch: IngestedBatch | None,
        restructured: RestructuredTable,
    ) -> None:
        """Compare a batch, with its number in the schedules of `group`, with the expected versions."""
        due, ingested_versions = Counter(expected), Counter(self._pipeline.ingested_versions(batch))
        lost, duplicated = list((due - ingested_versions).elements()), list((ingested_versions - due).elements())
        self._tally.update(versions=len(expected), lost=len(lost), duplicated=len(duplicated))
        if lost or duplicated:
            raise LateCommitsError(
                self._seed, group, number, lost=lost, duplicated=duplicated, changes=restructured.changes
            )

    def _count_watermark(self, moment: AuditedSnapshot) -> None:
        lost = [row for row, values in moment.changed.items() if values is not None and row not in moment.newer]
        self._tally["watermark_lost"] += len(lost)
        self._losers.update(map(owner, lost))

    def _count(self, group: list[Interleaving], restructured: RestructuredTable) -> None:
        self._events += restructured.events
        steps = [step for interleaving in group for step in interleaving.steps]
        done = Counter(step.action for step in steps)
        self._tally.update(
            interleavings=len(group),
            transactions=done[StepKind.BEGIN],
            savepoints=done[StepKind.SAVEPOINT] + DEPTH * done[StepKind.DEEP_UPDATE],
            prepared=done[StepKind.PREPARE],
            late=sum(len(interleaving.late) for interleaving in group),
            rollbacks=done[StepKind.ROLLBACK] + done[StepKind.ROLLBACK_TO] + done[StepKind.ROLLBACK_PREPARED],
            key_changes=done[StepKind.CHANGE_KEY],
            forgotten=sum(step.stamp is LastUpdated.FORGOTTEN for step in steps),
        )


def _do(sessions: Sessions, steps: list[tuple[int, ScheduleStep]]) -> None:
    for number, step in steps:
        sessions.do(number, step)
