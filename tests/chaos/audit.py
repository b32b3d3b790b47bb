"""An audit trail of totesys, kept by triggers, and the changes that it shows at the snapshot of a batch.

Transaction ids are not used: the changes between two snapshots are the entries visible in the later and not in the
earlier one. A change that is rolled back, whole or to a savepoint, removes its own entry.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.chaos.schedules import RowId
from totelake.tables import SOURCE_TABLES, SourceTable

_TRAIL = """
    CREATE TABLE audit.{table} (LIKE public.{table}, _op text, _entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
    CREATE FUNCTION audit.{function}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.{key} <> NEW.{key} THEN
            INSERT INTO audit.{table} ({columns}, _op)
            SELECT {columns}, 'DELETE' FROM jsonb_populate_record(NULL::audit.{table}, to_jsonb(OLD));
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO audit.{table} ({columns}, _op)
            SELECT {columns}, TG_OP FROM jsonb_populate_record(NULL::audit.{table}, to_jsonb(NEW));
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON public.{table}
        FOR EACH ROW EXECUTE FUNCTION audit.{function}();
"""
_SNAPSHOT = (
    "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s"
)
_ENTRIES = "SELECT _entry, _op, {columns} FROM audit.{table} WHERE _entry > %s ORDER BY _entry"
_LAST_ENTRY = "SELECT coalesce(max(_entry), 0) FROM audit.{table}"
_VERSIONS = "SELECT {key}, xmin::text::bigint FROM public.{table} WHERE {key} = ANY(%s)"
_ALL_ROWS = "SELECT {key}, xmin::text::bigint, {columns} FROM public.{table}"
_WATERMARK = "SELECT max(last_updated) FROM public.{table}"
_NEWER = "SELECT {key} FROM public.{table} WHERE last_updated > %s"

# The id of the transaction that wrote the row, unique in a new server; then the columns.
type Values = tuple[Any, ...]


def install(connection: psycopg.Connection) -> None:
    """Install the triggers that keep the trail; `connection` is the owner's."""
    connection.execute("CREATE SCHEMA audit")
    for table in SOURCE_TABLES.values():
        connection.execute(_format(_TRAIL, table, function=sql.Identifier(f"keep_{table.name}")))


@dataclass(frozen=True, slots=True)
class AuditedSnapshot:
    """The state of totesys at one snapshot, compared with the previous one.

    `changed` has the rows with newly visible writes and their values, None for a deleted row.
    `newer` are the rows selected by `last_updated > watermark`, the watermark being the highest `last_updated` of the
    previous snapshot.

    Of the restructured table, `all_rows` has every row, and `written` those written since the previous snapshot; some
    of them may be deleted.
    """

    xmin: int
    xmax: int
    changed: dict[RowId, Values | None]
    newer: frozenset[RowId]
    all_rows: dict[RowId, Values]
    written: frozenset[RowId]


class AuditTrail:
    """Reads the audit trail of some tables from one snapshot to the next."""

    def __init__(self, connection: psycopg.Connection, tables: list[str], restructured: str) -> None:
        """Start at the current state, with no transaction open on the tables; `connection` is in autocommit mode.

        Of the table `restructured`, all rows are read at each snapshot.
        """
        self._connection = connection
        self._tables = [SOURCE_TABLES[name] for name in tables]
        self._restructured = SOURCE_TABLES[restructured]
        self._begin = {table.name: self._one(_LAST_ENTRY, table) for table in [*self._tables, self._restructured]}
        self._watermark = {table.name: self._one(_WATERMARK, table) for table in self._tables}
        self._seen: dict[str, set[int]] = defaultdict(set)

    def snapshot(self) -> AuditedSnapshot:
        """Return the state at the current snapshot."""
        changed: dict[RowId, Values | None] = {}
        newer: set[RowId] = set()
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            [(xmin, xmax)] = self._connection.execute(_SNAPSHOT)
            for table in self._tables:
                changed |= self._changed(table)
                newer |= self._newer(table)
            written = frozenset(RowId(self._restructured.name, key) for key in self._entries(self._restructured))
            all_rows = self._all_rows(self._restructured)
        return AuditedSnapshot(xmin, xmax, changed, frozenset(newer), all_rows, written)

    def _all_rows(self, table: SourceTable) -> dict[RowId, Values]:
        rows = self._connection.execute(_format(_ALL_ROWS, table)).fetchall()
        return {RowId(table.name, key): tuple(values) for key, *values in rows}

    def _changed(self, table: SourceTable) -> dict[RowId, Values | None]:
        """Return the last state of each row with a new entry: entries of a row are in the order of its locks."""
        last_entries = self._entries(table)
        versions: dict[int, int] = dict(
            self._connection.execute(_format(_VERSIONS, table), [list(last_entries)]).fetchall()
        )
        return {
            RowId(table.name, key): (versions[key], *values) if values else None for key, values in last_entries.items()
        }

    def _entries(self, table: SourceTable) -> dict[int, list[Any]]:
        """Return the values of the last new entry of each row that has one, empty for a deleted row."""
        last_entries: dict[int, list[Any]] = {}
        seen, key_position = self._seen[table.name], key_index(table)
        entries = self._connection.execute(_format(_ENTRIES, table), [self._begin[table.name]])
        for entry, operation, *values in entries.fetchall():
            if entry not in seen:
                last_entries[values[key_position]] = [] if operation == "DELETE" else values
                seen.add(entry)
        return last_entries

    def _newer(self, table: SourceTable) -> set[RowId]:
        rows = self._connection.execute(_format(_NEWER, table), [self._watermark[table.name]]).fetchall()
        self._watermark[table.name] = max(self._watermark[table.name], self._one(_WATERMARK, table))
        return {RowId(table.name, key) for (key,) in rows}

    def _one(self, statement: str, table: SourceTable) -> Any:
        [(value,)] = self._connection.execute(_format(statement, table)).fetchall()
        return value


def key_index(table: SourceTable) -> int:
    """Return the index of the key among the columns of `table`."""
    [key] = table.key
    return table.column_names.index(key)


def _format(statement: str, table: SourceTable, **words: sql.Composable) -> sql.Composed:
    [key] = table.key
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    return sql.SQL(statement).format(
        table=sql.Identifier(table.name), key=sql.Identifier(key), columns=columns, **words
    )
