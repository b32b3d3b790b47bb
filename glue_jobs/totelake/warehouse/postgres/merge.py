"""The merge from staging into the star tables, within the transaction of the load."""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from totelake.tables import Column, StarTable
from totelake.tables.model import NUMERIC, VARCHAR
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, listed
from totelake.warehouse.postgres.session import as_triggers_expect

# About 120,000 rows. Foreign keys are checked when a statement ends; until then Postgres queues an event in memory for
# every row and key.
CHUNK_BLOCKS = 2_000
_SIZE = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int"


def merge(connection: psycopg.Connection, table: StarTable, staging_table: str) -> int:
    """Merge the rows of `staging_table` into `table`; return the number of rows inserted or changed."""
    if table.is_fact:
        return _insert_versions(connection, table, staging_table)
    with as_triggers_expect(connection):
        return connection.execute(_upsert(table, staging_table)).rowcount


def analyze(connection: psycopg.Connection, table: StarTable) -> None:
    """Update the planner statistics of `table`."""
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(SCHEMA, table.name)))


def _insert_versions(connection: psycopg.Connection, table: StarTable, staging_table: str) -> int:
    """Insert the versions that the fact `table` lacks, one block range at a time."""
    insert = _insert(table, staging_table)
    ranges = list(_block_ranges(connection, staging_table))
    with as_triggers_expect(connection):
        return sum(connection.execute(insert, bounds).rowcount for bounds in ranges)


def _block_ranges(connection: psycopg.Connection, staging_table: str) -> Iterator[tuple[str, str]]:
    name = sql.Identifier(STAGING_SCHEMA, staging_table).as_string(connection)
    (blocks,) = connection.execute(_SIZE, (name,)).fetchone() or (0,)
    for start in range(0, blocks, CHUNK_BLOCKS):
        yield f"({start},0)", f"({start + CHUNK_BLOCKS},0)"


def _insert(table: StarTable, staging_table: str) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {staging}"
        " WHERE ctid >= %s::tid AND ctid < %s::tid"
        " ON CONFLICT ({identity}) DO NOTHING"
    ).format(
        **_clauses(table, staging_table),
        identity=listed(table.identity),
    )


def _upsert(table: StarTable, staging_table: str) -> sql.Composed:
    """Return the statement that inserts new rows by key, and updates rows that differ or whose deletion changed.

    Of several rows with one key the one of the last batch is used. An equal row is not written, so `_ingested_sequence`
    is the batch that last changed it.
    """
    compared = [*(column.name for column in table.columns if column.name not in table.key), "_deleted_at"]
    return sql.SQL(
        "INSERT INTO {table} AS target ({columns}) SELECT DISTINCT ON ({key}) {values} FROM {staging}"
        ' ORDER BY {key}, "_ingested_sequence" DESC'
        " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE ({existing}) IS DISTINCT FROM ({staged})"
    ).format(
        **_clauses(table, staging_table),
        key=listed(table.key),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in (*compared, "_ingested_sequence")
        ),
        existing=_values_of("target", table, compared),
        staged=_values_of("excluded", table, compared),
    )


def _clauses(table: StarTable, staging_table: str) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(SCHEMA, table.name),
        "columns": listed(column.name for column in table.stored_columns),
        "values": sql.SQL(", ").join(_value(column) for column in table.stored_columns),
        "staging": sql.Identifier(STAGING_SCHEMA, staging_table),
    }


def _value(column: Column) -> sql.Composed:
    """Return the expression that casts a staged value exactly to the column's type, without Spark's trailing zeros."""
    name = sql.Identifier(column.name)
    if column.type == NUMERIC:
        return sql.SQL("trim_scale({})").format(name)
    return sql.SQL("{}::{}").format(name, sql.SQL(column.type.postgres))


def _values_of(alias: str, table: StarTable, columns: list[str]) -> sql.Composed:
    """Return the values to compare; `varchar` has no equality of its own in `pg_catalog`, see `as_triggers_expect`."""
    kinds = {column.name: column.type for column in table.stored_columns}
    casts = {name: sql.SQL("::text" if kinds[name] == VARCHAR else "") for name in columns}
    return sql.SQL(", ").join(sql.Identifier(alias, name) + cast for name, cast in casts.items())
