"""The source reader: totesys at one exported snapshot, its tables as they are, and the statements that read them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.ingest import identity, source_checks
from totelake.ingest.source_checks import ResolvedTable
from totelake.ingest.source_connection import BEGIN, TRANSACTION_TIMEOUT_SINCE, begin_locked, check_encoding, connected
from totelake.lake.batches import Snapshot
from totelake.runtime.connections import APPLICATION_NAME, Login, session_options
from totelake.runtime.errors import SourceChangedError
from totelake.runtime.locks import named_blockers
from totelake.tables import SOURCE_TABLES, SourceTable

_SNAPSHOT_ID = re.compile(r"[0-9A-F]+-[0-9A-F]+-[0-9]+")
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
    FROM unnest(%s::oid[]) WITH ORDINALITY AS requested (oid, position) ORDER BY position
"""
_SET_XMAX = "SELECT set_config('totelake.snapshot_xmax', %s, false)"

# The version of a row: its xmin, extended to 64 bits by counting back from the snapshot's xmax. The two settings are
# passed when a reading connection opens; a sub-select is evaluated once, not for each row.
_VERSION = sql.SQL(
    "(SELECT current_setting('totelake.snapshot_xmax')::bigint)"
    " - (((SELECT current_setting('totelake.snapshot_xmax')::bigint) - t.xmin::text::bigint) & 4294967295)"
)
_CHANGED = sql.SQL("{version} >= (SELECT current_setting('totelake.changed_since')::bigint)").format(version=_VERSION)


MOST_LOCATED = 10_000
"""Up to this number of changed rows of a table their places are kept, so that one scan finds them for all reads."""

READER_LOCK_TIMEOUT_SECONDS = 5
"""How long a reading connection waits for a lock.

It only waits behind a statement, such as TRUNCATE, that itself waits for the locks of the batch's snapshot and blocks
other sessions of the source meanwhile: an early retry of the stage lets it proceed.
"""

TRANSACTION_ID_RANGE = 2**32
"""The number of transactions after which the 32-bit xmin of a row wraps around."""

# Below every extended version: a row frozen long ago may appear to be from before the first epoch.
ALL_TRANSACTIONS = -(2**32)


@dataclass(frozen=True, slots=True)
class Count:
    """The number of rows of a table in the snapshot, and of the changed ones among them."""

    rows: int
    changed: int

    @property
    def unchanged(self) -> int:
        """The number of rows that no transaction has written since."""
        return self.rows - self.changed


