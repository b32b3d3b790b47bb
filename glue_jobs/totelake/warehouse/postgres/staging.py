"""Staging tables, into which a batch is copied: new ones for every attempt."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

from totelake.runtime.errors import StagingError
from totelake.tables import StarTable
from totelake.warehouse.names import MAX_DUPLICATES, STAGING_SCHEMA, listed

_IDENTIFIER_LENGTH = 63
# Executors of a killed driver may still lock a staging table for a moment; then the next load drops it.
_DROP_WAIT = "5s"
_STAGING_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND relowner = current_user::regrole
"""


@contextmanager
def staging_tables(connection: psycopg.Connection, tables: list[StarTable], attempt: str) -> Iterator[dict[str, str]]:
    """Create an empty staging table for each of `tables`, yield their names by table, and drop them after the block.

    `attempt` is in the names, so copies of another attempt cannot write to them. Staging tables that killed attempts
    left are dropped first.
    """
    drop_all(connection)
    staged = {table.name: f"{table.name}_{attempt}"[:_IDENTIFIER_LENGTH] for table in tables}
    for table in tables:
        connection.execute(_create(table, staged[table.name]))
    try:
        yield staged
    finally:
        if not connection.closed:
            drop_all(connection)


def drop_all(connection: psycopg.Connection) -> None:
    """Drop every staging table of the role of `connection` that is not locked."""
    for (name,) in connection.execute(_STAGING_TABLES, (STAGING_SCHEMA,)).fetchall():
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_DROP_WAIT,))
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(STAGING_SCHEMA, name)))
        except psycopg.errors.LockNotAvailable:
            continue


def count(connection: psycopg.Connection, staging_table: str) -> int:
    """Return the number of staged rows, including duplicates."""
    rows = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(STAGING_SCHEMA, staging_table))
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(rows).fetchone() or 0)


def check(connection: psycopg.Connection, table: StarTable, staging_table: str, expected: int) -> None:
    """Raise `StagingError` unless the number of distinct staged rows is `expected`."""
    # DISTINCT ON sorts. DISTINCT would hash, which takes more than minutes for 5 million rows without statistics.
    distinct = sql.SQL("SELECT count(*) FROM (SELECT DISTINCT ON ({}) true FROM {}) AS staged").format(
        listed(table.identity), sql.Identifier(STAGING_SCHEMA, staging_table)
    )
    (actual,) = connection.execute(distinct).fetchone() or (0,)
    if actual != expected:
        raise StagingError(
            table.name, expected, actual, table.identity, _duplicates(connection, table, staging_table, expected)
        )


def _duplicates(
    connection: psycopg.Connection, table: StarTable, staging_table: str, expected: int
) -> list[tuple[tuple[object, ...], int]]:
    """Return a few duplicate keys, none if fewer rows than `expected` were staged.

    The keys of a copy that Spark retried are duplicates too: while rows are missing they mean nothing.
    """
    staging = sql.Identifier(STAGING_SCHEMA, staging_table)
    if count(connection, staging_table) < expected:
        return []
    query = sql.SQL(
        "SELECT {key}, count(*) FROM {staging} GROUP BY {key} HAVING count(*) > 1"
        " ORDER BY count(*) DESC, {key} LIMIT {limit}"
    ).format(key=listed(table.identity), staging=staging, limit=sql.Literal(MAX_DUPLICATES))
    return [(tuple(values), copies) for *values, copies in connection.execute(query)]


def _create(table: StarTable, staging_table: str) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type.staging))
        for column in table.stored_columns
    )
    return sql.SQL("CREATE UNLOGGED TABLE {} ({}) WITH (autovacuum_enabled = off)").format(
        sql.Identifier(STAGING_SCHEMA, staging_table), columns
    )
