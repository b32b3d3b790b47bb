"""Staging tables, into which the executors copy a batch: new ones for every attempt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql
from pyspark.sql import DataFrame
from pyspark.sql.classic.dataframe import DataFrame as ClassicDataFrame
from pyspark.sql.udf import UserDefinedFunction
from pyspark.util import PythonEvalType

from totelake.runtime.errors import StagingError
from totelake.tables import StarTable
from totelake.warehouse.names import MAX_DUPLICATES, STAGING_SCHEMA, listed

_IDENTIFIER_LENGTH = 63
# Executors of a killed driver may still lock a staging table for a moment; then the next load drops it.
_DROP_WAIT = "5s"
_STAGING_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"


@contextmanager
def staging_tables(connection: psycopg.Connection, tables: list[StarTable], attempt: str) -> Iterator[dict[str, str]]:
    """Create an empty staging table for each of `tables`, yield their names by table, and drop them after the block.

    `attempt` is in the names, so executors of another attempt cannot write to them. Staging tables that killed attempts
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
    """Drop every staging table that is not locked."""
    for (name,) in connection.execute(_STAGING_TABLES, (STAGING_SCHEMA,)).fetchall():
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_DROP_WAIT,))
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(STAGING_SCHEMA, name)))
        except psycopg.errors.LockNotAvailable:
            continue


def copy(rows: DataFrame, conninfo: str, staging_table: str) -> None:
    """Copy `rows` into `staging_table` of the database at `conninfo`, with one COPY per partition.

    A partition that Spark retries may be copied twice, but no row is left out.
    """
    copied = _map_in_arrow(rows, _copier(conninfo, staging_table), "rows bigint")
    copied.write.format("noop").mode("overwrite").save()


def check(connection: psycopg.Connection, table: StarTable, staging_table: str, expected: int) -> None:
    """Raise `StagingError` unless the number of distinct staged rows is `expected`."""
    # DISTINCT ON sorts. DISTINCT would hash, which takes more than minutes for 5 million rows without statistics.
    count = sql.SQL("SELECT count(*) FROM (SELECT DISTINCT ON ({}) true FROM {}) AS staged").format(
        listed(table.identity), sql.Identifier(STAGING_SCHEMA, staging_table)
    )
    (actual,) = connection.execute(count).fetchone() or (0,)
    if actual != expected:
        raise StagingError(
            table.name, expected, actual, table.identity, _duplicates(connection, table, staging_table, expected)
        )


def _duplicates(
    connection: psycopg.Connection, table: StarTable, staging_table: str, expected: int
) -> list[tuple[tuple[object, ...], int]]:
    """Return a few duplicate keys, none if fewer rows than `expected` were staged.

    The keys of a partition that Spark retried are duplicates too: while rows are missing they mean nothing.
    """
    staging = sql.Identifier(STAGING_SCHEMA, staging_table)
    (rows,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(staging)).fetchone() or (0,)
    if rows < expected:
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


type _BatchFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def _copier(conninfo: str, staging_table: str) -> _BatchFunction:
    """Return the function that streams the record batches of one partition into `staging_table`.

    Its closure has a string instead of a `Login`, so that executors need not import this package and its dependencies.
    """

    def copy_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        first = next(batches, None)
        if first is None:
            return
        stream = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
        with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:
            rows = cursor.adbc_ingest(staging_table, stream, mode="append", db_schema_name=STAGING_SCHEMA)
            connection.commit()
        yield pa.RecordBatch.from_pydict({"rows": pa.array([rows], pa.int64())})

    return copy_partition


def _map_in_arrow(rows: DataFrame, function: _BatchFunction, schema: str) -> DataFrame:
    """Return `rows.mapInArrow(function, schema)` without its check that pandas is installed, which it does not use.

    A Python data source, Spark's alternative to write Arrow, took 2 s longer for the first table and 50 % longer for a
    large one.
    """
    mapped = UserDefinedFunction(function, schema, evalType=PythonEvalType.SQL_MAP_ARROW_ITER_UDF)
    column = mapped(*(rows[name] for name in rows.columns))
    return ClassicDataFrame(rows._jdf.mapInArrow(column._jc, False, None), rows.sparkSession)  # noqa: SLF001
