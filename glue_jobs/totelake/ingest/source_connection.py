"""The connection to totesys and its transaction, in which all source tables are locked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from totelake.runtime import connections
from totelake.runtime.connections import Login
from totelake.runtime.errors import EncodingError
from totelake.tables import SourceTable

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

TRANSACTION_TIMEOUT_SINCE = 170_000
"""The server version that introduced the setting `transaction_timeout`."""

# Below deadlock_timeout, which defaults to a second.
_LOCK_ATTEMPT_MILLISECONDS = 900
_LOCK_PAUSE_SECONDS = 0.3


@contextmanager
def connected(login: Login) -> Iterator[psycopg.Connection[Any]]:
    """Connect in autocommit mode, without a transaction timeout, until the block ends."""
    with psycopg.connect(login.conninfo, autocommit=True) as connection:
        if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
            connection.execute("SET transaction_timeout = 0")
        yield connection


def begin_locked(connection: psycopg.Connection[Any], tables: list[SourceTable]) -> None:
    """Begin a transaction in which all `tables` are locked.

    If one lock is not available, all others are released before the next attempt. Held locks could block a session that
    takes its locks in another order, and make it the victim of a deadlock.
    """
    names = sql.SQL(", ").join(sql.Identifier("public", table.name) for table in tables)
    lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names)
    deadline = time.monotonic() + connections.LOCK_TIMEOUT_SECONDS
    while True:
        connection.execute(BEGIN)
        try:
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_ATTEMPT_MILLISECONDS}ms'".encode())
            connection.execute(lock)
        except psycopg.errors.LockNotAvailable:
            connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            connection.execute(f"SET LOCAL lock_timeout = '{connections.LOCK_TIMEOUT_SECONDS}s'".encode())
            return


def check_encoding(login: Login, connection: psycopg.Connection[Any]) -> None:
    """Raise `EncodingError` when the encoding of the database is SQL_ASCII."""
    encoding = connection.info.parameter_status("server_encoding") or ""
    if encoding == "SQL_ASCII":
        reason = "it stores bytes without a character set"
        remedy = "Copy it into a database that was created with the encoding of its text, and connect to that one."
        raise EncodingError(f"totesys ({login.place})", encoding, reason, remedy)
