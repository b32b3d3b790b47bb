"""Reads the Parquet files of a bucket as DataFrames: with Spark's tasks, or few rows in the driver.

For few rows, planning and starting tasks takes Spark far longer than reading them does. What the driver has read is a
local relation, which Spark projects and filters while it plans, without a task.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import DecimalType, StructField, StructType

from totelake.lake import parquet_files
from totelake.lake.file_sets import FileSet
from totelake.lake.frames import schema
from totelake.lake.parquet_files import batch_of, with_lineage
from totelake.runtime.glue import FEW_ROWS
from totelake.tables import BATCH_ID, Column
from totelake.tables.model import COMPACTED_LINEAGE, INGESTED_SEQUENCE, TAKEN_AT, WRITTEN_BY

FEW_BYTES = 64 * 2**20
"""Up to this size, as text, few rows are held in the driver."""

_ARROW = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp_ntz": pa.timestamp("us"),
}
"""Spark's own mapping of types is not public API."""


def are_few(rows: Mapping[str, int], widest: Mapping[str, int]) -> bool:
    """Return whether so many `rows` of each source table, of at most `widest` bytes each, are few for the driver."""
    size = sum(number * widest.get(table, 0) for table, number in rows.items())
    return sum(rows.values()) <= FEW_ROWS and size <= FEW_BYTES


@dataclass(frozen=True, slots=True)
class Scan:
    """Reads files of `bucket` with Spark's tasks."""

    spark: SparkSession
    bucket: str

    def rows(self, sets: Iterable[FileSet], columns: Iterable[Column]) -> DataFrame:
        """Return `columns` of all rows in the files of `sets`; the columns that a file lacks are NULL."""
        urls = self._urls(sets)
        if not urls:
            return self.spark.createDataFrame([], schema(columns))
        # The partition column `month` is not needed: it is derived from the rows.
        return self.spark.read.schema(schema(columns)).option("recursiveFileLookup", "true").parquet(*urls)

    def ingested_rows(self, sets: Sequence[FileSet], columns: Sequence[Column]) -> DataFrame:
        """Return the same for `sets`, at least one, of an ingested table, with the columns of `COMPACTED_LINEAGE`."""
        compacted = [files for files in sets if files.compacted]
        single = [files for files in sets if not files.compacted]
        frames = [self.rows(compacted, (*columns, *COMPACTED_LINEAGE))] if compacted else []
        return reduce(DataFrame.unionByName, [*frames, self._of_batches(single, columns)] if single else frames)

    def _of_batches(self, sets: Sequence[FileSet], columns: Sequence[Column]) -> DataFrame:
        """Return the rows of `sets`, which are not compacted, with the columns of `COMPACTED_LINEAGE`."""
        if len(sets) == 1:
            values = zip(COMPACTED_LINEAGE, batch_of(sets[0]), strict=True)
            lineage = {column.name: F.lit(value).cast(column.type.spark) for column, value in values}
            return self.rows(sets, columns).withColumns(lineage)
        reader = self.spark.read.schema(schema((*columns, BATCH_ID)))
        base = f"{self._urls(sets)[0].rstrip('/').rpartition('/')[0]}/"
        rows = reader.option("basePath", base).parquet(*self._urls(sets))
        return joined_with_batches(rows, sets)

    def _urls(self, sets: Iterable[FileSet]) -> list[str]:
        return [f"s3://{self.bucket}/{files.path}" for files in sets]


@dataclass(frozen=True, slots=True)
class DriverScan(Scan):
    """Reads in the driver the rows whose column `key` has one of `values`, or all rows if there is no `key`.

    With `newest`, these are only the rows down to the last version of each of `values`. The rows have to be few, the
    files may have more. `s3` is a client of `s3_for_readers`.
    """

    s3: Any
    key: str = ""
    values: Collection[Any] = ()
    newest: bool = False

    def rows(self, sets: Iterable[FileSet], columns: Iterable[Column]) -> DataFrame:
        """Return `columns` of the rows in the files of `sets`; the columns that a file lacks are NULL."""
        columns = tuple(columns)
        return self._frame((rows for _, rows in self._read(sets, columns)), columns)

    def ingested_rows(self, sets: Sequence[FileSet], columns: Sequence[Column]) -> DataFrame:
        """Return the same for `sets`, at least one, of an ingested table, with the columns of `COMPACTED_LINEAGE`."""
        columns = (*columns, *COMPACTED_LINEAGE)
        return self._frame((with_lineage(*read) for read in self._read(sets, columns)), columns)

    def _read(self, sets: Iterable[FileSet], columns: Sequence[Column]) -> Iterator[tuple[FileSet, pa.Table]]:
        """Yield each of `sets` that is read, and its rows with `columns`."""
        sets, expected = list(sets), arrow_schema(columns)
        only = (self.key, self.values) if self.key else None
        read: Iterator[tuple[FileSet, list[pa.Table]]]
        if self.newest and only:
            read = parquet_files.newest_tables(self.s3, self.bucket, sets, only, columns=expected.names)
        else:
            all_tables = parquet_files.tables_of(self.s3, self.bucket, sets, only, columns=expected.names)
            read = zip(sets, all_tables, strict=True)
        for files, tables in read:
            yield files, pa.concat_tables([expected.empty_table(), *(_conformed(rows, expected) for rows in tables)])

    def _frame(self, tables: Iterable[pa.Table], columns: Sequence[Column]) -> DataFrame:
        rows = pa.concat_tables([arrow_schema(columns).empty_table(), *tables])
        return local_frame(self.spark, rows, schema(columns))


def joined_with_batches(rows: DataFrame, sets: Sequence[FileSet]) -> DataFrame:
    """Return `rows` of ingested `sets`, with their batch id, with the columns of `COMPACTED_LINEAGE` instead of it."""
    numbers, times, ids = zip(*map(batch_of, sets), strict=True)
    # createDataFrame from an Arrow table starts no Python worker.
    by_batch = {
        BATCH_ID.name: ids,
        INGESTED_SEQUENCE.name: pa.array(numbers, pa.int32()),
        TAKEN_AT.name: pa.array(times, pa.timestamp("us")),
    }
    batches = F.broadcast(local_frame(rows.sparkSession, pa.table(by_batch)))
    return rows.join(batches, BATCH_ID.name, "inner").withColumnRenamed(BATCH_ID.name, WRITTEN_BY.name)


def local_frame(spark: SparkSession, rows: pa.Table, types: StructType | None = None) -> DataFrame:
    """Return `rows`, which are few, as a local relation, with `types` or Spark's types of their own."""
    # Spark 4.1 takes an empty chunk for the end of the table.
    return spark.createDataFrame(rows.combine_chunks(), types)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema of `columns`."""
    return pa.schema([(field.name, _arrow_type(field)) for field in schema(columns)])


def _arrow_type(field: StructField) -> pa.DataType:
    kind = field.dataType
    return pa.decimal128(kind.precision, kind.scale) if isinstance(kind, DecimalType) else _ARROW[kind.simpleString()]


def _conformed(rows: pa.Table, expected: pa.Schema) -> pa.Table:
    """Return `rows` with the columns and types of `expected`, NULL where they lack a column."""
    present = rows.schema.names
    values = (
        rows[field.name].cast(field.type) if field.name in present else pa.nulls(rows.num_rows, field.type)
        for field in expected
    )
    return pa.table(list(values), schema=expected)
