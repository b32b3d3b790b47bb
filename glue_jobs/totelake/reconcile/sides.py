"""The two sides of a comparison: where the rows are, and in which words they are made comparable.

Two databases that are both Postgres compare records as Postgres writes them. Redshift has neither that nor its hash:
then both sides write each value as text, in ways that come to the same, and hash that with MD5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from totelake.tables import Column, StarTable
from totelake.tables.model import BOOLEAN, DATE, TIME, VARCHAR

type Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """How the row `r` of a table is made comparable, as SQL: all of it as one text, that as a number, each value."""

    text: Callable[[StarTable], sql.Composable]
    hash: Callable[[StarTable], sql.Composable]
    values: Callable[[StarTable], sql.Composable]


@dataclass(frozen=True, slots=True)
class Side:
    """One side: `rows_of` is the statement of a table's rows, `run` carries a statement out and returns its rows."""

    run: Callable[[sql.Composed], list[Row]]
    rows_of: Callable[[StarTable], sql.Composed]
    form: Form


def _always(text: str) -> Callable[[StarTable], sql.Composable]:
    return lambda _: sql.SQL(text)


# A record's text tells NULL from an empty text, and where one value ends from where the next begins. Should the hash
# ever differ between two versions of Postgres, every range is read again, and no more than that.
AS_RECORDS = Form(_always("r::text"), _always("hashtextextended(r::text, 0)"), _always("r.*"))


def _texts(value: Callable[[Column], str], text_hash: str) -> Form:
    """Return the form in which `value` is the SQL of a column's text, and `text_hash` that of a text's number."""

    def texts(table: StarTable) -> list[sql.Composed]:
        return [sql.SQL(value(column)).format(sql.Identifier("r", column.name)) for column in table.columns]

    def text(table: StarTable) -> sql.Composed:
        # The length before each value tells where it ends, and a dash what is NULL.
        told = (
            sql.SQL("COALESCE(CAST(LENGTH({0}) AS VARCHAR(8)) || ':' || {0}, '-')").format(each)
            for each in texts(table)
        )
        return sql.SQL(" || ").join(told)

    def values(table: StarTable) -> sql.Composed:
        key = sql.Identifier("r", table.natural_key[0])
        return sql.SQL(", ").join([key, *texts(table)[1:]])

    return Form(text, lambda table: sql.SQL(text_hash).format(text(table)), values)


def _in_postgres(column: Column) -> str:
    if column.type == VARCHAR:
        return "{}"
    if column.type == TIME:
        return "CAST(CAST(EXTRACT(EPOCH FROM {}) * 1000 AS bigint) AS varchar)"
    if column.type == BOOLEAN:
        return "CASE WHEN {0} THEN 't' WHEN NOT {0} THEN 'f' END"
    return "CAST({} AS varchar)"


def _in_redshift(column: Column) -> str:
    if column.type == VARCHAR:
        return "{}"
    if column.type == TIME:
        return "CAST(DATEDIFF(millisecond, CAST('00:00:00' AS TIME), {}) AS VARCHAR(16))"
    if column.type == BOOLEAN:
        return "CASE WHEN {0} THEN 't' WHEN NOT {0} THEN 'f' END"
    if column.type == DATE:
        return "TO_CHAR({}, 'YYYY-MM-DD')"
    if column.type.redshift.startswith("DECIMAL"):
        return "RTRIM(RTRIM(CAST({} AS VARCHAR(64)), '0'), '.')"  # what trim_scale does in Postgres
    return "CAST({} AS VARCHAR(32))"


# Sixty bits of the MD5, which are no negative number on either side.
POSTGRES_AS_TEXTS = _texts(_in_postgres, "CAST(CAST('x0' || SUBSTR(MD5({}), 1, 15) AS bit(64)) AS bigint)")
REDSHIFT_AS_TEXTS = _texts(_in_redshift, "STRTOL(SUBSTRING(MD5({}), 1, 15), 16)")
