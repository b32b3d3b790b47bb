"""That the proof would tell: bugs are put back on purpose, and each is found by the event that it was found by once."""

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
from tests.chaos.audited_world import world
from tests.chaos.crew import Crew, postgres_server
from tests.chaos.events import EventContext
from tests.chaos.history import STAGES, refused
from tests.chaos.oracle import note_restructured
from tests.chaos.people import Told
from tests.chaos.restructuring_events import drop_foreign_keys_to, duplicate_key, refusals
from tests.chaos.site import BASE, Site
from tests.chaos.verification import hold_against_source
from tests.lakes import few_rows
from totelake.ingest import changes, source_checks, stage
from totelake.lake.batches import TableIdentity
from totelake.runtime import connections, failpoints
from totelake.transform.star_tables import dimensions
from totesys.business import Business

type Event = Callable[[EventContext], object]


def restructured(change: Callable[[psycopg.Connection, str], None], table: str) -> Event:
    """Return the event that `change` happens to `table`."""

    def event(context: EventContext) -> None:
        change(context.connection, table)
        note_restructured(context.connection, table)

    return event


def hidden(table: str) -> Event:
    """Return the event that rows of `table` are hidden from the reader."""
    return lambda context: restructuring.hide_rows(context.connection, table)


def orphaned(context: EventContext) -> None:
    """Take on a member of staff for a department that is not there, and move another one there."""
    drop_foreign_keys_to(context, "department")
    context.business.hire(department_id=900_000)
    context.business.change_staff(1, department_id=900_000)


def nothing(_context: EventContext) -> None:
    """Let nothing happen before the run."""


def truncated_while_read(site: Site) -> failpoints.Watcher:
    """Return the watcher that truncates the payments when the snapshot was taken, unless it is shut out."""

    def watch(boundary: str) -> None:
        if boundary == failpoints.SNAPSHOT_EXPORTED:
            with psycopg.connect(site.totesys, options="-c lock_timeout=100ms") as connection:
                try:
                    restructuring.truncate(connection, "payment")
                except psycopg.errors.LockNotAvailable:
                    connection.rollback()

    return watch


def inner_join(rows: DataFrame, reference: str, table: DataFrame, key: str) -> DataFrame:
    """Look up a table as an inner join does."""
    found = table.drop("_deleted_at").withColumn(dimensions.found(reference), F.col(key))
    found = found.drop(key) if key != reference else found.withColumnRenamed(key, "_key")
    return rows.join(found, F.col(reference) == F.col(dimensions.found(reference)), "inner")


_execute = psycopg.Connection.execute


def without_lock(connection, query, *arguments, **options):
    """Carry out a statement, but take no lock on tables."""
    text = query if isinstance(query, str) else query.as_string(connection) if hasattr(query, "as_string") else ""
    return _execute(connection, "SELECT" if text.startswith("LOCK TABLE") else query, *arguments, **options)


IDENTITY_IGNORED = ((TableIdentity, "difference", lambda *_: None),)
COUNTS_IGNORED = ((stage, "_without_impossible", lambda chain, counts: (chain, counts)),)
ROWS_FILTERED = (
    (source_checks, "_check_readable", lambda *_: None),
    (connections, "_SESSION", connections._SESSION | {"row_security": "on"}),
)


@dataclass(frozen=True)
class Bug:
    """A bug, by what it puts in whose place, the event that shows it, and the words in which it is told."""

    patches: tuple[tuple[object, str, object], ...]
    event: Event
    told: str
    while_read: Callable[[Site], failpoints.Watcher] | None = None


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
        restructured(restructuring.inherit, "payment"),
        "fact_payment: missing (500001,",
    ),
    "table landed as if it were new": Bug(
        ((changes, "_unknown", lambda _attempt, _table, rows: rows),),
        restructured(restructuring.swap_tables, "sales_order"),
        "fact_sales_order: must not be there (1,",
    ),
    "rows hidden": Bug(ROWS_FILTERED, hidden("payment"), "ingest was not refused with UnreadableTableError"),
    "rows hidden of a small table": Bug(ROWS_FILTERED, hidden("design"), "ingest committed a batch, and had to be"),
    "key duplicated": Bug(
        ((source_checks, "check_key", lambda *_: None),), duplicate_key, "ingest was not refused with DuplicateKeyError"
    ),
    "orphans dropped": Bug(((dimensions, "_looked_up", inner_join),), orphaned, "dim_staff.waiting: missing (1,"),
    "read without a lock": Bug(
        ((psycopg.Connection, "execute", without_lock),),
        nothing,
        "fact_payment: must not be there",
        truncated_while_read,
    ),
}


def faults_with(site: Site, number: int) -> list[str]:
    """Put the bug `number` back, let its event happen, run all stages, and return what is found wrong.

    Below 0 the bug is that of the same place counted from the end, and nothing is put back.
    """
    bug = list(BUGS.values())[number]
    site.go_back_to(BASE)
    told = Told(number)
    with psycopg.connect(site.totesys) as connection:
        context = EventContext(connection, Business(connection, Random(1)), Random(1), site.last_snapshot())
        bug.event(context)
        connection.commit()
        reasons = refusals(context)
    with ExitStack() as stack:
        for target, name, value in bug.patches if number >= 0 else ():
            stack.enter_context(patch.object(target, name, value))
        if reasons:
            refused(site, told, reasons, None)
            return told.faults
        for stage in STAGES:
            watcher = bug.while_read(site) if bug.while_read and stage == "ingest" else None
            outcome = site.warm.start(site.job(stage), watcher=watcher).outcome()
            site.warm.settle()
            if outcome.error:
                told.faults.append(f"{stage} failed: {outcome.error}")
    hold_against_source(site, told.faults)
    return told.faults


@pytest.fixture(scope="module")
def found() -> Iterator[dict[int, list[str]]]:
    """Put each bug back at one site, and return what was found with it and, below 0, without it."""
    numbers = range(-len(BUGS), len(BUGS))
    with postgres_server() as server, Crew(server, 1) as crew:
        yield dict(zip(numbers, crew.do(faults_with, numbers), strict=True))


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_that_is_put_back_is_found(found, bug):
    """And the same event without the bug is none."""
    number = list(BUGS).index(bug)

    assert any(BUGS[bug].told in fault for fault in found[number]), found[number]
    assert found[number - len(BUGS)] == []


def test_the_interleavings_find_a_table_that_became_another_one(spark, monkeypatch):
    """The message says what was done to the table."""
    monkeypatch.setattr(interleavings, "TOGETHER", 20)
    monkeypatch.setattr(TableIdentity, "difference", lambda *_: None)

    with few_rows(spark), world(spark) as made, pytest.raises(interleavings.LateCommitsError) as told:
        interleavings.prove(made, 20, seed=3)

    assert told.value.doubled
    assert "\ntables swapped\n" in str(told.value)
