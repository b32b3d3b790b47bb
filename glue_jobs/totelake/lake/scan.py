"""Reads the Parquet files of a bucket as DataFrames: with Spark's tasks, or few rows in the driver.

For few rows, planning and starting tasks takes Spark far longer than reading them does. What the driver has read is a
local relation, which Spark projects and filters while it plans, without a task.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from totelake.lake import objects
from totelake.lake.frames import schema
from totelake.runtime.glue import FEW_ROWS
from totelake.tables import BATCH_ID, Column

FEW_BYTES = 64 * 2**20
"""Up to this size, as text, few rows are held in the driver."""


def are_few(rows: Mapping[str, int], widest: Mapping[str, int]) -> bool:
    """Return whether so many `rows` of each source table, of at most `widest` bytes each, are few for the driver."""
    size = sum(number * widest.get(table, 0) for table, number in rows.items())
    return sum(rows.values()) <= FEW_ROWS and size <= FEW_BYTES


@dataclass(frozen=True, slots=True)
class Scan:
    """Reads files of `bucket` with Spark's tasks."""

    spark: SparkSession
    bucket: str

    def rows(self, paths: Iterable[str], columns: Iterable[Column]) -> DataFrame:
        """Return `columns` of all rows in the files below `paths`; the columns that a file lacks are NULL."""
        urls = self._urls(paths)
        if not urls:
            return self.spark.createDataFrame([], schema(columns))
        # The partition column `month` is not needed: it is derived from the rows.
        return self.spark.read.schema(schema(columns)).option("recursiveFileLookup", "true").parquet(*urls)

    def rows_with_batch(self, paths: Iterable[str], columns: Iterable[Column]) -> DataFrame:
        """Return the same for `paths`, at least one, of an ingested table, with the column `batch_id`."""
        urls = self._urls(paths)
        reader = self.spark.read.schema(schema((*columns, BATCH_ID)))
        return reader.option("basePath", f"{urls[0].rstrip('/').rpartition('/')[0]}/").parquet(*urls)

    def _urls(self, paths: Iterable[str]) -> list[str]:
        return [f"s3://{self.bucket}/{path}" for path in paths]


@dataclass(frozen=True, slots=True)
class DriverScan(Scan):
    """Reads in the driver the rows whose column `key` has one of `values`, or all rows if there is no `key`.

    The rows have to be few, the files may have more. `s3` is a client of `s3_for_readers`.
    """

    s3: Any
    key: str = ""
    values: Collection[Any] = ()

    def rows(self, paths: Iterable[str], columns: Iterable[Column]) -> DataFrame:
        """Return `columns` of the rows in the files below `paths`; the columns that a file lacks are NULL."""
        columns = tuple(columns)
        return self._frame((rows for _, rows in self._read(paths, columns)), columns)

    def rows_with_batch(self, paths: Iterable[str], columns: Iterable[Column]) -> DataFrame:
        """Return the same for `paths`, at least one, of an ingested table, with the column `batch_id`."""
        columns = tuple(columns)
        batches = (
            rows.append_column(BATCH_ID.name, pa.repeat(objects.batch_of(path), rows.num_rows))
            for path, rows in self._read(paths, columns)
        )
        return self._frame(batches, (*columns, BATCH_ID))

    def _read(self, paths: Iterable[str], columns: Sequence[Column]) -> Iterator[tuple[str, pa.Table]]:
        """Yield each path and its rows."""
        paths, expected = list(paths), arrow_schema(columns)
        only = (self.key, self.values) if self.key else None
        read = objects.tables_below_each(self.s3, self.bucket, paths, only, columns=expected.names)
        for path, tables in zip(paths, read, strict=True):
            yield path, pa.concat_tables([expected.empty_table(), *(_conformed(rows, expected) for rows in tables)])

    def _frame(self, tables: Iterable[pa.Table], columns: Sequence[Column]) -> DataFrame:
        rows = pa.concat_tables([arrow_schema(columns).empty_table(), *tables])
        return local_frame(self.spark, rows, schema(columns))


def local_frame(spark: SparkSession, rows: pa.Table, types: StructType | None = None) -> DataFrame:
    """Return `rows`, which are few, as a local relation, with `types` or Spark's types of their own."""
    # Spark 4.1 takes an empty chunk for the end of the table.
    return spark.createDataFrame(rows.combine_chunks(), types)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema of `columns`."""
    return to_arrow_schema(schema(columns))


def _conformed(rows: pa.Table, expected: pa.Schema) -> pa.Table:
    """Return `rows` with the columns and types of `expected`, NULL where they lack a column."""
    present = rows.schema.names
    values = (
        rows[field.name].cast(field.type) if field.name in present else pa.nulls(rows.num_rows, field.type)
        for field in expected
    )
    return pa.table(list(values), schema=expected)
