"""totesys as a batch sees it: one exported snapshot, and the columns that its tables really have."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.batches import Snapshot
from totelake.connections import Login
from totelake.errors import SourceSchemaError, SourceValueError
from totelake.tables import BATCH_ID, RAW_LINEAGE, SourceTable
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, NUMERIC

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
           to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
"""
_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL)
    FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_SIZE = "SELECT pg_relation_size(%s::regclass), current_setting('block_size')::int"

# The version of a row: its xmin, widened to 64 bits by counting back from the snapshot's xmax. The two settings are
# passed when a connection opens, never written into the statement; a sub-select is evaluated once, not for each row.
_VERSION = sql.SQL(
    "(SELECT current_setting('totelake.snapshot_xmax')::bigint)"
    " - (((SELECT current_setting('totelake.snapshot_xmax')::bigint) - t.xmin::text::bigint) & 4294967295)"
)
_CHANGED = sql.SQL("{version} >= (SELECT current_setting('totelake.changed_since')::bigint)").format(version=_VERSION)


# The lake's own columns, of each row and of each version when several batches are read.
_TAKEN = {column.name for column in (*RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT, BATCH_ID)} | {"_ctid"}

# Below every widened version: a row frozen long ago may seem to be from before the first epoch.
EVERYTHING = -(2**32)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a table has in the snapshot, and how many of them changed."""

    rows: int
    changed: int

    @property
    def unchanged(self) -> int:
        """How many rows no transaction has written since."""
        return self.rows - self.changed


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A source table as it was found: `extra` are its columns that nobody declared."""

    declared: SourceTable
    extra: tuple[str, ...]
    bytes: int
    block_size: int


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
        a driver in autocommit mode would read outside the snapshot and say nothing.
        """
        return f"{BEGIN}; SET TRANSACTION SNAPSHOT '{self._snapshot_id}'"

    def session_options(self, changed_since: int) -> str:
        """Return the settings that a reading connection starts with, as libpq and pgjdbc take them.

        Rows count as changed when the transaction that wrote them is `changed_since` or later, `EVERYTHING` being
        before all of them.
        """
        return f"-c totelake.snapshot_xmax={self.snapshot.xmax} -c totelake.changed_since={changed_since}"

    def find(self, table: SourceTable) -> FoundTable:
        """Hold `table` against the database.

        Raises `SourceSchemaError` when it or a column is missing, a column has another type, or one that nobody
        declared has a name that the lake gives to a column of its own.
        """
        name = f"public.{table.name}"
        found = dict(self._connection.execute(_COLUMNS, (name,)).fetchall())
        missing = [column.name for column in table.columns if column.name not in found]
        retyped = {
            column.name: (found[column.name], column.type.source)
            for column in table.columns
            if column.name in found and found[column.name] != column.type.source
        }
        taken = [name for name in found if name in _TAKEN]
        if missing or retyped or taken:
            raise SourceSchemaError(table.name, missing if found else None, retyped, taken)
        row = self._connection.execute(_SIZE, (name,)).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        extra = tuple(column for column in found if column not in table.column_names)
        return FoundTable(table, extra, *row)

    def count(self, tables: list[SourceTable], changed_since: int) -> dict[str, Count]:
        """Count the rows of `tables`; changed are those that the transaction `changed_since` or a later one wrote.

        Raises `SourceValueError` when one of them holds a number that would not come through exactly.
        """
        self._connection.execute(
            "SELECT set_config('totelake.snapshot_xmax', %s, false), set_config('totelake.changed_since', %s, false)",
            (str(self.snapshot.xmax), str(changed_since)),
        )
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL(
                "SELECT {name}, count(*), count(*) FILTER (WHERE {changed}),"
                " count(*) FILTER (WHERE {changed} AND ({inexact})) FROM {table} AS t"
            ).format(
                name=sql.Literal(table.name),
                inexact=_inexact(table),
                table=sql.Identifier("public", table.name),
                changed=_CHANGED,
            )
            for table in tables
        )
        found = self._connection.execute(counts).fetchall()
        for name, _, _, inexact in found:
            if inexact:
                raise SourceValueError(name, inexact)
        return {name: Count(rows, changed) for name, rows, changed, _ in found}

    def changed_rows(self, table: FoundTable) -> str:
        """Return the statement that reads the changed rows of `table`, with `_source_version` and `_ctid`."""
        columns = (*table.declared.column_names, *table.extra)
        statement = sql.SQL(
            'SELECT {columns}, {version} AS "_source_version", t.ctid AS "_ctid" FROM {table} AS t WHERE {changed}'
        )
        return statement.format(
            columns=sql.SQL(", ").join(sql.Identifier("t", column) for column in columns),
            version=_VERSION,
            table=sql.Identifier("public", table.declared.name),
            changed=_CHANGED,
        ).as_string(self._connection)

    def keys(self, table: FoundTable) -> str:
        """Return the statement that reads the primary keys of all rows of `table`, with `_ctid`."""
        statement = sql.SQL('SELECT {key}, t.ctid AS "_ctid" FROM {table} AS t').format(
            key=sql.SQL(", ").join(sql.Identifier("t", column) for column in table.declared.key),
            table=sql.Identifier("public", table.declared.name),
        )
        return statement.as_string(self._connection)


def _inexact(table: SourceTable) -> sql.Composable:
    """Return the condition that a row holds a number beyond decimal(38,18): `scale` of NaN and infinity is NULL."""
    conditions = [
        sql.SQL("{0} IS NOT NULL AND (coalesce(scale({0}), 19) > 18 OR abs({0}) >= 1e20)").format(
            sql.Identifier("t", column.name)
        )
        for column in table.columns
        if column.type == NUMERIC
    ]
    return sql.SQL(" OR ").join(conditions) if conditions else sql.SQL("false")


@contextmanager
def open_source(login: Login) -> Iterator[SourceReader]:
    """Connect to totesys and hold one snapshot of it open until the block ends."""
    with psycopg.connect(login.conninfo, autocommit=True) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute(BEGIN)
        yield SourceReader(login, connection)
