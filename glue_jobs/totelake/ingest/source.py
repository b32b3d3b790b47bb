"""totesys as a batch sees it: one exported snapshot, and the columns that its tables really have."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.ingest import identity, source_checks
from totelake.ingest.source_checks import FoundTable
from totelake.lake.batches import Snapshot
from totelake.runtime import connections
from totelake.runtime.connections import APPLICATION_NAME, Login, session_options
from totelake.runtime.errors import EncodingError, SourceChangedError
from totelake.runtime.locks import named_blockers
from totelake.tables import SOURCE_TABLES, SourceTable

_SNAPSHOT_ID = re.compile(r"[0-9A-F]+-[0-9A-F]+-[0-9]+")
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_EXPORT = """
    SELECT pg_export_snapshot(),
           (SELECT system_identifier FROM pg_control_system()),
           (SELECT timeline_id FROM pg_control_checkpoint()),
           (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           ARRAY(SELECT xip::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS xip),
           to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
"""
_SIZES = """
    SELECT pg_relation_size(oid::regclass), current_setting('block_size')::int
    FROM unnest(%s::oid[]) WITH ORDINALITY AS wanted (oid, place) ORDER BY place
"""
_SET_XMAX = "SELECT set_config('totelake.snapshot_xmax', %s, false)"

# The version of a row: its xmin, widened to 64 bits by counting back from the snapshot's xmax. The two settings are
# passed when a reading connection opens; a sub-select is evaluated once, not for each row.
_VERSION = sql.SQL(
    "(SELECT current_setting('totelake.snapshot_xmax')::bigint)"
    " - (((SELECT current_setting('totelake.snapshot_xmax')::bigint) - t.xmin::text::bigint) & 4294967295)"
)
_CHANGED = sql.SQL("{version} >= (SELECT current_setting('totelake.changed_since')::bigint)").format(version=_VERSION)


READER_LOCK_TIMEOUT_SECONDS = 5
"""How long a reading connection waits for a lock.

It waits for nothing but a statement that waits itself for the locks of the batch's snapshot to be given up, such as
TRUNCATE: the sooner the stage is tried again, the less that statement stands in the way of the source's own work.
"""

TRANSACTION_IDS = 2**32
"""How many transactions there are before the id that Postgres keeps in a row comes round again."""

# Below every widened version: a row frozen long ago may seem to be from before the first epoch.
EVERYTHING = -(2**32)

_TRANSACTION_TIMEOUT_SINCE = 170_000
# Below deadlock_timeout, which is a second if nobody set it.
_LOCK_TRY_MILLISECONDS = 900
_LOCK_PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a table has in the snapshot, and how many of them changed."""

    rows: int
    changed: int

    @property
    def unchanged(self) -> int:
        """How many rows no transaction has written since."""
        return self.rows - self.changed


class SourceReader:
    """A connection to totesys that holds one snapshot open for every reader of the batch."""

    def __init__(self, login: Login, connection: psycopg.Connection[Any]) -> None:
        """Export the snapshot of `connection`'s transaction; use `open_source` to get here."""
        self._login = login
        self._connection = connection
        found = connection.execute(_EXPORT).fetchone()
        assert found is not None  # noqa: S101 - a SELECT without FROM has one row
        self._snapshot_id, identifier, timeline, database, xmin, xmax, xip, taken_at = found
        if not _SNAPSHOT_ID.fullmatch(self._snapshot_id):
            raise psycopg.DataError(f"totesys exported a snapshot under the strange name {self._snapshot_id!r}")
        self.snapshot = Snapshot(identifier, timeline, database, xmin, xmax, tuple(xip), taken_at)

    @property
    def session_statement(self) -> str:
        """The statement with which another connection enters the same snapshot.

        The name of a snapshot has to be a literal: it is Postgres' own and has been checked. Without its own BEGIN,
        a driver in autocommit mode would read outside the snapshot and say nothing. pgjdbc sets the time zone of its
        process when it connects.
        """
        return f"SET TimeZone = 'UTC'; {BEGIN}; SET TRANSACTION SNAPSHOT '{self._snapshot_id}'"

    def session_options(self, changed_since: int) -> str:
        """Return the settings that a reading connection starts with, as libpq and pgjdbc take them.

        Rows count as changed when the transaction that wrote them is `changed_since` or later, `EVERYTHING` being
        before all of them.
        """
        settings = {
            "totelake.snapshot_xmax": str(self.snapshot.xmax),
            "totelake.changed_since": str(changed_since),
            "lock_timeout": f"{READER_LOCK_TIMEOUT_SECONDS}s",
        }
        if self._connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
            settings["transaction_timeout"] = "0"
        return session_options(**settings)

    def find(self, tables: list[SourceTable]) -> list[FoundTable]:
        """Compare `tables` with the database.

        Raises `SourceSchemaError` when one or a column of it is missing, a column has another type, or one that is not
        declared has a name that is taken, and `UnreadableTableError` when its rows or changes cannot be read reliably.
        """
        found = _declared_tables(self._connection, self._login, tables)
        sizes = self._connection.execute(_SIZES, ([found[table.name].identity.oid for table in tables],)).fetchall()
        return [FoundTable(table, found[table.name], *size) for table, size in zip(tables, sizes, strict=True)]

    def count(self, tables: list[FoundTable], since: Mapping[str, int]) -> dict[str, Count]:
        """Count the rows of `tables`; changed are those that the transaction `since[table]` or a later one wrote."""
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {name}, count(*), count(*) FILTER (WHERE {changed}) FROM {table} AS t").format(
                name=sql.Literal(table.name), table=table.relation, changed=_changed(since[table.name])
            )
            for table in tables
        )
        self._connection.execute(_SET_XMAX, (str(self.snapshot.xmax),))
        return {name: Count(rows, changed) for name, rows, changed in self._connection.execute(counts)}

    def check_changes(self, tables: list[FoundTable], since: Mapping[str, int]) -> dict[str, int]:
        """Return the bytes of the widest changed row of each of `tables`, as text.

        Raises `SourceValueError` when a changed row has a value that the lake cannot store exactly, and
        `DuplicateKeyError` when rows of one of the tables have the same key, or none.
        """
        for table in tables:
            source_checks.check_key(self._connection, table)
        return {
            table.name: source_checks.check_values(self._connection, table, _changed(since[table.name]))
            for table in tables
        }

    def check_unaltered(self, tables: list[FoundTable]) -> None:
        """Raise `SourceChangedError` when one of `tables` is not the one any more that was found at the snapshot.

        The locks on them keep out what takes rows away or rewrites them, not INHERIT or ATTACH PARTITION, after which a
        statement also reads the child's rows.
        """
        with _connected(self._login) as connection:
            now = identity.find(connection, [table.declared for table in tables])
        for table in tables:
            if table.name not in now or now[table.name].identity != table.found.identity:
                raise SourceChangedError(table.name)

    def changed_rows(self, table: FoundTable) -> str:
        """Return the statement that reads the changed rows of `table`, with `_source_version` and `_ctid`.

        Declared columns arrive as the lake stores them or as a text of the same value, all others as text.
        """
        extracted = [(column.name, column.type.extracted) for column in table.declared.columns]
        extracted += [(name, "{0}::text") for name in table.extra]
        columns = (
            sql.SQL("{} AS {}").format(sql.SQL(expression).format(sql.Identifier("t", name)), sql.Identifier(name))
            for name, expression in extracted
        )
        statement = sql.SQL(
            'SELECT {columns}, {version} AS "_source_version", t.ctid AS "_ctid" FROM {table} AS t WHERE {changed}'
        )
        return statement.format(
            columns=sql.SQL(", ").join(columns), version=_VERSION, table=table.relation, changed=_CHANGED
        ).as_string(self._connection)

    def keys(self, table: FoundTable) -> str:
        """Return the statement that reads the primary keys of all rows of `table`, with `_ctid`."""
        statement = sql.SQL('SELECT {key}, t.ctid AS "_ctid" FROM {table} AS t').format(
            key=sql.SQL(", ").join(sql.Identifier("t", column) for column in table.declared.key),
            table=table.relation,
        )
        return statement.as_string(self._connection)


