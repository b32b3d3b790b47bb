"""Failures in the middle of a stage: transient ones are retried within the run, all others end it at once."""

import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from tests.jobs.log_lines import log_lines
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
def short_waits(monkeypatch):
    """Shorten the wait before a retry; return the monkeypatch, to shorten other timeouts."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.02)
    return monkeypatch


@pytest.fixture
def terminate_connections(admin):
    """Return a function that terminates, on the server, all connections to a login's database; there must be one."""

    def end(login):
        terminate = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s"
        assert admin.execute(terminate, (login.database,)).fetchone() != (0,)

    return end


def at_failpoint(boundary, *actions):
    """Run the first of `actions` the first time that `boundary` is hit, the second the second time, and so on."""
    remaining, lock = list(actions), threading.Lock()

    def watch(reached):
        with lock:
            action = remaining.pop(0) if reached == boundary and remaining else None
        if action:
            action()

    return failpoints.watched(watch)


def wait_until(condition):
    """Wait until the condition is true; fail after 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def row_counts(url, tables):
    """Return the number of rows of each table."""
    with psycopg.connect(url) as connection:
        count = sql.SQL("SELECT count(*) FROM {}")
        return {name: connection.execute(count.format(sql.Identifier("public", name))).fetchone()[0] for name in tables}


def is_ingested_once(lake, batch, totesys):
    """Return whether `batch` is the only one in its log and has the row counts of totesys."""
    rows = {name: lake.rows(batch, name).count() for name in batch.tables}
    return [found.batch_id for found in lake.ingested_batches()] == [batch.batch_id] and rows == row_counts(
        totesys, SOURCE_TABLES
    )


def is_loaded_once(batch, warehouse):
    """Return whether the warehouse has all rows of `batch`, none twice, and its row in the ledger."""
    with psycopg.connect(warehouse.conninfo, options="") as connection:
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
    assert distinct == row_counts(warehouse.conninfo, STAR_TABLES)
    return {name: rows for name, rows in distinct.items() if rows} == expected and ledger == [(batch.batch_id,)]


@pytest.mark.parametrize("boundary", [failpoints.SNAPSHOT_EXPORTED, failpoints.TABLE_WRITTEN])
def test_ingest_retries_after_a_lost_connection(boundary, terminate_connections, *, lake, totesys, reader, capsys):
    """Before the read and during Spark's read; the second attempt has its own snapshot and batch."""
    with at_failpoint(boundary, lambda: terminate_connections(reader)):
        batch = lake.ingest(reader)

    [retry] = log_lines(capsys, "retry")
    assert (retry["stage"], retry["attempt"], retry["status"]) == ("ingest", 1, "waiting")
    assert f"totesys ({reader.user} at {reader.host}:{reader.port}/{reader.database}) " in retry["error"]
    assert 0.02 <= retry["next_attempt_in_seconds"] <= 0.04
    assert batch.batch_id.endswith("-2")
    assert is_ingested_once(lake, batch, totesys)


@pytest.fixture(scope="module")
def processed_lake(lake_root, spark, shared_reader):
    """Return a lake whose only batch any warehouse can load; its catalog tables are deleted."""
    with empty_lake(lake_root, spark) as lake:
        lake.ingest(shared_reader)
        lake.transform()
    return lake


@pytest.fixture
def processed(processed_lake):
    """Return the batch of `processed_lake`."""
    return CommitLog(processed_lake.processed, ProcessedBatch).read(1)


def test_load_retries_after_lost_connections(processed_lake, processed, warehouse, terminate_connections, capsys):
    """With one table staged, before the merge is committed, and after it is committed."""
    with (
        at_failpoint(failpoints.TABLE_STAGED, lambda: terminate_connections(warehouse)),
        at_failpoint(failpoints.BEFORE_MERGE_COMMITTED, lambda: terminate_connections(warehouse)),
        at_failpoint(failpoints.MERGE_COMMITTED, lambda: terminate_connections(warehouse)),
    ):
        processed_lake.load(warehouse)

    assert [retry["attempt"] for retry in log_lines(capsys, "retry")] == [1, 2, 3]
    assert is_loaded_once(processed, warehouse)


def test_ingest_retries_after_a_cancelled_statement(lake, totesys, reader, admin, capsys):
    """A statement that waits for a locked table is cancelled by an administrator."""
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

    [retry] = log_lines(capsys, "retry")
    assert retry["error"].startswith(DatabaseInterruptedError.__name__)
    assert "canceling statement due to user request" in retry["error"]
    assert is_ingested_once(lake, batch, totesys)


