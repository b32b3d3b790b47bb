"""An audit trail that totesys keeps of itself by triggers, and what it says of the moment of a batch.

Transaction ids play no part in it: what became visible between two moments is what the later one shows of the trail and
the earlier one did not. A change that is rolled back, whole or to a savepoint, takes its own entry with it.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.chaos.schedules import Row
from totelake.tables import SOURCE_TABLES, SourceTable

_KEEP = """
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
_WHOLE = "SELECT {key}, xmin::text::bigint, {columns} FROM public.{table}"
_WATERMARK = "SELECT max(last_updated) FROM public.{table}"
_NEWER = "SELECT {key} FROM public.{table} WHERE last_updated > %s"

# The transaction that wrote the row, whose ids have not begun anew in a server that was just made; then the columns.
type Values = tuple[Any, ...]


def keep(connection: psycopg.Connection) -> None:
    """Make totesys keep the trail from now on; `connection` is its owner's."""
    connection.execute("CREATE SCHEMA audit")
    for table in SOURCE_TABLES.values():
        connection.execute(_about(_KEEP, table, function=sql.Identifier(f"keep_{table.name}")))


@dataclass(frozen=True, slots=True)
class Moment:
    """What totesys showed at one moment, against the moment before.

    `changed` has the rows that were written by what has become visible, with their values, None where a row is gone.
    `newer` are the rows that a reader of `last_updated > watermark` takes, the watermark being the highest
    `last_updated` of the moment before.

    Of the table that is restructured, `whole` has all rows, and `written` those that were written since the moment
    before; some of them may be gone.
    """

    xmin: int
    xmax: int
    changed: dict[Row, Values | None]
    newer: frozenset[Row]
    whole: dict[Row, Values]
    written: frozenset[Row]


class Trail:
    """A reader of some tables' audit trail, from one moment to the next."""

    def __init__(self, connection: psycopg.Connection, tables: list[str], restructured: str) -> None:
        """Begin at the present moment, at which no transaction is open on the tables; `connection` is in autocommit.

        Of the table `restructured` all rows are read at each moment.
        """
        self._connection = connection
        self._tables = [SOURCE_TABLES[name] for name in tables]
        self._restructured = SOURCE_TABLES[restructured]
        self._begin = {table.name: self._one(_LAST_ENTRY, table) for table in [*self._tables, self._restructured]}
        self._watermark = {table.name: self._one(_WATERMARK, table) for table in self._tables}
        self._seen: dict[str, set[int]] = defaultdict(set)

    def moment(self) -> Moment:
        """Return what the present moment shows, all of it in one snapshot."""
        changed: dict[Row, Values | None] = {}
        newer: set[Row] = set()
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            [(xmin, xmax)] = self._connection.execute(_SNAPSHOT)
            for table in self._tables:
                changed |= self._changed(table)
                newer |= self._newer(table)
            written = frozenset(Row(self._restructured.name, key) for key in self._entries(self._restructured))
            whole = self._whole(self._restructured)
        return Moment(xmin, xmax, changed, frozenset(newer), whole, written)

    def _whole(self, table: SourceTable) -> dict[Row, Values]:
        rows = self._connection.execute(_about(_WHOLE, table)).fetchall()
        return {Row(table.name, key): tuple(values) for key, *values in rows}

    def _changed(self, table: SourceTable) -> dict[Row, Values | None]:
        """Return the last state of each row that has a new entry: entries of a row are in the order of its locks."""
        found = self._entries(table)
        versions: dict[int, int] = dict(self._connection.execute(_about(_VERSIONS, table), [list(found)]).fetchall())
        return {Row(table.name, key): (versions[key], *values) if values else None for key, values in found.items()}

    def _entries(self, table: SourceTable) -> dict[int, list[Any]]:
        """Return the values of the last new entry of each row that has one, empty where the row is gone."""
        found: dict[int, list[Any]] = {}
        seen, place = self._seen[table.name], place_of_key(table)
        entries = self._connection.execute(_about(_ENTRIES, table), [self._begin[table.name]])
        for entry, operation, *values in entries.fetchall():
            if entry not in seen:
                found[values[place]] = [] if operation == "DELETE" else values
                seen.add(entry)
        return found

    def _newer(self, table: SourceTable) -> set[Row]:
        rows = self._connection.execute(_about(_NEWER, table), [self._watermark[table.name]]).fetchall()
        self._watermark[table.name] = max(self._watermark[table.name], self._one(_WATERMARK, table))
        return {Row(table.name, key) for (key,) in rows}

    def _one(self, statement: str, table: SourceTable) -> Any:
        [(value,)] = self._connection.execute(_about(statement, table)).fetchall()
        return value


def place_of_key(table: SourceTable) -> int:
    """Return where among the columns of `table` its key is."""
    [key] = table.key
    return table.column_names.index(key)


def _about(statement: str, table: SourceTable, **words: sql.Composable) -> sql.Composed:
    [key] = table.key
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    return sql.SQL(statement).format(
        table=sql.Identifier(table.name), key=sql.Identifier(key), columns=columns, **words
    )
