"""Settings of the warehouse's database and role: encodings, session settings, read-only mode."""

from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.jobs.log_lines import log_lines
from tests.jobs.warehouse_kinds import postgres_only
from tests.lakes import job_run
from tests.postgres_servers import WAREHOUSE_OWNER
from tests.star_batches import SMALL
from totelake.runtime import connections
from totelake.runtime.errors import (
    DatabaseReadOnlyError,
    EncodingError,
)
from totelake.runtime.glue import JobRun
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres

REBUILD = "totelake rebuild warehouse"

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

    without_timeout = connections.session_options(transaction_timeout="0", search_path="public")
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
