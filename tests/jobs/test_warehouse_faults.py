"""A warehouse that others have changed, locked or set otherwise: what it lost is named, with what brings it back."""

import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

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
postgres_only = pytest.mark.parametrize("kind", ["postgres"], indirect=True)
redshift_only = pytest.mark.parametrize("kind", ["redshift"], indirect=True)


@pytest.fixture
def execute(side):
    """Return a function that runs a script in the warehouse, and returns the rows of its last statement."""

    def run(script):
        with psycopg.connect(side.url) as connection:
            cursor = connection.execute(script)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    return run


def lines(capsys, event):
    """Return the lines of that event that a stage has printed."""
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in said if line["event"] == event]


LOSSES = {
    "DROP TABLE fact_payment CASCADE": "fact_payment is missing",
    "ALTER TABLE fact_payment RENAME TO fact_payment_old": "fact_payment is missing",
    "ALTER TABLE dim_currency RENAME TO dim_currency_old": "dim_currency is missing",
    "DROP TABLE load_ledger": "load_ledger is missing, while there are rows in .*fact_payment",
    "TRUNCATE fact_payment": "fact_payment has no row",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_table_that_was_lost_is_named_and_a_rebuild_brings_it_back(commit, run_load, execute, side, *, loss):
    """Dropped, renamed or emptied by hand: nothing is loaded into an empty table beside a ledger that has all."""
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
        found = {(table, column): (to, key) for table, column, to, key in execute(KEYS)}
        assert found == FOREIGN_KEYS
    run_load()


def test_a_rebuild_that_fails_does_not_hide_what_was_lost(commit, run_load, execute, side, monkeypatch):
    """Postgres keeps all of it in one transaction; in Redshift the ledger forgets, and the next load brings all."""
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


def test_a_table_that_never_had_a_row_is_made(commit, run_load, execute):
    """As when a new version declares one more table; so is a view."""
    commit(SMALL)
    run_load()
    execute("DROP TABLE fact_payment CASCADE; DROP VIEW current_dim_currency")
    run_load()
    assert execute("SELECT count(*) FROM current_fact_payment") == [(0,)]
    assert execute("SELECT count(*) FROM current_dim_currency") == [(1,)]


def test_a_view_in_the_place_of_a_table_is_refused(commit, run_load, execute):
    """Rows would be merged into a view; not even a rebuild can help while it is there."""
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
def test_a_key_that_was_dropped_is_added_again(commit, run_load, execute, *, lost, pending):
    """Without it a merge fails, or brings rows twice."""
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
def test_an_invalid_index_is_no_key(commit, run_load, execute, admin, side):
    """As a CREATE INDEX CONCURRENTLY that failed leaves it."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["unique"] + "; CREATE UNIQUE INDEX broken ON fact_payment (payment_id, _ingested_sequence)")
    with psycopg.connect(superuser_of(admin, side.warehouse.login)) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
    run_load()
    added = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'fact_payment'::regclass AND contype = 'u'"
    assert execute(added) == [(1,)]


@postgres_only
def test_a_key_that_the_rows_do_not_allow_is_named_with_the_row(commit, run_load, execute):
    """A rebuild removes what was doubled by hand, and adds the key."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["primary"] + "; INSERT INTO dim_currency SELECT * FROM dim_currency WHERE currency_id = 1")
    with pytest.raises(WarehouseKeysError) as raised:
        run_load()
    said = str(raised.value)
    assert "dim_currency: PRIMARY KEY (currency_id) is missing" in said
    assert "Key (currency_id)=(1) is duplicated" in said
    assert 'ALTER TABLE "public"."dim_currency" ADD PRIMARY KEY ("currency_id")' in said
    assert REBUILD in said

    run_load(rebuild="true")

    assert execute("SELECT count(*) FROM dim_currency") == [(1,)]
    assert len(execute(KEYS)) == len(FOREIGN_KEYS)


@postgres_only
def test_a_number_that_is_no_longer_given_is_named(commit, run_load, execute):
    """Facts could not be inserted."""
    commit(SMALL)
    run_load()
    execute("ALTER TABLE fact_payment ALTER payment_record_id DROP IDENTITY")
    with pytest.raises(WarehouseColumnsError, match="fact_payment: column payment_record_id is integer NOT NULL, decl"):
        run_load()


@postgres_only
def test_a_reference_of_another_table_that_refuses_a_rebuild_is_named(commit, run_load, execute):
    """With the statements that drop it and add it again; nothing was changed before."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE TABLE budget (currency_id int CONSTRAINT in_currency REFERENCES dim_currency);
        INSERT INTO budget VALUES (1)""")
    with pytest.raises(WarehouseReferenceError) as raised:
        run_load(rebuild="true")
    said = str(raised.value)
    assert "in_currency of budget refers to dim_currency" in said
    drop, add = re.findall(r"`(ALTER TABLE [^`]+)`", said)
    assert execute("SELECT count(*) FROM fact_payment") == [(1,)]

    execute(drop)
    run_load(rebuild="true")
    execute(add)
    run_load()


