"""States of totesys that an ingest handles: locks, encodings, database names, batches of an older version."""

import json
import re
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from tests.lakes import job_run
from tests.postgres_servers import as_role, login_of
from totelake import transform
from totelake.ingest import source, source_checks
from totelake.ingest.baseline import Baseline
from totelake.lake.batches import IngestedBatch
from totelake.lake.scan import Scan
from totelake.lake.versions import all_versions
from totelake.runtime import connections, failpoints, locks, retry
from totelake.runtime.errors import DatabaseInterruptedError, EncodingError, StagingError
from totelake.tables import SOURCE_TABLES
from totelake.tables.model import INTEGER, Column
from totesys import roles, schema


@pytest.fixture
def short_waits(monkeypatch):
    """Shorten lock timeouts, the poll for blocking sessions and the wait before a retry."""
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.02)


def test_ingest_logs_the_session_that_blocks_it_and_retries(lake, totesys, reader, short_waits, capsys):
    """The lock is released before the retry."""
    with psycopg.connect(totesys, application_name="migration") as holder:
        holder.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        process = f"process {holder.info.backend_pid} (role {roles.OWNER}, migration)"
        release = threading.Timer(2.5, holder.rollback)
        release.start()
        batch = lake.ingest(reader)
        release.join()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    lock_waits = [line["blocked_by"] for line in lines if line["event"] == "lock_wait"]
    retries = [line["error"] for line in lines if line["event"] == "retry"]
    assert lock_waits[0] == process
    assert "lock timeout" in retries[0]
    assert f"blocked by {process}" in retries[0]
    assert batch.tables["payment"].rows == 283


def test_ingest_fails_after_the_lock_timeout(lake, totesys, reader, short_waits, monkeypatch):
    """The error names the blocking session."""
    monkeypatch.setattr(retry, "MAX_ATTEMPTS", 1)
    with psycopg.connect(totesys, application_name="migration") as holder:
        holder.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseInterruptedError, match=r"totesys \(.*lock timeout, blocked by .*migration"):
            lake.ingest(reader)


def test_table_is_not_truncated_during_the_read(lake, totesys, reader, monkeypatch, capsys):
    """TRUNCATE is not MVCC-safe: the snapshot would read an empty table. The batch is retried after it."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.02)
    monkeypatch.setattr(source, "READER_LOCK_TIMEOUT_SECONDS", 3)
    started = threading.Event()

    def truncate(reached):
        if reached == failpoints.SNAPSHOT_EXPORTED and not started.is_set():
            started.set()
            threading.Thread(target=_execute, args=(totesys, "TRUNCATE payment")).start()
            time.sleep(0.5)

    with failpoints.watched(truncate):
        batch = lake.ingest(reader)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [retried] = [line["error"] for line in lines if line["event"] == "retry"]
    assert re.search(rf"lock timeout.*, blocked by process \d+ \(role {roles.OWNER}\)", retried)
    assert "payment" not in batch.tables
    assert batch.alive["payment"] == 0
    assert batch.alive["transaction"] == 283


def test_batch_is_read_again_when_a_child_is_attached_during_the_read(lake, totesys, reader, monkeypatch, capsys):
    """No reader's lock prevents that, and the child's rows would be in a batch of an earlier snapshot."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.02)
    with psycopg.connect(totesys) as connection:
        connection.execute("CREATE TABLE archive (LIKE payment_type INCLUDING ALL)")
        connection.execute("INSERT INTO archive (payment_type_id, payment_type_name) VALUES (9, 'SALES_RECEIPT')")
    attached = threading.Event()

    def attach(reached):
        if reached == failpoints.SNAPSHOT_EXPORTED and not attached.is_set():
            attached.set()
            _execute(totesys, "ALTER TABLE archive INHERIT payment_type")

    with failpoints.watched(attach):
        batch = lake.ingest(reader)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [retried] = [line["error"] for line in lines if line["event"] == "retry"]
    assert retried.startswith("SourceChangedError: totesys.payment_type was altered, or a child table attached to it")
    assert batch.batch_id.endswith("-2")
    assert len(batch.identities["payment_type"].children) == 1
    assert batch.tables["payment_type"].rows == 5


def _execute(url, statement):
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def test_table_with_more_unchanged_rows_than_before_is_compared_by_content(lake, totesys, reader, monkeypatch):
    """Whatever the cause; here the count of the last batch is wrong."""
    first = lake.ingest(reader)
    alive = Baseline.alive
    monkeypatch.setattr(Baseline, "alive", lambda chain, table: alive(chain, table) - (table == "design"))

    batch = lake.ingest(reader)

    assert first.alive["design"] == 473
    assert batch.reloaded == {"design": "473 rows seem unchanged since the last batch, which had 472"}
    assert batch.tables == {}


def test_ingest_releases_its_locks_when_it_cannot_get_all(lake, totesys, reader):
    """So that a migration that locks tables in another order is not deadlocked."""
    with psycopg.connect(totesys) as migration:
        migration.execute("ALTER TABLE payment_type ADD COLUMN first int")

        def finish_migration():
            time.sleep(1.5)
            migration.execute("ALTER TABLE sales_order ADD COLUMN second int")
            migration.commit()

        other = threading.Thread(target=finish_migration)
        other.start()
        batch = lake.ingest(reader)
        other.join()

    assert batch.tables["sales_order"].undeclared == ("second",)


