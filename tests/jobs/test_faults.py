"""Faults in the middle of a stage: what may pass is outlasted within the run, what does not ends it at once."""

import json
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from tests.lakes import empty_lake
from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime import connections, failpoints, retry
from totelake.runtime.errors import DatabaseInterruptedError, DatabaseRefusedError, DatabaseUnavailableError
from totelake.tables import SOURCE_TABLES, STAR_TABLES

IDENTITY = {
    table.name: (*table.natural_key, *(["_ingested_sequence"] if table.is_fact else []))
    for table in STAR_TABLES.values()
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Let a run try again almost at once; return what shortens other waits."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    return monkeypatch


@pytest.fixture
def hang_up(admin):
    """Return a function that ends every connection to a database that someone works on, from the server's side."""

    def end(login):
        ended = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s"
        assert admin.execute(ended, (login.database,)).fetchone() != (0,)

    return end


def at(boundary, *actions):
    """Watch for `boundary`: the first time that it is reached the first of `actions` is taken, and so on."""
    left, lock = list(actions), threading.Lock()

    def watch(reached):
        with lock:
            action = left.pop(0) if reached == boundary and left else None
        if action:
            action()

    return failpoints.watched(watch)


def said(capsys, event):
    """Return the lines of that event that were printed."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def wait_until(condition):
    """Wait until the condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def counts(url, tables):
    """Return how many rows each of the tables has."""
    with psycopg.connect(url) as connection:
        count = sql.SQL("SELECT count(*) FROM {}")
        return {name: connection.execute(count.format(sql.Identifier("public", name))).fetchone()[0] for name in tables}


def is_landed_once(lake, batch, totesys):
    """Return whether `batch` is the only one in its log, and holds what totesys does."""
    rows = {name: lake.rows(batch, name).count() for name in batch.tables}
    return [found.batch_id for found in lake.ingested_batches()] == [batch.batch_id] and rows == counts(
        totesys, SOURCE_TABLES
    )


def is_loaded_once(batch, warehouse):
    """Return whether the warehouse holds `batch`, all of it, no row twice, and its line in the ledger."""
    with psycopg.connect(warehouse.conninfo) as connection:
        distinct = {
            name: connection.execute(
                sql.SQL("SELECT count(DISTINCT ({})) FROM {}").format(
                    sql.SQL(", ").join(map(sql.Identifier, identity)), sql.Identifier(name)
                )
            ).fetchone()[0]
            for name, identity in IDENTITY.items()
        }
        ledger = connection.execute("SELECT batch_id FROM load_ledger").fetchall()
    expected = {name: part.rows for name, part in batch.tables.items()}
    assert distinct == counts(warehouse.conninfo, STAR_TABLES)
    return {name: rows for name, rows in distinct.items() if rows} == expected and ledger == [(batch.batch_id,)]


@pytest.mark.parametrize("boundary", [failpoints.SNAPSHOT_EXPORTED, failpoints.TABLE_WRITTEN])
def test_an_ingest_outlasts_a_lost_connection(boundary, hang_up, *, lake, totesys, reader, capsys):
    """Before it reads, and while Spark does: the second attempt has a snapshot and a batch of its own."""
    with at(boundary, lambda: hang_up(reader)):
        batch = lake.ingest(reader)

    [retry] = said(capsys, "retry")
    assert (retry["stage"], retry["attempt"], retry["status"]) == ("ingest", 1, "waiting")
    assert f"totesys ({reader.user} at {reader.host}:{reader.port}/{reader.database}) " in retry["error"]
    assert 0.02 <= retry["next_attempt_in_seconds"] <= 0.04
    assert batch.batch_id.endswith("-2")
    assert is_landed_once(lake, batch, totesys)


@pytest.fixture(scope="module")
def processed_lake(lake_root, spark, shared_reader):
    """Return a lake whose only batch can be loaded into any warehouse; its tables in the catalog are gone again."""
    with empty_lake(lake_root, spark) as lake:
        lake.ingest(shared_reader)
        lake.transform()
    return lake


@pytest.fixture
def processed(processed_lake):
    """Return that batch."""
    return CommitLog(processed_lake.processed, ProcessedBatch).read(1)


def test_a_load_outlasts_lost_connections(processed_lake, processed, warehouse, hang_up, capsys):
    """With a table in staging, with everything merged and not committed, and after the commit."""
    with (
        at(failpoints.TABLE_STAGED, lambda: hang_up(warehouse)),
        at(failpoints.BEFORE_MERGE_COMMITTED, lambda: hang_up(warehouse)),
        at(failpoints.MERGE_COMMITTED, lambda: hang_up(warehouse)),
    ):
        processed_lake.load(warehouse)

    assert [retry["attempt"] for retry in said(capsys, "retry")] == [1, 2, 3]
    assert is_loaded_once(processed, warehouse)


def test_an_ingest_outlasts_a_cancelled_statement(lake, totesys, reader, admin, capsys):
    """Someone holds a table, and the statement that waits for it is cancelled by hand."""
    waiting = "FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with psycopg.connect(totesys) as holder:
        holder.execute("LOCK TABLE payment")

        def cancel():
            wait_until(lambda: admin.execute(f"SELECT count(*) {waiting}", (reader.database,)).fetchone() != (0,))
            admin.execute(f"SELECT pg_cancel_backend(pid) {waiting}", (reader.database,))
            holder.rollback()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        batch = lake.ingest(reader)
        canceller.join()

    [retry] = said(capsys, "retry")
    assert retry["error"].startswith(DatabaseInterruptedError.__name__)
    assert "canceling statement due to user request" in retry["error"]
    assert is_landed_once(lake, batch, totesys)


def test_a_load_outlasts_a_lock_timeout_of_an_executor(processed_lake, processed, warehouse, admin, *, short, capsys):
    """A session that copies waits for its staging table as long as any other statement waits for a lock."""
    short.setitem(connections._SESSION, "lock_timeout", "1s")
    with psycopg.connect(warehouse.conninfo) as holder:

        def hold_the_last_table():
            newest = (
                "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace ORDER BY oid DESC LIMIT 1"
            )
            [name] = holder.execute(newest).fetchone()
            holder.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier("staging", name)))
            letting_go.start()

        def let_go_when_someone_waited():
            copying = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
            wait_until(lambda: admin.execute(copying, (warehouse.database,)).fetchone() != (0,))
            wait_until(lambda: admin.execute(copying, (warehouse.database,)).fetchone() == (0,))
            holder.rollback()

        letting_go = threading.Thread(target=let_go_when_someone_waited)
        with at(failpoints.TABLE_STAGED, hold_the_last_table):
            processed_lake.load(warehouse)
        letting_go.join()

    assert "canceling statement due to lock timeout" in said(capsys, "retry")[0]["error"]
    assert is_loaded_once(processed, warehouse)


