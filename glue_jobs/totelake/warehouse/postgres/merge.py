"""The merge: from staging into the star tables, within the transaction of the load."""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from totelake.tables import Column, StarTable
from totelake.tables.model import NUMERIC
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, listed

# Foreign keys are checked when a statement ends; until then Postgres keeps a note of every row for every key in memory.
# About 120,000 rows.
CHUNK_BLOCKS = 2_000
_SIZE = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int"


def merge(connection: psycopg.Connection, table: StarTable, staging_table: str) -> int:
    """Bring the rows of `staging_table` into `table`; return how many rows that inserted or changed."""
    if table.is_fact:
        return _insert_versions(connection, table, staging_table)
    return connection.execute(_upsert(table, staging_table)).rowcount


def analyze(connection: psycopg.Connection, table: StarTable) -> None:
    """Renew the statistics by which Postgres plans the queries on `table`."""
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(SCHEMA, table.name)))


def _insert_versions(connection: psycopg.Connection, table: StarTable, staging_table: str) -> int:
    """Insert the versions that the fact `table` lacks, a run of blocks at a time."""
    insert = _insert(table, staging_table)
    return sum(connection.execute(insert, bounds).rowcount for bounds in _runs_of_blocks(connection, staging_table))


def _runs_of_blocks(connection: psycopg.Connection, staging_table: str) -> Iterator[tuple[str, str]]:
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
    """Return the statement that inserts new rows by key and changes those that differ, or are gone or back.

    Of several rows with one key the one of the last batch counts. A row that is the same is not written, and so keeps
    the batch that last changed it in `_ingested_sequence`.
    """
    described = [*(column.name for column in table.columns if column.name not in table.key), "_deleted_at"]
    return sql.SQL(
        "INSERT INTO {table} AS held ({columns}) SELECT DISTINCT ON ({key}) {values} FROM {staging}"
        ' ORDER BY {key}, "_ingested_sequence" DESC'
        " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE ({held}) IS DISTINCT FROM ({offered})"
    ).format(
        **_clauses(table, staging_table),
        key=listed(table.key),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in (*described, "_ingested_sequence")
        ),
        held=_prefixed("held", described),
        offered=_prefixed("excluded", described),
    )


def _clauses(table: StarTable, staging_table: str) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(SCHEMA, table.name),
        "columns": listed(column.name for column in table.stored_columns),
        "values": sql.SQL(", ").join(_value(column) for column in table.stored_columns),
        "staging": sql.Identifier(STAGING_SCHEMA, staging_table),
    }


def _value(column: Column) -> sql.Composed:
    """Return the expression that makes a staged value one of the table, exact, without the zeros that Spark adds."""
    name = sql.Identifier(column.name)
    if column.type == NUMERIC:
        return sql.SQL("trim_scale({})").format(name)
    return sql.SQL("{}::{}").format(name, sql.SQL(column.type.postgres))


def _prefixed(alias: str, columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in columns)
