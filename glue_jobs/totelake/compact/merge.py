"""Merges file sets of a table into one: the same rows, sorted by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from totelake.lake import objects, parquet_files
from totelake.lake.file_sets import DataFile, FileSet
from totelake.lake.scan import joined_with_batches
from totelake.runtime.errors import CompactionError
from totelake.runtime.glue import JobRun
from totelake.tables import BATCH_ID, SourceTable, StarTable
from totelake.tables.model import INGESTED_SEQUENCE, MONTH, SEVERAL_MONTHS

DRIVER_ROWS = 200_000
"""Up to this number of rows, the driver merges the files of a table in less time than Spark's tasks."""
DRIVER_BYTES = 2**28
"""Up to this size of the rows in memory, it has the space."""
_ROWS_PER_FILE = 1_000_000
_BYTES_PER_GROUP = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Merge:
    """One compaction of a bucket: `widest` is the maximum size in bytes of a row of each table, `s3` a client.

    `batch_id` is in the paths of its files.
    """

    run: JobRun
    bucket: str
    batch_id: str
    widest: Mapping[str, int]
    s3: Any

    def merged(self, table: SourceTable | StarTable, sets: tuple[FileSet, ...]) -> FileSet:
        """Write the rows of `sets` again as one set, and return it.

        Raises `CompactionError` when the written files have not as many rows as the `sets` are recorded to have.
        """
        rows = sum(files.rows for files in sets)
        path = objects.table_path(table.name, self.batch_id)
        is_fact = isinstance(table, StarTable) and table.is_fact
        folder = f"{MONTH.name}={SEVERAL_MONTHS}/" if is_fact else ""
        if rows <= DRIVER_ROWS and rows * self.widest.get(table.name, 0) <= DRIVER_BYTES:
            files = self._in_driver(table, sets, path, folder)
        else:
            files = self._by_spark(table, sets, path, folder)
        written = sum(parquet_files.opened(self.s3, self.bucket, path, file).metadata.num_rows for file in files)
        if written != rows:
            raise CompactionError(f"s3://{self.bucket}/{path}", table.name, rows, written)
        return FileSet(
            path,
            rows,
            sum(file.bytes for file in files),
            first=sets[0].first,
            last=sets[-1].last,
            compacted=True,
            months=(SEVERAL_MONTHS,) if is_fact else (),
            undeclared=sets[0].undeclared,
            files=files,
        )

    def _in_driver(
        self, table: SourceTable | StarTable, sets: tuple[FileSet, ...], path: str, folder: str
    ) -> tuple[DataFile, ...]:
        read = zip(sets, parquet_files.tables_of(self.s3, self.bucket, sets), strict=True)
        parts = (self._with_lineage(table, files, rows) for files, tables in read for rows in tables)
        # A column that was declared later is missing in early files: NULL.
        rows = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
        ordered = rows.sort_by([(column, "ascending") for column in _order(table)])
        return objects.write_tables(self.s3, self.bucket, path, {folder: ordered})

    @staticmethod
    def _with_lineage(table: SourceTable | StarTable, files: FileSet, rows: pa.Table) -> pa.Table:
        return parquet_files.with_lineage(files, rows) if isinstance(table, SourceTable) else rows

    def _by_spark(
        self, table: SourceTable | StarTable, sets: tuple[FileSet, ...], path: str, folder: str
    ) -> tuple[DataFile, ...]:
        self.run.expect(sum(files.rows for files in sets))
        compacted, single = ([files for files in sets if files.compacted is kind] for kind in (True, False))
        rows = self._read(table, compacted).drop(BATCH_ID.name) if compacted else None
        if single:
            added = self._read(table, single)
            added = joined_with_batches(added, single) if isinstance(table, SourceTable) else added.drop(BATCH_ID.name)
            rows = rows.unionByName(added, allowMissingColumns=True) if rows else added
        assert rows is not None  # noqa: S101 - there are sets
        parts = 1 + sum(files.rows for files in sets) // _ROWS_PER_FILE
        ordered = rows.repartitionByRange(parts, *_order(table)).sortWithinPartitions(*_order(table))
        ordered.write.option("parquet.block.size", _BYTES_PER_GROUP).parquet(f"s3://{self.bucket}/{path}{folder}")
        return objects.files_below(self.bucket, path, self.s3)

    def _read(self, table: SourceTable | StarTable, sets: list[FileSet]) -> DataFrame:
        """Return all columns of the files of `sets`, and their batch id."""
        base = f"s3://{self.bucket}/tables/{table.name}/"
        urls = [f"s3://{self.bucket}/{files.path}" for files in sets]
        rows = self.run.spark.read.option("basePath", base).option("mergeSchema", "true").parquet(*urls)
        return rows.drop(MONTH.name) if isinstance(table, StarTable) and table.is_fact else rows


def _order(table: SourceTable | StarTable) -> tuple[str, ...]:
    """Return the columns by which merged files are sorted, so that readers of few keys can skip most of them."""
    key = table.key if isinstance(table, SourceTable) else table.natural_key
    return (*key, INGESTED_SEQUENCE.name)
