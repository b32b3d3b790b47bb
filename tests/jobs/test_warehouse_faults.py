"""A warehouse changed, locked or configured by others: the error names what is missing and how to restore it."""

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.jobs.log_lines import log_lines
from tests.jobs.warehouse_kinds import postgres_only, redshift_only
from tests.lakes import job_run
from tests.postgres_servers import WAREHOUSE_OWNER
from tests.star_batches import DIMENSIONS, FIRST, SMALL, payment
from tests.unit.test_warehouse_definition import FOREIGN_KEYS, KEYS
from totelake.runtime import connections, locks, retry
from totelake.runtime.errors import (
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    EncodingError,
    OrphanError,
    StagingError,
    StatementError,
    WarehouseColumnsError,
    WarehouseKeysError,
    WarehouseReferenceError,
    WarehouseTablesError,
)
from totelake.runtime.glue import JobRun
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.postgres.shape import _APPLY_LOCK
from totelake.warehouse.redshift import data_api

REBUILD = "totelake rebuild warehouse"


LOSSES = {
    "DROP TABLE fact_payment CASCADE": "fact_payment is missing",
    "ALTER TABLE fact_payment RENAME TO fact_payment_old": "fact_payment is missing",
    "ALTER TABLE dim_currency RENAME TO dim_currency_old": "dim_currency is missing",
    "DROP TABLE load_ledger": "load_ledger is missing, while there are rows in .*fact_payment",
    "TRUNCATE fact_payment": "fact_payment has no row",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_table_is_named_and_restored_by_a_rebuild(commit, run_load, execute, side, *, loss):
    """Dropped, renamed or emptied by hand: nothing is loaded while the ledger lists batches that the table lacks."""
    commit(FIRST)
    run_load()
    execute(loss)
    before = execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")

    with pytest.raises(WarehouseTablesError, match=f"{LOSSES[loss]}.*{REBUILD}"):
        run_load()
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    with pytest.raises(WarehouseTablesError, match=f"{LOSSES[loss]}.*{REBUILD}"):
        run_load()
    assert execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1") == before

    run_load(rebuild="true")

    assert execute(
        "SELECT count(*), max(currency_code) FROM current_fact_payment JOIN dim_currency USING (currency_id)"
    ) == [(1, "GBP")]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]
    assert execute("SELECT processed_sequence FROM load_ledger ORDER BY 1") == [(1,), (2,)]
    if side.kind == "postgres":
        foreign_keys = {(table, column): (to, key) for table, column, to, key in execute(KEYS)}
        assert foreign_keys == FOREIGN_KEYS
    run_load()


def test_failed_rebuild_does_not_hide_a_lost_table(commit, run_load, execute, side, monkeypatch):
    """In Postgres it is one transaction; in Redshift the ledger is emptied, and the next load loads everything."""
    commit(FIRST)
    run_load()
    execute("DROP TABLE fact_payment CASCADE")
    with monkeypatch.context() as broken:
        side.break_its_end(broken)
        with pytest.raises(side.failure):
            run_load(rebuild="true")

    if side.kind == "postgres":
        with pytest.raises(WarehouseTablesError, match="fact_payment is missing"):
            run_load()
        run_load(rebuild="true")
    else:
        run_load()
    assert execute("SELECT count(*) FROM current_fact_payment") == [(1,)]


def test_missing_table_without_loaded_rows_is_created(commit, run_load, execute):
    """As after a release that declares a new table; the same for a view."""
    commit(SMALL)
    run_load()
    execute("DROP TABLE fact_payment CASCADE; DROP VIEW current_dim_currency")
    run_load()
    assert execute("SELECT count(*) FROM current_fact_payment") == [(0,)]
    assert execute("SELECT count(*) FROM current_dim_currency") == [(1,)]


def test_view_with_the_name_of_a_table_is_rejected(commit, run_load, execute):
    """Rows would be merged into the view; a rebuild fails too."""
    commit(SMALL)
    run_load()
    execute("ALTER TABLE dim_currency RENAME TO kept; CREATE VIEW dim_currency AS SELECT * FROM kept")
    for rebuild in ("false", "true"):
        with pytest.raises(WarehouseTablesError, match=r"(?i)dim_currency is a view and no table: rename or drop it"):
            run_load(rebuild=rebuild)


