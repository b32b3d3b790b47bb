"""The two sides of a comparison: where the rows are, and in which words they are made comparable.

Two databases in Postgres of one encoding compare records as Postgres writes them. Redshift has neither that nor its
hash, and in another encoding the same text has another one: then both sides write each value as text, in ways that come
to the same, and hash that in UTF-8 with MD5. Values reach Python as text alone, since not every one that a database
holds has a type there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from totelake.ingest.source import BEGIN
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

# A setting that older servers do not have.
_NO_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"

type Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """How the row `r` of a table is made comparable, as SQL: all of it as one text, that as a number, each value."""

    text: Callable[[StarTable], sql.Composable]
    hash: Callable[[StarTable], sql.Composable]
    values: Callable[[StarTable], sql.Composable]


@dataclass(frozen=True, slots=True)
class Side:
    """One side: `rows_of` is the statement of a table's rows, `run` carries a statement out and returns its rows.

    `is_unique` is the condition that the database itself makes sure that no two rows have the same key.
    What is wrong with one statement leaves the others as they are. `name` is what messages call the side.
    """

    name: str
    run: Callable[[sql.Composed], list[Row]]
    rows_of: Callable[[StarTable], sql.Composed]
    is_unique: Callable[[StarTable], sql.Composable]
    form: Form

    def rows(self, statement: sql.Composed) -> list[Row]:
        """Return the rows of `statement`.

        Raises `ComparisonError` when the database refuses it; what may pass, and what concerns every table, goes
        on as it is.
        """
        try:
            return self.run(statement)
        except (psycopg.Error, StatementError, DatabaseRefusedError) as error:
            if isinstance(explain(error, self.name, None), (TransientError, StorageFullError)):
                raise
            raise ComparisonError(self.name, _said(error)) from error


def begin(connection: psycopg.Connection[Row]) -> None:
    """Begin a transaction on `connection` that reads one snapshot, however long that takes."""
    connection.execute(_NO_TIMEOUT)
    connection.execute(BEGIN)


def in_savepoint(connection: psycopg.Connection[Row], statement: sql.Composed) -> list[Row]:
    """Return the rows of `statement`; when it fails, the transaction of `connection` goes on without it."""
    with connection.transaction():
        return connection.execute(statement).fetchall()


def _said(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else getattr(error, "said", None)
    return " ".join((primary or str(error)).split()).removesuffix(".")


def _always(text: str) -> Callable[[StarTable], sql.Composable]:
    return lambda _: sql.SQL(text)


def _texts(value: Callable[[Column], str], text_length: str, text_hash: str) -> Form:
    """Return the form in which `value` is the SQL of a column's text, `text_length` that of a text's characters.

    `text_hash` is that of a text's number.
    """
    told_value = f"COALESCE(CAST({text_length} AS VARCHAR(8)) || ':' || {{0}}, '-')"

    def texts(table: StarTable) -> list[sql.Composed]:
        return [sql.SQL(value(column)).format(sql.Identifier("r", column.name)) for column in table.columns]

    def text(table: StarTable) -> sql.Composed:
        # The length before each value tells where it ends, and a dash what is NULL.
        return sql.SQL(" || ").join(sql.SQL(told_value).format(each) for each in texts(table))

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
_POSTGRES_HASH = "CAST(CAST('x0' || SUBSTR(MD5({}), 1, 15) AS bit(64)) AS bigint)"
_POSTGRES_AS_TEXTS = _texts(_in_postgres, "LENGTH({0})", _POSTGRES_HASH)
_CONVERTED_TEXTS = _texts(
    _in_postgres, "LENGTH(CONVERT_TO({0}, 'UTF8'), 'UTF8')", _POSTGRES_HASH.format("CONVERT_TO({}, 'UTF8')")
)
REDSHIFT_AS_TEXTS = _texts(_in_redshift, "LENGTH({0})", "STRTOL(SUBSTRING(MD5({}), 1, 15), 16)")

# A record's text tells NULL from an empty text, and where one value ends from where the next begins. Should the hash
# ever differ between two versions of Postgres, every range is read again, and no more than that.
AS_RECORDS = Form(_always("r::text"), _always("hashtextextended(r::text, 0)"), _POSTGRES_AS_TEXTS.values)


def as_texts(encoding: str) -> Form:
    """Return the form for a Postgres whose database has the server `encoding`, beside one that has another."""
    return _POSTGRES_AS_TEXTS if encoding == "UTF8" else _CONVERTED_TEXTS


def as_postgres(encoding: str, other: str) -> Form:
    """Return the form for a Postgres whose database has the server `encoding`, beside one that has the `other`."""
    return AS_RECORDS if encoding == other else as_texts(encoding)


def encoding_of(connection: psycopg.Connection[Row]) -> str:
    """Return the server encoding of the database of `connection`."""
    return connection.info.parameter_status("server_encoding") or "UTF8"
