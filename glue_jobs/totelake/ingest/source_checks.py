"""Checks of a source table before it is read: columns, readability, keys and values."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.ingest.identity import KINDS, PARTITIONED_TABLE, TABLE, ActualColumn, ActualTable
from totelake.runtime.errors import DuplicateKeyError, SourceSchemaError, SourceValueError, UnreadableTableError
from totelake.tables import BATCH_ID, RAW_LINEAGE, SourceTable
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE

MOST_BYTES = 32 * 2**20
"""The maximum size of a row as text: Spark and Parquet hold a row in memory several times."""


_SHORT = {
    *("smallint", "integer", "bigint", "boolean", "date", "uuid", "real", "double precision", "oid"),
    *("timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone"),
}
_LENGTHS = {
    "numeric": "CASE WHEN scale({0}) < 100 AND abs({0}) < 1e100 THEN 200 ELSE octet_length({0}::text)::bigint END",
    "text": "octet_length({0})::bigint",
    "character varying": "octet_length({0})::bigint",
    "character": "octet_length({0})::bigint",
    "bytea": "2 + 2 * octet_length({0})::bigint",
}

# Columns that the lake adds, to each row or when several batches are read.
_RESERVED = {column.name for column in (*RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT, BATCH_ID)}
_RESERVED |= {"_ctid", "_taken_at", "_age", "_copy"}
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class ResolvedTable:
    """A declared source table with its actual definition, and its size and block size in bytes."""

    declared: SourceTable
    actual: ActualTable
    bytes: int
    block_size: int

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.declared.name

    @property
    def relation(self) -> sql.Identifier:
        """The qualified identifier of the table."""
        return sql.Identifier("public", self.name)

    @property
    def undeclared(self) -> tuple[str, ...]:
        """The names of the columns that are not declared."""
        return tuple(column.name for column in undeclared_columns(self.declared, self.actual))


def undeclared_columns(table: SourceTable, actual: ActualTable) -> list[ActualColumn]:
    """Return the columns of `actual` that `table` does not declare, in order."""
    return [column for column in actual.columns if column.name not in table.column_names]


def check_table(table: SourceTable, actual: ActualTable | None, role: str) -> None:
    """Raise unless the `actual` table has the declared columns, and the `role` can read all rows and their changes.

    Raises `SourceSchemaError` about the columns, `UnreadableTableError` about the rows.
    """
    if actual is None:
        raise SourceSchemaError(table.name, ["the table is missing"])
    _check_readable(table, actual, role)
    problems = column_problems(table, actual)
    undeclared = [column.name for column in undeclared_columns(table, actual)]
    problems += [
        f"column {name} is new and has the name of a column that the lake adds"
        for name in undeclared
        if name.lower() in _RESERVED
    ]
    spellings = Counter(column.name.lower() for column in actual.columns)
    problems += [
        f"column {name} is new and differs from another column only in upper and lower case"
        for name in undeclared
        if spellings[name.lower()] > 1
    ]
    if problems:
        raise SourceSchemaError(table.name, problems)


def kind_problems(actual: ActualTable) -> list[str]:
    """Return a problem for each of the table and its children that is not a table."""
    return [
        f"{name} is a {KINDS.get(kind, kind)}, which does not show which transaction wrote a row"
        for name, kind in actual.members.values()
        if kind not in {TABLE, PARTITIONED_TABLE}
    ]


def column_problems(table: SourceTable, actual: ActualTable) -> list[str]:
    """Return a problem for each declared column that is missing or has another type."""
    types = {column.name: column.type for column in actual.columns}
    problems = [f"column {column.name} is missing" for column in table.columns if column.name not in types]
    return problems + [
        f"column {column.name} is {types[column.name]}, declared {column.type.source}"
        for column in table.columns
        if column.name in types and types[column.name] != column.type.source
    ]


def _check_readable(table: SourceTable, actual: ActualTable, role: str) -> None:
    if unreadable := kind_problems(actual):
        remedy = (
            "Replace it with a table, or declare the underlying table in totelake/tables/sources.py; a child can be "
            "detached (ALTER TABLE … NO INHERIT, DETACH PARTITION)."
        )
        raise UnreadableTableError(table.name, unreadable, remedy)
    if actual.filtered:
        remedy = f'Let the role read all rows (ALTER ROLE "{role}" BYPASSRLS), or disable row security on the table.'
        problem = f"row security applies to the role {role} and would hide rows from it"
        raise UnreadableTableError(table.name, [problem], remedy)


def check_key(connection: psycopg.Connection[Any], table: ResolvedTable) -> None:
    """Raise `DuplicateKeyError` when rows have the same key or none; with a unique constraint no query is needed."""
    if table.actual.has_unique(table.declared.key):
        return
    key = sql.SQL(", ").join(map(sql.Identifier, table.declared.key))
    statement = sql.SQL(
        "SELECT {text}, count(*) OVER () FROM {table} AS t GROUP BY {key}"
        " HAVING count(*) > 1 OR NOT (({key}) IS NOT NULL) ORDER BY {key} LIMIT {limit}"
    ).format(text=_key_text(table), table=table.relation, key=key, limit=_EXAMPLES)
    if rows := connection.execute(statement).fetchall():
        names = ", ".join(table.declared.key)
        raise DuplicateKeyError(table.name, names, [key for key, _ in rows], rows[0][1], table.actual.children)


def check_values(connection: psycopg.Connection[Any], table: ResolvedTable, changed: sql.Composable) -> int:
    """Return the size in bytes, as text, of the widest of the `changed` rows.

    Raises `SourceValueError` when one of them has a value that the lake cannot store exactly, or is too wide.
    """
    width = _width(table)
    conditions = [
        (column.name, sql.SQL(column.type.unfit).format(sql.Identifier("t", column.name)), column.type.limits)
        for column in table.declared.columns
        if column.type.unfit
    ]
    conditions.append(("", sql.SQL("{} > {}").format(width, MOST_BYTES), f"rows of at most {MOST_BYTES:,} bytes"))
    counts = sql.SQL(", ").join(
        sql.SQL("count(*) FILTER (WHERE {})").format(condition) for _, condition, _ in conditions
    )
    statement = sql.SQL("SELECT coalesce(max({width}), 0), {counts} FROM {table} AS t WHERE {changed}").format(
        width=width, counts=counts, table=table.relation, changed=changed
    )
    [(widest, *numbers)] = connection.execute(statement).fetchall()
    for (column, condition, limits), rows in zip(conditions, numbers, strict=True):
        if rows:
            keys = _keys_where(connection, table, sql.SQL("{} AND ({})").format(changed, condition))
            named = column or _widest_column(connection, table, keys[0])
            raise SourceValueError(table.name, named, rows, keys, limits)
    return int(widest)


def _keys_where(connection: psycopg.Connection[Any], table: ResolvedTable, condition: sql.Composable) -> list[str]:
    statement = sql.SQL("SELECT {text} FROM {table} AS t WHERE {condition} ORDER BY {key} LIMIT {limit}").format(
        text=_key_text(table),
        table=table.relation,
        condition=condition,
        key=sql.SQL(", ").join(sql.Identifier("t", name) for name in table.declared.key),
        limit=_EXAMPLES,
    )
    return [key for (key,) in connection.execute(statement)]


def _widest_column(connection: psycopg.Connection[Any], table: ResolvedTable, key: str) -> str:
    """Return the widest column, as text, of the row with that `key`."""
    widths = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(column.name), _width_of(column)) for column in table.actual.columns
    )
    statement = sql.SQL(
        "SELECT width.name FROM {table} AS t CROSS JOIN LATERAL (VALUES {widths}) AS width (name, bytes)"
        " WHERE {text} = {key} ORDER BY width.bytes DESC NULLS LAST LIMIT 1"
    ).format(table=table.relation, widths=widths, text=_key_text(table), key=key)
    [(name,)] = connection.execute(statement).fetchall()
    return str(name)


def _key_text(table: ResolvedTable) -> sql.Composed:
    """Return the expression of a row's key as one text, with `NULL` for NULL."""
    parts = (sql.SQL("coalesce({}::text, 'NULL')").format(sql.Identifier("t", name)) for name in table.declared.key)
    return sql.SQL(" || ', ' || ").join(parts)


def _width(table: ResolvedTable) -> sql.Composed:
    """Return the expression of a row's maximum size in bytes as text."""
    return sql.SQL(" + ").join(sql.SQL("coalesce({}, 0)").format(_width_of(column)) for column in table.actual.columns)


def _width_of(column: ActualColumn) -> sql.Composable:
    """Return the expression of a value's size as text; for text and bytea Postgres need not detoast the value."""
    if column.type in _SHORT:
        return sql.SQL("64")
    template = _LENGTHS.get(column.type, f"octet_length({column.as_text})::bigint")
    return sql.SQL(template).format(sql.Identifier("t", column.name))