KEYS_LOST = {
    "unique": "ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key",
    "primary": "ALTER TABLE dim_currency DROP CONSTRAINT dim_currency_pkey CASCADE",
    "ledger": "ALTER TABLE load_ledger DROP CONSTRAINT load_ledger_batch_id_key",
    "deferrable": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key;
        ALTER TABLE fact_payment ADD UNIQUE (payment_id, _ingested_sequence) DEFERRABLE""",
    "partial": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key;
        CREATE UNIQUE INDEX ON fact_payment (payment_id, _ingested_sequence) WHERE paid""",
    "foreign": "ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey",
    "not valid": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey;
        ALTER TABLE fact_payment ADD CONSTRAINT fact_payment_currency_id_fkey
            FOREIGN KEY (currency_id) REFERENCES dim_currency (currency_id) NOT VALID""",
    "of another table": """
        CREATE TABLE other (currency_id int PRIMARY KEY); INSERT INTO other VALUES (1);
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey;
        ALTER TABLE fact_payment ADD CONSTRAINT fact_payment_currency_id_fkey
            FOREIGN KEY (currency_id) REFERENCES other""",
}
UNIQUE = """
SELECT i.indrelid::regclass::text, array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisvalid AND i.indimmediate AND i.indpred IS NULL
    AND i.indrelid IN ('fact_payment'::regclass, 'dim_currency'::regclass, 'load_ledger'::regclass)
GROUP BY i.indexrelid, i.indrelid ORDER BY 1, 2
"""


@postgres_only
@pytest.mark.parametrize(
    ("lost", "pending"), [*((lost, True) for lost in KEYS_LOST), ("unique", False), ("not valid", False)]
)
def test_dropped_key_is_added_again(commit, run_load, execute, *, lost, pending):
    """Without it a merge fails or duplicates rows."""
    commit(FIRST)
    run_load()
    unique, foreign = execute(UNIQUE), sorted(execute(KEYS))
    execute(KEYS_LOST[lost])
    assert (execute(UNIQUE), sorted(execute(KEYS))) != (unique, foreign)
    if pending:
        commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})

    run_load()

    assert (execute(UNIQUE), sorted(execute(KEYS))) == (unique, foreign)
    assert execute("SELECT count(*) FROM fact_payment") == [(1 + pending,)]


@postgres_only
def test_invalid_index_does_not_count_as_a_key(commit, run_load, execute, admin, side):
    """A failed CREATE INDEX CONCURRENTLY leaves one."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["unique"] + "; CREATE UNIQUE INDEX broken ON fact_payment (payment_id, _ingested_sequence)")
    with psycopg.connect(superuser_of(admin, side.warehouse.login)) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
    run_load()
    added = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'fact_payment'::regclass AND contype = 'u'"
    assert execute(added) == [(1,)]


@postgres_only
def test_key_violated_by_rows_is_named_with_the_row(commit, run_load, execute):
    """A rebuild removes the duplicates and adds the key."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["primary"] + "; INSERT INTO dim_currency SELECT * FROM dim_currency WHERE currency_id = 1")
    with pytest.raises(WarehouseKeysError) as raised:
        run_load()
    message = str(raised.value)
    assert "dim_currency: PRIMARY KEY (currency_id) is missing" in message
    assert "Key (currency_id)=(1) is duplicated" in message
    assert 'ALTER TABLE "public"."dim_currency" ADD PRIMARY KEY ("currency_id")' in message
    assert REBUILD in message

    run_load(rebuild="true")

    assert execute("SELECT count(*) FROM dim_currency") == [(1,)]
    assert len(execute(KEYS)) == len(FOREIGN_KEYS)


@postgres_only
def test_dropped_identity_is_named(commit, run_load, execute):
    """Facts could not be inserted."""
    commit(SMALL)
    run_load()
    execute("ALTER TABLE fact_payment ALTER payment_record_id DROP IDENTITY")
    with pytest.raises(WarehouseColumnsError, match="fact_payment: column payment_record_id is integer NOT NULL, decl"):
        run_load()


@postgres_only
def test_foreign_key_of_another_table_that_blocks_a_rebuild_is_named(commit, run_load, execute):
    """With the statements that drop it and add it again; nothing is changed before."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE TABLE budget (currency_id int CONSTRAINT in_currency REFERENCES dim_currency);
        INSERT INTO budget VALUES (1)""")
    with pytest.raises(WarehouseReferenceError) as raised:
        run_load(rebuild="true")
    message = str(raised.value)
    assert "in_currency of budget refers to dim_currency" in message
    drop, add = re.findall(r"`(ALTER TABLE [^`]+)`", message)
    assert execute("SELECT count(*) FROM fact_payment") == [(1,)]

    execute(drop)
    run_load(rebuild="true")
    execute(add)
    run_load()


def test_objects_of_analysts_on_the_tables_are_kept(commit, run_load, execute, side):
    """Views show the rows of a load and a rebuild; indexes and triggers do not interfere."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE VIEW spent AS SELECT sum(payment_amount) AS total, count(*) AS payments FROM fact_payment;
        CREATE INDEX by_type ON fact_payment (payment_type_id);
        CREATE TABLE noted (payment_id int);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO noted VALUES (NEW.payment_id); RETURN NEW; END';
        CREATE TRIGGER note AFTER INSERT ON fact_payment FOR EACH ROW EXECUTE FUNCTION note()""")
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    for rebuild in ("false", "true"):
        run_load(rebuild=rebuild)
        assert execute("SELECT payments FROM spent") == [(2,)]
    assert execute("SELECT count(*) FROM noted") == [(3,)]
    assert execute("SELECT to_regclass('by_type')::text") == [("by_type",)]


@postgres_only
def test_error_of_a_trigger_is_reported_with_its_table(commit, run_load, execute):
    """Message, detail and hint of the server are in one line."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'The books are closed' USING DETAIL = 'Since Friday.', HINT = 'Ask Pat.'; END$$;
        CREATE TRIGGER closed BEFORE INSERT ON fact_payment FOR EACH ROW EXECUTE FUNCTION closed()""")
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    message = r"fact_payment: The books are closed; Since Friday; Ask Pat; PL/pgSQL function closed\(\) line 1 at RAISE"
    with pytest.raises(StatementError, match=message):
        run_load()


@postgres_only
def test_fact_without_its_dimension_row_is_reported_with_the_key(commit, run_load, execute):
    """With foreign keys in place, and when they are added at the end of a first load."""
    orphan = (*payment(paid=True, batch=1)[:5], 99, *payment(paid=True, batch=1)[6:])
    batch = commit({**DIMENSIONS, "fact_payment": [orphan]})
    orphan_error = r'refer to a dimension.*Key \(transaction_id\)=\(99\) is not present in table "dim_transaction"'
    orphan_error = orphan_error.replace("transaction", "counterparty") if orphan[6] == 99 else orphan_error
    for _ in range(2):
        with pytest.raises(OrphanError, match=f"Batch {batch.batch_id}: rows of fact_payment {orphan_error}"):
            run_load()
        execute("ALTER TABLE fact_payment DROP CONSTRAINT IF EXISTS fact_payment_transaction_id_fkey")


def superuser_of(admin, login):
    """Return the superuser's connection string for the database of a login."""
    return psycopg.conninfo.make_conninfo(admin.info.dsn, password=admin.info.password, dbname=login.database)


# Settings that change what a session reads or how long it lives.
SETTINGS = {
    "quote_all_identifiers": "on",
    "search_path": "pg_catalog",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "row_security": "on",
    "statement_timeout": "100ms",
    "lock_timeout": "100ms",
    "transaction_timeout": "100ms",
    "idle_in_transaction_session_timeout": "100ms",
    "idle_session_timeout": "100ms",
}


@postgres_only
@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
@pytest.mark.parametrize("of", ["ROLE", "DATABASE"])
def test_settings_of_a_role_or_a_database_change_nothing(commit, processed, side, admin, *, of, encoding):
    """Non-ASCII text is loaded unchanged by ADBC's COPY and by psycopg; their timeouts do not end the load."""
    login = side.warehouse.login
    whose = "DATABASE {}" if of == "DATABASE" else f"ROLE {WAREHOUSE_OWNER} IN DATABASE {{}}"
    for name, value in (SETTINGS | {"client_encoding": encoding}).items():
        alter = sql.SQL(f"ALTER {whose} SET {name} = {{}}")
        # A list of words is not a literal.
        admin.execute(
            alter.format(sql.Identifier(login.database), sql.SQL(value) if "," in value else sql.Literal(value))
        )
    commit({"dim_currency": [(1, "GBP", "Müller & Šťastný €", 1, None)]})

    for rebuild in ("false", "false", "true"):
        load.run(JobRun("jr_é", "v-ü", {"rebuild": rebuild}), processed, side.warehouse)

    without_timeout = connections.session_options(transaction_timeout="0")
    with psycopg.connect(side.url, client_encoding="UTF8", options=without_timeout) as connection:
        assert connection.execute("SELECT currency_name FROM dim_currency").fetchall() == [("Müller & Šťastný €",)]
        assert connection.execute("SELECT run_id, code_version FROM load_ledger").fetchall() == [("jr_é", "v-ü")]


@postgres_only
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_cannot_store_every_text_is_rejected(processed, side, admin, encoding):
    """The error names database and encoding, and nothing is created in it."""
    name = f"test_{uuid4().hex}"
    create = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE 'C' LOCALE_PROVIDER libc"
    owner = sql.Identifier(WAREHOUSE_OWNER)
    admin.execute(sql.SQL(create).format(sql.Identifier(name), owner, sql.Literal(encoding)))
    login = replace(side.warehouse.login, database=name)
    try:
        message = f"/{name}.* has the encoding {encoding}.*ENCODING 'UTF8' TEMPLATE template0.*{REBUILD}"
        with pytest.raises(EncodingError, match=message):
            load.run(job_run(), processed, Postgres(login))
        with psycopg.connect(login.conninfo) as connection:
            assert connection.execute("SELECT to_regclass('load_ledger')").fetchone() == (None,)
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@postgres_only
def test_read_only_warehouse_fails_the_load_at_once(commit, run_load, admin, side, *, capsys):
    """The error says what to do; a run without pending batches needs no write."""
    commit(SMALL)
    run_load()
    database = sql.Identifier(side.warehouse.login.database)
    admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
    run_load()
    commit({"dim_currency": [(2, "USD", "US Dollar", 2, None)]})
    with pytest.raises(DatabaseReadOnlyError, match=r"in a read-only transaction.*default_transaction_read_only"):
        run_load()
    assert log_lines(capsys, "retry") == []


@contextmanager
def blocking(side, statement):
    """Run `statement` in an analyst's session and leave it uncommitted until the block ends."""
    with psycopg.connect(side.url, application_name="an analyst") as connection:
        connection.execute(statement)
        yield connection
        connection.rollback()


BLOCKS = {
    "a table": "LOCK TABLE fact_payment",
    "an alteration": "ALTER TABLE dim_currency ADD CHECK (currency_id > 0)",
    "a row": "UPDATE dim_currency SET currency_name = 'Sterling'",
    "the definition": f"SELECT pg_advisory_xact_lock({_APPLY_LOCK[0]}, {_APPLY_LOCK[1]})",
}


@pytest.fixture
def short_waits(monkeypatch):
    """Shorten the lock timeout, the poll for blocking sessions and the wait before a retry."""
    monkeypatch.setitem(connections._SESSION, "lock_timeout", "2s")
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    return monkeypatch


@postgres_only
@pytest.mark.parametrize("block", BLOCKS)
def test_wait_for_a_lock_is_limited_and_names_the_blocking_session(
    commit, run_load, execute, side, *, short_waits, capsys, block
):
    """In a log line while it waits and in the error; nothing stays in staging, and the next run succeeds."""
    commit(FIRST)
    run_load()
    commit({"dim_currency": [(1, "GBP", "Pound", 2, None)], "fact_payment": [payment(paid=True, batch=2)]})
    short_waits.setattr(retry, "ATTEMPTS", 1)
    with blocking(side, BLOCKS[block]) as analyst:
        process = rf"process {analyst.info.backend_pid} \(role {WAREHOUSE_OWNER}, an analyst, idle in transaction"
        with pytest.raises(DatabaseInterruptedError, match=f"lock timeout.*, blocked by {process}"):
            run_load()
        [wait] = log_lines(capsys, "lock_wait")
        assert re.match(process, wait["blocked_by"])
        assert side.left_in_staging() == []

    run_load()
    assert execute("SELECT currency_name FROM dim_currency") == [("Pound",)]


def wait_until(condition):
    """Wait until the condition is true; fail after 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def release_lock(side, analyst, *, given_up):
    """Roll back the `analyst` a second after a session waits for its lock, with `given_up` once none waits any more."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'fact_payment'::regclass"
    with psycopg.connect(side.url, autocommit=True) as observer:
        wait_until(lambda: observer.execute(waiting).fetchone() != (0,))
        time.sleep(1)
        wait_until(lambda: not given_up or observer.execute(waiting).fetchone() == (0,))
    analyst.rollback()


@postgres_only
def test_load_is_retried_when_a_lock_is_released(commit, run_load, execute, side, *, short_waits, capsys):
    """Within the run."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        releaser = threading.Thread(target=release_lock, args=(side, analyst), kwargs={"given_up": True})
        releaser.start()
        run_load()
        releaser.join()
    [retry] = log_lines(capsys, "retry")
    assert ", blocked by process" in retry["error"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]


@redshift_only
def test_wait_in_redshift_is_logged(commit, run_load, execute, side, *, monkeypatch, capsys):
    """There is no lock timeout: the line has the statement that waits and the view that lists the blocking sessions."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    monkeypatch.setattr(data_api, "SAY_AFTER_SECONDS", 0.2)
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        releaser = threading.Thread(target=release_lock, args=(side, analyst), kwargs={"given_up": False})
        releaser.start()
        run_load()
        releaser.join()
    wait = log_lines(capsys, "statement_wait")
    assert "fact_payment" in wait[0]["statement"]
    assert "svv_transactions" in wait[0]["blockers"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]


def test_batch_with_a_duplicate_key_is_named_and_replaced_by_a_rebuilt_zone(commit, run_load, execute):
    """As committed by an older version: the error names the key, and after `rebuild processed` the load succeeds."""
    commit(FIRST)
    run_load()
    receipt = (9, "SALES_RECEIPT", 2, None)
    commit({"dim_payment_type": [receipt, receipt]}, ingested=(2, 2))
    message = r"dim_payment_type: the batch holds 2 rows, staging 1: .*\(payment_type_id.*\(9.*\) 2 times.*"
    for _ in range(2):
        with pytest.raises(StagingError, match=message + "totelake rebuild processed"):
            run_load()

    rebuilt = commit({**FIRST, "dim_payment_type": [*FIRST["dim_payment_type"], receipt]}, ingested=(1, 2))
    run_load()

    assert execute("SELECT payment_type_id FROM dim_payment_type ORDER BY 1") == [(3,), (9,)]
    assert execute("SELECT processed_sequence FROM load_ledger") == [(rebuilt.sequence,)]


def test_missing_rows_in_staging_are_reported_without_a_key(commit, run_load):
    """No duplicate key is named."""
    commit({"dim_currency": [(1, "GBP", "Pound Sterling", 1, None)]}, counts={"dim_currency": 3})
    with pytest.raises(StagingError, match=r"holds 3 rows, staging 1: 2 rows did not arrive. Nothing was merged; run"):
        run_load()
