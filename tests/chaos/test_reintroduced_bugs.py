"""Reintroduced bugs: each must be detected by the event that exposed it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from unittest.mock import patch

import psycopg
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from tests.chaos import interleavings, restructuring
from tests.chaos.audited_pipeline import audited_pipeline
from tests.chaos.events import HistoryContext
from tests.chaos.history import STAGES, run_rejected_ingest
from tests.chaos.oracle import record_restructuring
from tests.chaos.restructuring_events import drop_foreign_keys_to, duplicate_key, rejections
from tests.chaos.testbed import BASE, PipelineTestbed
from tests.chaos.verification import verify
from tests.chaos.workers import WorkerPool, postgres_server
from tests.chaos.writers import HistoryResult
from tests.lakes import few_rows
from totelake.ingest import changes, source_checks, stage
from totelake.lake.batches import TableIdentity
from totelake.runtime import connections, failpoints
from totelake.transform.star_tables import dimensions
from totesys.business import Business

type Event = Callable[[HistoryContext], object]


def restructured(change: Callable[[psycopg.Connection, str], None], table: str) -> Event:
    """Return the event that applies `change` to `table`."""

    def event(context: HistoryContext) -> None:
        change(context.connection, table)
        record_restructuring(context.connection, table)

    return event


def hidden(table: str) -> Event:
    """Return the event that hides rows of `table` from the reader."""
    return lambda context: restructuring.hide_rows(context.connection, table)


def orphaned(context: HistoryContext) -> None:
    """Hire a member of staff for a missing department, and move another one to it."""
    drop_foreign_keys_to(context, "department")
    context.business.hire(department_id=900_000)
    context.business.change_staff(1, department_id=900_000)


def nothing(_context: HistoryContext) -> None:
    """Change nothing before the run."""


def truncated_while_read(testbed: PipelineTestbed) -> failpoints.Watcher:
    """Return a watcher that truncates the payments once the snapshot is exported, unless a lock prevents it."""

    def watch(boundary: str) -> None:
        if boundary == failpoints.SNAPSHOT_EXPORTED:
            with psycopg.connect(testbed.totesys, options="-c lock_timeout=100ms") as connection:
                try:
                    restructuring.truncate(connection, "payment")
                except psycopg.errors.LockNotAvailable:
                    connection.rollback()

    return watch


def inner_join(rows: DataFrame, reference: str, table: DataFrame, key: str) -> DataFrame:
    """Look up a table with an inner join."""
    lookup = table.drop("_deleted_at").withColumn(dimensions.matched_key(reference), F.col(key))
    lookup = lookup.drop(key) if key != reference else lookup.withColumnRenamed(key, "_key")
    return rows.join(lookup, F.col(reference) == F.col(dimensions.matched_key(reference)), "inner")


_execute = psycopg.Connection.execute


def without_lock(connection, query, *arguments, **options):
    """Execute a statement, but take no table locks."""
    text = query if isinstance(query, str) else query.as_string(connection) if hasattr(query, "as_string") else ""
    return _execute(connection, "SELECT" if text.startswith("LOCK TABLE") else query, *arguments, **options)


IDENTITY_IGNORED = ((TableIdentity, "difference", lambda *_: None),)
COUNTS_IGNORED = ((stage, "_with_implausible_counts_compared", lambda chain, counts: (chain, counts)),)
ROWS_FILTERED = (
    (source_checks, "_check_readable", lambda *_: None),
    (connections, "_SESSION", connections._SESSION | {"row_security": "on"}),
)


@dataclass(frozen=True)
class Bug:
    """A bug: its patches, the event that exposes it, and the expected fault."""

    patches: tuple[tuple[object, str, object], ...]
    event: Event
    expected_fault: str
    while_read: Callable[[PipelineTestbed], failpoints.Watcher] | None = None


BUGS = {
    "column dropped and added": Bug(
        IDENTITY_IGNORED, restructured(restructuring.replace_column, "department"), "dim_staff: missing (1,"
    ),
    "columns swapped": Bug(
        IDENTITY_IGNORED, restructured(restructuring.swap_columns, "sales_order"), "fact_sales_order: missing (1,"
    ),
    "tables swapped": Bug(
        IDENTITY_IGNORED, restructured(restructuring.swap_tables, "payment"), "fact_payment: missing (2,"
    ),
    "child attached": Bug(
        (*IDENTITY_IGNORED, *COUNTS_IGNORED),
        restructured(restructuring.attach_child, "payment"),
        "fact_payment: missing (500001,",
    ),
    "table ingested as if it were new": Bug(
        ((changes, "_without_known", lambda _attempt, _table, rows: rows),),
        restructured(restructuring.swap_tables, "sales_order"),
        "fact_sales_order: unexpected (1,",
    ),
    "rows hidden": Bug(ROWS_FILTERED, hidden("payment"), "ingest was not rejected with UnreadableTableError"),
    "rows hidden of a small table": Bug(ROWS_FILTERED, hidden("design"), "ingest committed a batch instead of failing"),
    "key duplicated": Bug(
        ((source_checks, "check_key", lambda *_: None),),
        duplicate_key,
        "ingest was not rejected with DuplicateKeyError",
    ),
    "orphans dropped": Bug(((dimensions, "_with_lookup", inner_join),), orphaned, "dim_staff.quarantined: missing (1,"),
    "read without a lock": Bug(
        ((psycopg.Connection, "execute", without_lock),),
        nothing,
        "fact_payment: unexpected",
        truncated_while_read,
    ),
}


def faults_with(testbed: PipelineTestbed, number: int) -> list[str]:
    """Patch bug `number` in, run its event and all stages, and return the faults.

    A negative number means the same event without the bug.
    """
    bug = list(BUGS.values())[number]
    testbed.restore_state(BASE)
    result = HistoryResult(number)
    with psycopg.connect(testbed.totesys) as connection:
        context = HistoryContext(connection, Business(connection, Random(1)), Random(1), testbed.last_snapshot())
        bug.event(context)
        connection.commit()
        reasons = rejections(context)
    with ExitStack() as stack:
        for target, name, value in bug.patches if number >= 0 else ():
            stack.enter_context(patch.object(target, name, value))
        if reasons:
            run_rejected_ingest(testbed, result, reasons, None)
            return result.faults
        for stage in STAGES:
            watcher = bug.while_read(testbed) if bug.while_read and stage == "ingest" else None
            outcome = testbed.jvm.start(testbed.job(stage), watcher=watcher).outcome()
            testbed.jvm.release_requests()
            if outcome.error:
                result.faults.append(f"{stage} failed: {outcome.error}")
    verify(testbed, result.faults)
    return result.faults


@pytest.fixture(scope="module")
def faults_by_number() -> Iterator[dict[int, list[str]]]:
    """Return the faults with each bug and, for negative numbers, without it."""
    numbers = range(-len(BUGS), len(BUGS))
    with postgres_server() as server, WorkerPool(server, 1) as workers:
        yield dict(zip(numbers, workers.do(faults_with, numbers), strict=True))


@pytest.mark.parametrize("bug", BUGS)
def test_reintroduced_bug_is_detected(faults_by_number, bug):
    """The same event without the bug has no fault."""
    number = list(BUGS).index(bug)

    assert any(BUGS[bug].expected_fault in fault for fault in faults_by_number[number]), faults_by_number[number]
    assert faults_by_number[number - len(BUGS)] == []


def test_interleavings_detect_a_swapped_table(spark, monkeypatch):
    """The message lists the changes of the table."""
    monkeypatch.setattr(interleavings, "TOGETHER", 20)
    monkeypatch.setattr(TableIdentity, "difference", lambda *_: None)

    with (
        few_rows(spark),
        audited_pipeline(spark) as pipeline,
        pytest.raises(interleavings.LateCommitsError) as raised,
    ):
        interleavings.prove(pipeline, 20, seed=3)

    assert raised.value.duplicated
    assert "\ntables swapped\n" in str(raised.value)
