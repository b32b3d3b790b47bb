"""The connection with which a load controls the warehouse; its advisory lock excludes other loads."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from totelake.runtime.connections import Login, session_options
from totelake.runtime.error_mapping import explain, server_message
from totelake.runtime.errors import AlreadyRunningError, EncodingError, OrphanError, StatementError
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres.definition import foreign_keys

_ENCODING = "UTF8"
_ENCODING_PROBLEM = "it cannot represent every text, or does not define a character set"
_REMEDY = (
    "Nothing was loaded. Create another database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, point the "
    "Glue connection to it, and run `totelake rebuild warehouse` (on AWS: the load job once with --rebuild true)."
)
_LOAD_LOCK = (0x746F7465, 1)
# A merge must see what other transactions have committed since it began.
_ISOLATION = {"default_transaction_isolation": "read committed"}
# Timeouts that are disabled, by the server version that introduced them: the connection holds the lock while it waits
# for Spark, and a large merge takes long.
_TIMEOUTS = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
_SET_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', %s, true)"
_HOLDER = """
SELECT a.pid, a.application_name, a.backend_start
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND (l.classid, l.objid) = (%s::oid, %s::oid)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


# After a broken connection the server may keep its session, and the lock, for hours.
_TERMINATE_EARLIER = """
SELECT pg_terminate_backend(pid, 10000)
FROM pg_stat_activity
WHERE application_name = %s AND pid <> pg_backend_pid() AND usename = session_user AND datname = current_database()
"""


def application_name(run_id: str) -> str:
    """Return the application name of the sessions of a load."""
    return f"totelake load {run_id}"[:63]


@contextmanager
def open_warehouse(login: Login, run_id: str) -> Iterator[psycopg.Connection]:
    """Connect to the warehouse as its only load until the block ends, in autocommit mode.

    Sessions of earlier attempts of the same run are terminated. Raises `AlreadyRunningError`, with the lock's holder,
    when another load is running, and `EncodingError` when the database's encoding is not UTF8.
    """
    name = application_name(run_id)
    options = session_options(**_ISOLATION)
    with psycopg.connect(login.conninfo, autocommit=True, application_name=name, options=options) as connection:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != _ENCODING:
            raise EncodingError(f"the warehouse ({login.place})", str(encoding), _ENCODING_PROBLEM, _REMEDY)
        for setting in _timeout_settings(connection):
            connection.execute("SELECT set_config(%s, '0', false)", (setting,))
        connection.execute(_TERMINATE_EARLIER, (name,))
        if connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOAD_LOCK).fetchone() != (True,):
            raise AlreadyRunningError("load", _holder(connection))
        yield connection


def copy_conninfo(login: Login, connection: psycopg.Connection, run_id: str) -> str:
    """Return the connection string for the executors of the load, with the settings for a copy."""
    options = session_options(**_ISOLATION, **dict.fromkeys(_timeout_settings(connection), "0"))
    return psycopg.conninfo.make_conninfo(login.conninfo, application_name=application_name(run_id), options=options)


@contextmanager
def as_triggers_expect(connection: psycopg.Connection) -> Iterator[None]:
    """Search `public` too, in the open transaction of `connection`, until the block ends.

    Triggers that others created on the tables may name their own tables without a schema. A statement in the block must
    use only functions and operators that `pg_catalog` has for exactly the types of the operands: Postgres prefers these
    to all others, but a function in `public` that fits better to one that it would have to convert operands for.
    """
    (before,) = connection.execute("SELECT pg_catalog.current_setting('search_path')").fetchone() or ("",)
    connection.execute(_SET_SEARCH_PATH, (SCHEMA,))
    yield
    connection.execute(_SET_SEARCH_PATH, (before,))  # if the block fails, the transaction restores it


@contextmanager
def statement_errors(login: Login, table: str = "", batch_id: str | None = None) -> Iterator[None]:
    """Raise `StatementError` in place of a server error in a statement for `table`, with its message in one line.

    A violated foreign key is raised as an `OrphanError` of the batch. Errors mapped by `error_mapping` propagate.
    """
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None or explain(error, "the warehouse", login):
            raise
        constraint = error.diag.constraint_name, error.diag.table_name
        if isinstance(error, psycopg.errors.ForeignKeyViolation) and constraint in _foreign_keys():
            raise OrphanError(batch_id, [str(error.diag.table_name)], server_message(error)) from error
        raise StatementError(
            login.place, f"{table}: {server_message(error)}" if table else server_message(error), None
        ) from error


def _foreign_keys() -> set[tuple[str | None, str | None]]:
    return {(key.name, key.table) for key in foreign_keys()}


def _timeout_settings(connection: psycopg.Connection) -> list[str]:
    return [setting for setting, since in _TIMEOUTS.items() if connection.info.server_version >= since]


def _holder(connection: psycopg.Connection) -> str:
    holder = connection.execute(_HOLDER, _LOAD_LOCK).fetchone()
    if holder is None:
        return "it has just ended"
    pid, application, since = holder
    return f"{application}, process {pid} of the warehouse's server, connected since {since:%Y-%m-%d %H:%M:%S %Z}"