def _declared_tables(
    connection: psycopg.Connection[Any], login: Login, tables: list[SourceTable]
) -> dict[str, identity.Found]:
    found = identity.find(connection, tables)
    for table in tables:
        source_checks.check_table(table, found.get(table.name), login.user)
    return found


def _changed(since: int) -> sql.Composed:
    return sql.SQL("{} >= {}").format(_VERSION, since)


@contextmanager
def open_source(login: Login, *, stage: str = "ingest") -> Iterator[SourceReader]:
    """Connect to totesys and hold one snapshot of it open until the block ends.

    All source tables are locked against DDL and TRUNCATE, which act on what a snapshot shows, before it is taken. The
    log names the `stage` and who blocks it while it waits for a lock. Raises `DatabaseInterruptedError` when that takes
    too long, `SourceSchemaError` when a table is missing or cannot be read, `EncodingError` for SQL_ASCII.
    """
    tables = list(SOURCE_TABLES.values())
    with (
        named_blockers(login, APPLICATION_NAME, database="totesys", stage=stage),
        _connected(login) as connection,
    ):
        _check_encoding(login, connection)
        _declared_tables(connection, login, tables)
        _begin_locked(connection, tables)
        yield SourceReader(login, connection)


@contextmanager
def _connected(login: Login) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(login.conninfo, autocommit=True) as connection:
        if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
            connection.execute("SET transaction_timeout = 0")
        yield connection


def _begin_locked(connection: psycopg.Connection[Any], tables: list[SourceTable]) -> None:
    """Begin the transaction that has all `tables` locked.

    While one lock is missing the others are given up again and again: held on to, they would make another session that
    takes its locks in another order wait for this one, and that session the victim of a deadlock.
    """
    names = sql.SQL(", ").join(sql.Identifier("public", table.name) for table in tables)
    lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names)
    deadline = time.monotonic() + connections.LOCK_TIMEOUT_SECONDS
    while True:
        connection.execute(BEGIN)
        try:
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TRY_MILLISECONDS}ms'".encode())
            connection.execute(lock)
        except psycopg.errors.LockNotAvailable:
            connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            connection.execute(f"SET LOCAL lock_timeout = '{connections.LOCK_TIMEOUT_SECONDS}s'".encode())
            return


def _check_encoding(login: Login, connection: psycopg.Connection[Any]) -> None:
    encoding = connection.info.parameter_status("server_encoding") or ""
    if encoding == "SQL_ASCII":
        reason = "it stores bytes without saying which characters they are"
        remedy = "Copy it into a database that was created with the encoding of its text, and connect to that one."
        raise EncodingError(f"totesys ({login.place})", encoding, reason, remedy)
