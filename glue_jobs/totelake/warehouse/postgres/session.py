"""The one connection with which a load controls the warehouse; while it lives, no other load can begin."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from totelake.runtime.connections import Login, session_options
from totelake.runtime.error_mapping import explain, told
from totelake.runtime.errors import AlreadyRunningError, EncodingError, OrphanError, StatementError
from totelake.warehouse.postgres.definition import foreign_keys

_ENCODING = "UTF8"
_UNFIT = "it cannot hold every text, or does not say what its text is"
_REMEDY = (
    "Nothing was loaded. Create another database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, point the "
    "Glue connection to it, and run `totelake rebuild warehouse` (on AWS: the load job once with --rebuild true)."
)
_LOAD_LOCK = (0x746F7465, 1)
# A merge counts on seeing what other transactions have committed since it began.
_ISOLATION = {"default_transaction_isolation": "read committed"}
# The connection waits for Spark while it holds the lock, and a large merge takes as long as it takes: what would end
# the session, by the version of the server that first knows of it.
_PATIENCE = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
_HOLDER = """
SELECT a.pid, a.application_name, a.backend_start
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND (l.classid, l.objid) = (%s::oid, %s::oid)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


# A connection that was cut on this side may live on at the server for hours, and hold the lock.
_END_EARLIER = """
SELECT pg_terminate_backend(pid, 10000)
FROM pg_stat_activity
WHERE application_name = %s AND pid <> pg_backend_pid() AND usename = session_user AND datname = current_database()
"""


def application_name(run_id: str) -> str:
    """Return the name under which the sessions of a load are seen at the server."""
    return f"totelake load {run_id}"[:63]


@contextmanager
def open_warehouse(login: Login, run_id: str) -> Iterator[psycopg.Connection]:
    """Connect to the warehouse as its only load until the block ends; the connection commits by itself.

    What an earlier attempt of the same run has left open there ends. Raises `AlreadyRunningError`, naming the holder,
    when another load is under way, and `EncodingError` when the database cannot hold every text.
    """
    name = application_name(run_id)
    options = session_options(**_ISOLATION)
    with psycopg.connect(login.conninfo, autocommit=True, application_name=name, options=options) as connection:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != _ENCODING:
            raise EncodingError(f"the warehouse ({login.place})", str(encoding), _UNFIT, _REMEDY)
        for setting in _patience(connection):
            connection.execute("SELECT set_config(%s, '0', false)", (setting,))
        connection.execute(_END_EARLIER, (name,))
        if connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOAD_LOCK).fetchone() != (True,):
            raise AlreadyRunningError("load", _holder(connection))
        yield connection


def copying_conninfo(login: Login, connection: psycopg.Connection, run_id: str) -> str:
    """Return how the executors of the load reach the server of `connection`, with the settings that a copy needs."""
    options = session_options(**_ISOLATION, **dict.fromkeys(_patience(connection), "0"))
    return psycopg.conninfo.make_conninfo(login.conninfo, application_name=application_name(run_id), options=options)


@contextmanager
def refusals(login: Login, table: str = "", batch_id: str | None = None) -> Iterator[None]:
    """Raise `StatementError` in the place of what the server says of a statement for `table`, all of it in one line.

    A reference to a row that is missing is an `OrphanError` of the batch. What `faults.explain` knows goes on.
    """
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None or explain(error, "the warehouse", login):
            raise
        named = error.diag.constraint_name, error.diag.table_name
        if isinstance(error, psycopg.errors.ForeignKeyViolation) and named in _references():
            raise OrphanError(batch_id, [str(error.diag.table_name)], told(error)) from error
        raise StatementError(login.place, f"{table}: {told(error)}" if table else told(error), None) from error


def _references() -> set[tuple[str | None, str | None]]:
    return {(key.name, key.table) for key in foreign_keys()}


def _patience(connection: psycopg.Connection) -> list[str]:
    return [setting for setting, since in _PATIENCE.items() if connection.info.server_version >= since]


def _holder(connection: psycopg.Connection) -> str:
    found = connection.execute(_HOLDER, _LOAD_LOCK).fetchone()
    if found is None:
        return "it ended just now"
    pid, application, since = found
    return f"{application}, process {pid} of the warehouse's server, connected since {since:%Y-%m-%d %H:%M:%S %Z}"
