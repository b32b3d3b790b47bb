"""The one connection with which a load controls the warehouse; while it lives, no other load can begin."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from totelake.connections import Login
from totelake.errors import AlreadyRunningError

_LOAD_LOCK = (0x746F7465, 1)
# The connection waits for Spark while it holds the lock, and a large merge takes as long as it takes.
_PATIENCE = ("statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
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
WHERE application_name = %s AND pid <> pg_backend_pid() AND usename = current_user AND datname = current_database()
"""


@contextmanager
def open_warehouse(login: Login, run_id: str) -> Iterator[psycopg.Connection]:
    """Connect to the warehouse as its only load until the block ends; the connection commits by itself.

    What an earlier attempt of the same run has left open there ends. Raises `AlreadyRunningError`, naming the holder,
    when another load is under way.
    """
    name = f"totelake load {run_id}"[:63]
    with psycopg.connect(login.conninfo, autocommit=True, application_name=name) as connection:
        for setting in _PATIENCE:
            connection.execute("SELECT set_config(%s, '0', false)", (setting,))
        connection.execute(_END_EARLIER, (name,))
        if connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOAD_LOCK).fetchone() != (True,):
            raise AlreadyRunningError("load", _holder(connection))
        yield connection


def _holder(connection: psycopg.Connection) -> str:
    found = connection.execute(_HOLDER, _LOAD_LOCK).fetchone()
    if found is None:
        return "it ended just now"
    pid, application, since = found
    return f"{application}, process {pid} of the warehouse's server, connected since {since:%Y-%m-%d %H:%M:%S %Z}"