def test_temporary_child_of_another_session_is_ignored(lake, totesys, reader):
    """Its rows are visible to its own session only."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as other:
        other.execute("CREATE TEMP TABLE scratch () INHERITS (payment_type)")
        other.commit()
        assert lake.ingest(reader) is None


@pytest.fixture
def make_totesys(make_database, totesys):
    """Return a function that creates a small totesys and returns its owner's URL and the reader's login."""
    created = []

    def make(name, encoding="UTF8"):
        created.append(name)
        with psycopg.connect(as_role(totesys, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL(
                    "CREATE DATABASE {} OWNER {} ENCODING {} LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
                ).format(sql.Identifier(name), sql.Identifier(roles.OWNER), encoding)
            )
        url = psycopg.conninfo.make_conninfo(totesys, dbname=name)
        with psycopg.connect(url, client_encoding="UTF8") as connection:
            schema.create(connection, reader=roles.READER)
            connection.execute("INSERT INTO department (department_name, location) VALUES ('Einkauf', 'München')")
        return url, replace(login_of(url), user=roles.READER)

    yield make
    with psycopg.connect(as_role(totesys, "postgres"), autocommit=True) as connection:
        for name in created:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    ("name", "encoding"), [("tote+x", "UTF8"), ("a/b", "UTF8"), ("50% ?&#", "UTF8"), ("latin", "LATIN1")]
)
def test_text_is_ingested_from_a_database_of_any_name_and_encoding(lake, make_totesys, name, encoding):
    """As the same characters."""
    _, login = make_totesys(name, encoding)

    batch = lake.ingest(login)

    assert [row.location for row in lake.rows(batch, "department").collect()] == ["München"]
    assert batch.identities["department"].encoding == encoding


def test_database_without_an_encoding_is_rejected(lake, make_totesys):
    """SQL_ASCII stores bytes."""
    _, login = make_totesys("ascii", "SQL_ASCII")

    with pytest.raises(
        EncodingError, match=r"totesys \(.*/ascii\) has the encoding SQL_ASCII: .* Copy it into a database"
    ):
        lake.ingest(login)

    assert lake.files() == []


def test_column_ingested_before_its_declaration_is_read_with_its_type(lake, totesys, reader, monkeypatch):
    """Earlier values are text in the lake; the declaration triggers a full comparison for rows without them."""
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE currency ADD COLUMN minor_units int DEFAULT 2")
        connection.execute("UPDATE currency SET minor_units = 0 WHERE currency_id = 1")
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE currency ALTER minor_units SET DEFAULT 3")
        connection.execute("INSERT INTO currency (currency_id, currency_code) VALUES (9, 'KWD')")
    lake.ingest(reader)
    currency = SOURCE_TABLES["currency"]
    declared = replace(
        currency, columns=(*currency.columns, Column("minor_units", INTEGER, "Digits of the minor unit."))
    )
    monkeypatch.setitem(SOURCE_TABLES, "currency", declared)

    batch = lake.ingest(reader)

    rows = all_versions(Scan(lake.spark, lake.ingested), declared, lake.ingested_files("currency")).collect()
    assert "declared columns changed" in batch.reloaded["currency"]
    assert batch.tables == {}
    assert sorted((row.currency_id, row.minor_units) for row in rows) == [(1, 0), (2, 2), (3, 2), (9, 3)]


def test_load_blocked_by_an_older_version_succeeds_after_a_rebuild(lake, totesys, reader, warehouse, monkeypatch):
    """A committed batch has a duplicate key, so that every load fails."""
    with psycopg.connect(totesys) as connection:
        connection.execute("CREATE TABLE payment_type_archive () INHERITS (payment_type)")
        connection.execute("INSERT INTO payment_type (payment_type_id, payment_type_name) VALUES (9, 'SALES_RECEIPT')")
        connection.execute("INSERT INTO payment_type_archive SELECT * FROM ONLY payment_type WHERE payment_type_id = 9")
        schema.grant(connection, roles.READER)
    with monkeypatch.context() as older:
        older.setattr(source_checks, "check_key", lambda *_: None)
        to_json = IngestedBatch.to_json
        older.setattr(IngestedBatch, "to_json", lambda batch: to_json(batch) | {"identities": {}})
        lake.ingest(reader)
        older.setattr("totelake.lake.versions._without_duplicates", lambda versions, _: versions)
        lake.transform()
    with pytest.raises(StagingError, match="dim_payment_type"):
        lake.load(warehouse)
    with psycopg.connect(totesys) as connection:
        connection.execute("DROP TABLE payment_type_archive")
    lake.ingest(reader)

    transform.run(job_run(rebuild="true"), lake.ingested, lake.processed)
    lake.load(warehouse)

    with psycopg.connect(warehouse.conninfo, options="") as connection:
        rows = connection.execute("SELECT payment_type_id FROM current_dim_payment_type ORDER BY 1").fetchall()
    assert rows == [(1,), (2,), (3,), (4,), (9,)]