def test_a_load_outlasts_a_deadlock(processed_lake, processed, warehouse, admin, capsys):
    """Another session has the table that is merged last, and then wants the one that was merged first."""
    first, *_, last = sorted(processed.tables, key=lambda name: STAR_TABLES[name].is_fact)
    lock = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"
    with (
        psycopg.connect(warehouse.conninfo, autocommit=True) as watch,
        psycopg.connect(superuser_of(admin, warehouse)) as other,
    ):
        other.execute("SET deadlock_timeout = '1min'")  # so that the other one sees it first, and is the one to yield

        def want_the_first():
            merging = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND mode = 'RowExclusiveLock'"
            wait_until(lambda: watch.execute(merging, (first,)).fetchone() != (0,))
            other.execute(sql.SQL(lock).format(sql.Identifier(first)))
            other.rollback()

        thread = threading.Thread(target=want_the_first)

        def take_the_last():
            other.execute(sql.SQL(lock).format(sql.Identifier(last)))
            thread.start()

        with at(failpoints.TABLE_STAGED, take_the_last):
            processed_lake.load(warehouse)
        thread.join()

    [retry] = said(capsys, "retry")
    assert "deadlock detected" in retry["error"]
    assert is_loaded_once(processed, warehouse)


def superuser_of(admin, login):
    """Return how the superuser reaches the database of a login."""
    return psycopg.conninfo.make_conninfo(admin.info.dsn, password=admin.info.password, dbname=login.database)


def test_a_wrong_password_is_not_tried_again(lake, reader, warehouse, capsys):
    """The error names the database, the role and the way out."""
    with pytest.raises(DatabaseRefusedError, match=r"Correct the Glue connection") as refused:
        lake.ingest(replace(reader, password="wrong"))
    with pytest.raises(DatabaseRefusedError, match=r"password authentication failed"):
        lake.load(replace(warehouse, password="wrong"))

    assert f"({reader.user} at {reader.host}:{reader.port}/{reader.database})" in str(refused.value)
    assert said(capsys, "retry") == []


def test_a_database_that_was_dropped_ends_the_run(lake, reader, admin, capsys):
    """The connection was lost, which may pass; that the database is gone does not."""
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(reader.database))
    with (
        at(failpoints.SNAPSHOT_EXPORTED, lambda: admin.execute(drop)),
        pytest.raises(DatabaseRefusedError, match="does not exist"),
    ):
        lake.ingest(reader)

    assert [retry["attempt"] for retry in said(capsys, "retry")] == [1]
    assert lake.files() == []


def test_a_fault_that_does_not_pass_ends_the_run_after_a_bound(lake, totesys, reader, hang_up, capsys):
    """The waits grow, the error says what it was, and the next run does what this one could not."""
    ever = [lambda: hang_up(reader)] * (retry.ATTEMPTS + 1)
    with at(failpoints.SNAPSHOT_EXPORTED, *ever), pytest.raises(DatabaseUnavailableError, match="the next run goes on"):
        lake.ingest(reader)

    waits = [retry["next_attempt_in_seconds"] for retry in said(capsys, "retry")]
    assert len(waits) == retry.ATTEMPTS - 1
    assert waits == sorted(waits)
    assert lake.files() == []
    assert is_landed_once(lake, lake.ingest(reader), totesys)


def test_no_attempt_begins_when_it_could_not_end(lake, reader, hang_up, monkeypatch):
    """A run has an end, set from outside."""
    monkeypatch.setattr(retry, "LAST_BEGIN", 0.0)
    with (
        at(failpoints.SNAPSHOT_EXPORTED, lambda: hang_up(reader)),
        pytest.raises(DatabaseUnavailableError),
    ):
        lake.ingest(reader)