def test_what_analysts_have_built_upon_the_tables_stays(commit, run_load, execute, side):
    """Their views see what a load and a rebuild bring, their indexes and triggers are not in the way."""
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
def test_a_trigger_that_refuses_is_named_with_its_table(commit, run_load, execute):
    """All of what the server says is in one line."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'The books are closed' USING DETAIL = 'Since Friday.', HINT = 'Ask Pat.'; END$$;
        CREATE TRIGGER closed BEFORE INSERT ON fact_payment FOR EACH ROW EXECUTE FUNCTION closed()""")
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    said = r"fact_payment: The books are closed; Since Friday; Ask Pat; PL/pgSQL function closed\(\) line 1 at RAISE"
    with pytest.raises(StatementError, match=said):
        run_load()


@postgres_only
def test_a_fact_without_its_dimension_is_named_with_the_key(commit, run_load, execute):
    """With the foreign keys in place, and where they are to be added at the end of a first load."""
    stranger = (*payment(paid=True, batch=1)[:5], 99, *payment(paid=True, batch=1)[6:])
    batch = commit({**DIMENSIONS, "fact_payment": [stranger]})
    missing = r'refer to a dimension.*Key \(transaction_id\)=\(99\) is not present in table "dim_transaction"'
    missing = missing.replace("transaction", "counterparty") if stranger[6] == 99 else missing
    for _ in range(2):
        with pytest.raises(OrphanError, match=f"Batch {batch.batch_id}: rows of fact_payment {missing}"):
            run_load()
        execute("ALTER TABLE fact_payment DROP CONSTRAINT IF EXISTS fact_payment_transaction_id_fkey")


def superuser_of(admin, login):
    """Return how the superuser reaches the database of a login."""
    return psycopg.conninfo.make_conninfo(admin.info.dsn, password=admin.info.password, dbname=login.database)


# What changes what a session reads, or how long it lives.
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
    """Texts beyond ASCII arrive as they are, by ADBC's COPY and by psycopg; no timeout of theirs ends the load."""
    login = side.warehouse.login
    whose = "DATABASE {}" if of == "DATABASE" else f"ROLE {WAREHOUSE_OWNER} IN DATABASE {{}}"
    for name, value in (SETTINGS | {"client_encoding": encoding}).items():
        alter = sql.SQL(f"ALTER {whose} SET {name} = {{}}")
        # A list of words is no literal.
        admin.execute(
            alter.format(sql.Identifier(login.database), sql.SQL(value) if "," in value else sql.Literal(value))
        )
    commit({"dim_currency": [(1, "GBP", "Müller & Šťastný €", 1, None)]})

    for rebuild in ("false", "false", "true"):
        load.run(JobRun("jr_é", "v-ü", {"rebuild": rebuild}), processed, side.warehouse)

    patient = connections.session_options(transaction_timeout="0")
    with psycopg.connect(side.url, client_encoding="UTF8", options=patient) as connection:
        assert connection.execute("SELECT currency_name FROM dim_currency").fetchall() == [("Müller & Šťastný €",)]
        assert connection.execute("SELECT run_id, code_version FROM load_ledger").fetchall() == [("jr_é", "v-ü")]


@postgres_only
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(processed, side, admin, encoding):
    """The error names database and encoding, and nothing is made in it."""
    name = f"test_{uuid4().hex}"
    create = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE 'C' LOCALE_PROVIDER libc"
    owner = sql.Identifier(WAREHOUSE_OWNER)
    admin.execute(sql.SQL(create).format(sql.Identifier(name), owner, sql.Literal(encoding)))
    login = replace(side.warehouse.login, database=name)
    try:
        said = f"/{name}.* has the encoding {encoding}.*ENCODING 'UTF8' TEMPLATE template0.*{REBUILD}"
        with pytest.raises(EncodingError, match=said):
            load.run(job_run(), processed, Postgres(login))
        with psycopg.connect(login.conninfo) as connection:
            assert connection.execute("SELECT to_regclass('load_ledger')").fetchone() == (None,)
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@postgres_only
def test_a_read_only_warehouse_is_told_as_such(commit, run_load, admin, side, *, capsys):
    """At once, with what to do; a run that finds nothing to load needs to write nothing."""
    commit(SMALL)
    run_load()
    database = sql.Identifier(side.warehouse.login.database)
    admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
    run_load()
    commit({"dim_currency": [(2, "USD", "US Dollar", 2, None)]})
    with pytest.raises(DatabaseReadOnlyError, match=r"in a read-only transaction.*default_transaction_read_only"):
        run_load()
    assert lines(capsys, "retry") == []


