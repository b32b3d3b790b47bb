"""The two sides of a comparison, and the SQL dialects that make their rows comparable.

Two Postgres databases of the same encoding compare the text representation of records. Redshift does not have that, nor
its hash function, and another encoding gives another hash: then both sides convert each value to the same text, and
hash that in UTF-8 with MD5. Python reads values as text, since not every database value has a Python type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.ingest.source_connection import BEGIN
from totelake.runtime.error_mapping import explain
from totelake.runtime.errors import (
    ComparisonError,
    DatabaseRefusedError,
    StatementError,
    StorageFullError,
    TransientError,
)
from totelake.tables import Column, StarTable
from totelake.tables.model import BOOLEAN, DATE, TIME, VARCHAR

# Older servers do not have this setting.
_NO_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"

type Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The SQL expressions that make the row `r` of a table comparable: as one text, as a hash, and by value."""

    text: Callable[[StarTable], sql.Composable]
    hash: Callable[[StarTable], sql.Composable]
    values: Callable[[StarTable], sql.Composable]


@dataclass(frozen=True, slots=True)
class Side:
    """One side: `rows_of` returns the query for a table's rows, `run` executes a statement and returns its rows.

    `is_unique` is the condition that the database enforces unique keys. A failed statement does not affect the others.
    `name` is the name of the side in messages.
    """

    name: str
    run: Callable[[sql.Composed], list[Row]]
    rows_of: Callable[[StarTable], sql.Composed]
    is_unique: Callable[[StarTable], sql.Composable]
    dialect: Dialect

    def rows(self, statement: sql.Composed) -> list[Row]:
        """Return the rows of `statement`.

        Raises `ComparisonError` when the database rejects it. Transient errors, and errors that affect every table,
        propagate.
        """
        try:
            return self.run(statement)
        except (psycopg.Error, StatementError, DatabaseRefusedError) as error:
            if isinstance(explain(error, self.name, None), (TransientError, StorageFullError)):
                raise
            raise ComparisonError(self.name, _message(error)) from error


def begin(connection: psycopg.Connection[Row]) -> None:
    """Begin a transaction on `connection` that reads one snapshot, without a timeout."""
    connection.execute(_NO_TIMEOUT)
    connection.execute(BEGIN)


def in_savepoint(connection: psycopg.Connection[Row], statement: sql.Composed) -> list[Row]:
    """Return the rows of `statement`; if it fails, the transaction of `connection` stays usable."""
    with connection.transaction():
        return connection.execute(statement).fetchall()


def _message(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else getattr(error, "message", None)
    return " ".join((primary or str(error)).split()).removesuffix(".")


def _constant(text: str) -> Callable[[StarTable], sql.Composable]:
    return lambda _: sql.SQL(text)


def _texts(value: Callable[[Column], str], text_length: str, text_hash: str) -> Dialect:
    """Return the dialect in which `value` is the SQL expression of a column's text.

    `text_length` is the expression of a text's number of characters, `text_hash` that of its hash.
    """
    with_length = f"COALESCE(CAST({text_length} AS VARCHAR(8)) || ':' || {{0}}, '-')"

    def texts(table: StarTable) -> list[sql.Composed]:
        return [sql.SQL(value(column)).format(sql.Identifier("r", column.name)) for column in table.columns]

    def text(table: StarTable) -> sql.Composed:
        # Each value is prefixed with its length, so that its end is unambiguous; NULL is a dash.
        return sql.SQL(" || ").join(sql.SQL(with_length).format(each) for each in texts(table))

    def values(table: StarTable) -> sql.Composed:
        key = sql.Identifier("r", table.natural_key[0])
        return sql.SQL(", ").join([key, *texts(table)[1:]])

    return Dialect(text, lambda table: sql.SQL(text_hash).format(text(table)), values)


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
        return "RTRIM(RTRIM(CAST({} AS VARCHAR(64)), '0'), '.')"  # like trim_scale in Postgres
    return "CAST({} AS VARCHAR(32))"


# Sixty bits of the MD5, which are not negative on either side.
_POSTGRES_HASH = "CAST(CAST('x0' || SUBSTR(MD5({}), 1, 15) AS bit(64)) AS bigint)"
_POSTGRES_AS_TEXTS = _texts(_in_postgres, "LENGTH({0})", _POSTGRES_HASH)
_CONVERTED_TEXTS = _texts(
    _in_postgres, "LENGTH(CONVERT_TO({0}, 'UTF8'), 'UTF8')", _POSTGRES_HASH.format("CONVERT_TO({}, 'UTF8')")
)
REDSHIFT_AS_TEXTS = _texts(_in_redshift, "LENGTH({0})", "STRTOL(SUBSTRING(MD5({}), 1, 15), 16)")

# A record's text distinguishes NULL from an empty text, and separates its values unambiguously. If the hash differed
# between two versions of Postgres, every range would be compared by row, with the same result.
AS_RECORDS = Dialect(_constant("r::text"), _constant("hashtextextended(r::text, 0)"), _POSTGRES_AS_TEXTS.values)


def as_texts(encoding: str) -> Dialect:
    """Return the dialect for a Postgres database with the server `encoding`, to compare with one of another."""
    return _POSTGRES_AS_TEXTS if encoding == "UTF8" else _CONVERTED_TEXTS


def as_postgres(encoding: str, other: str) -> Dialect:
    """Return the dialect for a Postgres database with the server `encoding`, to compare with one with the `other`."""
    return AS_RECORDS if encoding == other else as_texts(encoding)


def encoding_of(connection: psycopg.Connection[Row]) -> str:
    """Return the server encoding of the database of `connection`."""
    return connection.info.parameter_status("server_encoding") or "UTF8"