class SourceReader:
    """A connection to totesys that keeps one snapshot open for every reader of the batch."""

    def __init__(self, login: Login, connection: psycopg.Connection[Any]) -> None:
        """Export the snapshot of `connection`'s transaction; `open_source` makes the connection."""
        self._login = login
        self._connection = connection
        self._located: dict[str, sql.Composed] = {}
        row = connection.execute(_EXPORT).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        self._snapshot_id, identifier, timeline, database, xmin, xmax, xip, taken_at = row
        if not _SNAPSHOT_ID.fullmatch(self._snapshot_id):
            raise psycopg.DataError(f"totesys exported a snapshot with the invalid id {self._snapshot_id!r}")
        self.snapshot = Snapshot(identifier, timeline, database, xmin, xmax, tuple(xip), taken_at)

    @property
    def session_statement(self) -> str:
        """The statement that imports the snapshot into another connection.

        The id of a snapshot must be a literal: it comes from Postgres and has been validated. Without BEGIN a driver in
        autocommit mode would silently read outside the snapshot. pgjdbc sets the time zone of its process when it
        connects.
        """
        return f"SET TimeZone = 'UTC'; {BEGIN}; SET TRANSACTION SNAPSHOT '{self._snapshot_id}'"

    def session_options(self, changed_since: int) -> str:
        """Return the settings of a reading connection, as the option `options` of libpq and pgjdbc.

        Changed are the rows written by transaction `changed_since` or a later one; `ALL_TRANSACTIONS` is before all.
        """
        settings = {
            "totelake.snapshot_xmax": str(self.snapshot.xmax),
            "totelake.changed_since": str(changed_since),
            "lock_timeout": f"{READER_LOCK_TIMEOUT_SECONDS}s",
        }
        if self._connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
            settings["transaction_timeout"] = "0"
        return session_options(**settings)

    def resolve(self, tables: list[SourceTable]) -> list[ResolvedTable]:
        """Return `tables` with their actual definitions.

        Raises `SourceSchemaError` when a table or column is missing, a column has another type, or an undeclared one
        has a reserved name, and `UnreadableTableError` when its rows or changes cannot be read reliably.
        """
        actual = _declared_tables(self._connection, self._login, tables)
        sizes = self._connection.execute(_SIZES, ([actual[table.name].identity.oid for table in tables],)).fetchall()
        return [ResolvedTable(table, actual[table.name], *size) for table, size in zip(tables, sizes, strict=True)]

    def count(self, tables: list[ResolvedTable], since: Mapping[str, int]) -> dict[str, Count]:
        """Count the rows of `tables`; changed are those written by transaction `since[table]` or a later one."""
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {name}, count(*), count(*) FILTER (WHERE {changed}) FROM {table} AS t").format(
                name=sql.Literal(table.name), table=table.relation, changed=_changed(since[table.name])
            )
            for table in tables
        )
        self._connection.execute(_SET_XMAX, (str(self.snapshot.xmax),))
        return {name: Count(rows, changed) for name, rows, changed in self._connection.execute(counts)}

    def locate_changes(
        self, tables: list[ResolvedTable], since: Mapping[str, int], counts: Mapping[str, Count]
    ) -> None:
        """Find the places of the changed rows of `tables` with few of them, for the later reads of these rows.

        A row stays in its place as long as the snapshot is open. In tables with children a place is not unique.
        """
        for table in tables:
            if (
                0 < counts[table.name].changed <= MOST_LOCATED
                and counts[table.name].unchanged
                and not table.actual.children
            ):
                statement = sql.SQL("SELECT array_agg(t.ctid)::text FROM {table} AS t WHERE {changed}").format(
                    table=table.relation, changed=_changed(since[table.name])
                )
                [(places,)] = self._connection.execute(statement)
                self._located[table.name] = sql.SQL("t.ctid = ANY ({}::tid[])").format(sql.Literal(places))

    def is_located(self, table: ResolvedTable) -> bool:
        """Return whether the places of the changed rows of `table` are known."""
        return table.name in self._located

    def _where_changed(self, table: ResolvedTable, since: int) -> sql.Composed:
        return self._located.get(table.name) or _changed(since)

    def changed_keys(self, table: ResolvedTable, since: int) -> list[Any]:
        """Return the keys of the rows of `table` that the transaction `since` or a later one wrote."""
        [key] = table.declared.key
        keys = sql.SQL("SELECT {key} FROM {table} AS t WHERE {changed}").format(
            key=sql.Identifier("t", key), table=table.relation, changed=self._where_changed(table, since)
        )
        return [value for (value,) in self._connection.execute(keys)]

    def check_changes(self, tables: list[ResolvedTable], since: Mapping[str, int]) -> dict[str, int]:
        """Return the size in bytes, as text, of the widest changed row of each of `tables`.

        Raises `SourceValueError` when a changed row has a value that the lake cannot store exactly, and
        `DuplicateKeyError` when rows of a table have the same key, or none.
        """
        for table in tables:
            source_checks.check_key(self._connection, table)
        return {
            table.name: source_checks.check_values(
                self._connection, table, self._where_changed(table, since[table.name])
            )
            for table in tables
        }

    def check_unaltered(self, tables: list[ResolvedTable]) -> None:
        """Raise `SourceChangedError` when the identity of one of `tables` has changed since the snapshot.

        The locks prevent statements that remove or rewrite rows, but not INHERIT or ATTACH PARTITION, after which a
        statement also reads the child's rows.
        """
        with connected(self._login) as connection:
            current = identity.inspect(connection, [table.declared for table in tables])
        for table in tables:
            if table.name not in current or current[table.name].identity != table.actual.identity:
                raise SourceChangedError(table.name)

    def changed_rows(self, table: ResolvedTable) -> str:
        """Return the statement that reads the changed rows of `table`, with `_source_version` and `_ctid`.

        Declared columns have the lake's type or are a text of the same value; all others are text.
        """
        extracted = [(column.name, column.type.extracted) for column in table.declared.columns]
        undeclared = source_checks.undeclared_columns(table.declared, table.actual)
        extracted += [(column.name, column.as_text) for column in undeclared]
        columns = (
            sql.SQL("{} AS {}").format(sql.SQL(expression).format(sql.Identifier("t", name)), sql.Identifier(name))
            for name, expression in extracted
        )
        statement = sql.SQL(
            'SELECT {columns}, {version} AS "_source_version", t.ctid AS "_ctid" FROM {table} AS t WHERE {changed}'
        )
        return statement.format(
            columns=sql.SQL(", ").join(columns),
            version=_VERSION,
            table=table.relation,
            changed=self._located.get(table.name, _CHANGED),
        ).as_string(self._connection)

    def keys(self, table: ResolvedTable) -> str:
        """Return the statement that reads the primary keys of all rows of `table`, with `_ctid`."""
        statement = sql.SQL('SELECT {key}, t.ctid AS "_ctid" FROM {table} AS t').format(
            key=sql.SQL(", ").join(sql.Identifier("t", column) for column in table.declared.key),
            table=table.relation,
        )
        return statement.as_string(self._connection)


def _declared_tables(
    connection: psycopg.Connection[Any], login: Login, tables: list[SourceTable]
) -> dict[str, identity.ActualTable]:
    actual = identity.inspect(connection, tables)
    for table in tables:
        source_checks.check_table(table, actual.get(table.name), login.user)
    return actual


def _changed(since: int) -> sql.Composed:
    return sql.SQL("{} >= {}").format(_VERSION, since)


@contextmanager
def open_source(login: Login, *, stage: str = "ingest") -> Iterator[SourceReader]:
    """Connect to totesys and keep one snapshot of it open until the block ends.

    All source tables are locked before the snapshot is taken, against DDL and TRUNCATE, which affect what it shows.
    While the `stage` waits for a lock, blocking sessions are logged. Raises `DatabaseInterruptedError` when the wait
    times out, `SourceSchemaError` when a table is missing or cannot be read, `EncodingError` for SQL_ASCII.
    """
    tables = list(SOURCE_TABLES.values())
    with (
        named_blockers(login, APPLICATION_NAME, database="totesys", stage=stage),
        connected(login) as connection,
    ):
        check_encoding(login, connection)
        _declared_tables(connection, login, tables)
        begin_locked(connection, tables)
        yield SourceReader(login, connection)