@contextmanager
def blocking(side, statement):
    """Have an analyst's session run `statement` and not commit it until the block ends."""
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
def impatient(monkeypatch):
    """Let a wait for a lock end after a second, and a run try again almost at once."""
    monkeypatch.setitem(connections._SESSION, "lock_timeout", "2s")
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    return monkeypatch


@postgres_only
@pytest.mark.parametrize("block", BLOCKS)
def test_a_wait_for_a_lock_has_a_bound_and_names_who_blocks(
    commit, run_load, execute, side, *, impatient, capsys, block
):
    """In a log line while it waits, and in the error; nothing stays in staging, and the next run goes on."""
    commit(FIRST)
    run_load()
    commit({"dim_currency": [(1, "GBP", "Pound", 2, None)], "fact_payment": [payment(paid=True, batch=2)]})
    impatient.setattr(retry, "ATTEMPTS", 1)
    with blocking(side, BLOCKS[block]) as analyst:
        process = rf"process {analyst.info.backend_pid} \(role {WAREHOUSE_OWNER}, an analyst, idle in transaction"
        with pytest.raises(DatabaseInterruptedError, match=f"lock timeout.*, blocked by {process}"):
            run_load()
        [waited] = lines(capsys, "lock_wait")
        assert re.match(process, waited["blocked_by"])
        assert side.left_in_staging() == []

    run_load()
    assert execute("SELECT currency_name FROM dim_currency") == [("Pound",)]


def wait_until(condition):
    """Wait until the condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def let_go(side, analyst, *, given_up):
    """End the transaction of the `analyst` a second after somebody came to wait, or when nobody waits any more."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'fact_payment'::regclass"
    with psycopg.connect(side.url, autocommit=True) as observer:
        wait_until(lambda: observer.execute(waiting).fetchone() != (0,))
        time.sleep(1)
        wait_until(lambda: not given_up or observer.execute(waiting).fetchone() == (0,))
    analyst.rollback()


@postgres_only
def test_a_lock_that_is_let_go_is_outlasted_within_the_run(commit, run_load, execute, side, *, impatient, capsys):
    """The stage tries again."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        letting_go = threading.Thread(target=let_go, args=(side, analyst), kwargs={"given_up": True})
        letting_go.start()
        run_load()
        letting_go.join()
    [retry] = lines(capsys, "retry")
    assert ", blocked by process" in retry["error"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]


@redshift_only
def test_a_wait_in_redshift_is_logged(commit, run_load, execute, side, *, monkeypatch, capsys):
    """It has no bound of its own: the line says which statement waits, and where those who block are found."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    monkeypatch.setattr(data_api, "SAY_AFTER_SECONDS", 0.2)
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        letting_go = threading.Thread(target=let_go, args=(side, analyst), kwargs={"given_up": False})
        letting_go.start()
        run_load()
        letting_go.join()
    waited = lines(capsys, "statement_wait")
    assert "fact_payment" in waited[0]["statement"]
    assert "svv_transactions" in waited[0]["blockers"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]


def test_a_batch_with_a_key_twice_is_named_and_got_past_by_a_new_zone(commit, run_load, execute):
    """As an older version committed it: the error names the key, and what `rebuild processed` makes is loaded."""
    commit(FIRST)
    run_load()
    receipt = (9, "SALES_RECEIPT", 2, None)
    commit({"dim_payment_type": [receipt, receipt]}, ingested=(2, 2))
    said = r"dim_payment_type: the batch holds 2 rows, staging 1: .*\(payment_type_id.*\(9.*\) 2 times.*"
    for _ in range(2):
        with pytest.raises(StagingError, match=said + "totelake rebuild processed"):
            run_load()

    again = commit({**FIRST, "dim_payment_type": [*FIRST["dim_payment_type"], receipt]}, ingested=(1, 2))
    run_load()

    assert execute("SELECT payment_type_id FROM dim_payment_type ORDER BY 1") == [(3,), (9,)]
    assert execute("SELECT processed_sequence FROM load_ledger") == [(again.sequence,)]


def test_rows_that_did_not_arrive_are_told_as_such(commit, run_load):
    """No key is blamed for it."""
    commit({"dim_currency": [(1, "GBP", "Pound Sterling", 1, None)]}, counts={"dim_currency": 3})
    with pytest.raises(StagingError, match=r"holds 3 rows, staging 1: 2 rows did not arrive. Nothing was merged; run"):
        run_load()