def test_load_retries_after_a_lock_timeout_of_an_executor(
    processed_lake, processed, warehouse, admin, *, short_waits, capsys
):
    """COPY waits for the lock of its staging table no longer than any other statement."""
    short_waits.setitem(connections._SESSION, "lock_timeout", "1s")
    with psycopg.connect(warehouse.conninfo) as holder:

        def lock_the_newest_staging_table():
            newest = (
                "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace ORDER BY oid DESC LIMIT 1"
            )
            [name] = holder.execute(newest).fetchone()
            holder.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier("staging", name)))
            releaser.start()

        def release_after_a_waiter_times_out():
            copying = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
            wait_until(lambda: admin.execute(copying, (warehouse.database,)).fetchone() != (0,))
            wait_until(lambda: admin.execute(copying, (warehouse.database,)).fetchone() == (0,))
            holder.rollback()

        releaser = threading.Thread(target=release_after_a_waiter_times_out)
        with at_failpoint(failpoints.TABLE_STAGED, lock_the_newest_staging_table):
            processed_lake.load(warehouse)
        releaser.join()

    assert "canceling statement due to lock timeout" in log_lines(capsys, "retry")[0]["error"]
    assert is_loaded_once(processed, warehouse)


def test_load_retries_after_a_deadlock(processed_lake, processed, warehouse, admin, capsys):
    """Another session locks the table that is merged last, then requests the one that was merged first."""
    first, *_, last = sorted(processed.tables, key=lambda name: STAR_TABLES[name].is_fact)
    lock = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"
    with (
        psycopg.connect(warehouse.conninfo, autocommit=True, options="") as watch,
        psycopg.connect(superuser_of(admin, warehouse)) as other,
    ):
        other.execute("SET deadlock_timeout = '1min'")  # so that the load's session is the victim

        def lock_the_first_table():
            merging = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND mode = 'RowExclusiveLock'"
            wait_until(lambda: watch.execute(merging, (first,)).fetchone() != (0,))
            other.execute(sql.SQL(lock).format(sql.Identifier(first)))
            other.rollback()

        thread = threading.Thread(target=lock_the_first_table)

        def lock_the_last_table():
            other.execute(sql.SQL(lock).format(sql.Identifier(last)))
            thread.start()

        with at_failpoint(failpoints.TABLE_STAGED, lock_the_last_table):
            processed_lake.load(warehouse)
        thread.join()

    [retry] = log_lines(capsys, "retry")
    assert "deadlock detected" in retry["error"]
    assert is_loaded_once(processed, warehouse)


def superuser_of(admin, login):
    """Return the superuser's connection string for the database of a login."""
    return psycopg.conninfo.make_conninfo(admin.info.dsn, password=admin.info.password, dbname=login.database)


def test_wrong_password_is_not_retried(lake, reader, warehouse, capsys):
    """The error names the database, the role and the fix."""
    with pytest.raises(DatabaseRefusedError, match=r"Correct the Glue connection") as refused:
        lake.ingest(replace(reader, password="wrong"))
    with pytest.raises(DatabaseRefusedError, match=r"password authentication failed"):
        lake.load(replace(warehouse, password="wrong"))

    assert f"({reader.user} at {reader.host}:{reader.port}/{reader.database})" in str(refused.value)
    assert log_lines(capsys, "retry") == []


def test_ingest_fails_when_the_database_was_dropped(lake, reader, admin, capsys):
    """The lost connection is transient and retried; the missing database is not."""
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(reader.database))
    with (
        at_failpoint(failpoints.SNAPSHOT_EXPORTED, lambda: admin.execute(drop)),
        pytest.raises(DatabaseRefusedError, match="does not exist"),
    ):
        lake.ingest(reader)

    assert [retry["attempt"] for retry in log_lines(capsys, "retry")] == [1]
    assert lake.files() == []


def test_ingest_fails_after_its_last_retry(lake, totesys, reader, terminate_connections, capsys):
    """The waits grow, the error names the cause, and the next run ingests everything."""
    always = [lambda: terminate_connections(reader)] * (retry.MAX_ATTEMPTS + 1)
    with (
        at_failpoint(failpoints.SNAPSHOT_EXPORTED, *always),
        pytest.raises(DatabaseUnavailableError, match="next run continues"),
    ):
        lake.ingest(reader)

    waits = [retry["next_attempt_in_seconds"] for retry in log_lines(capsys, "retry")]
    assert len(waits) == retry.MAX_ATTEMPTS - 1
    assert waits == sorted(waits)
    assert lake.files() == []
    assert is_ingested_once(lake, lake.ingest(reader), totesys)


def test_no_retry_starts_after_the_last_begin(lake, reader, terminate_connections, monkeypatch):
    """A retry that could not end before the job's timeout is not started."""
    monkeypatch.setattr(retry, "LATEST_START", 0.0)
    with (
        at_failpoint(failpoints.SNAPSHOT_EXPORTED, lambda: terminate_connections(reader)),
        pytest.raises(DatabaseUnavailableError),
    ):
        lake.ingest(reader)
