"""The copy into staging: the Parquet files of a batch, streamed into Postgres by ADBC without passing through Spark."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa
from pyarrow import parquet

from totelake.lake import objects
from totelake.lake.file_sets import FileSet
from totelake.runtime import failpoints
from totelake.runtime.clients import READER_THREADS
from totelake.runtime.glue import JobRun
from totelake.tables import StarTable
from totelake.warehouse.names import STAGING_SCHEMA

# Files of a table are copied together up to this size.
COPY_BYTES = 16 * 2**20
# Larger batches are copied by the executors, others by threads of the driver.
DRIVER_BYTES = 256 * 2**20
_ROWS_PER_BATCH = 32_768
# Not by the module `dbapi` of the driver, which imports pandas: that takes longer than the copy of a small batch.
_TARGET_TABLE = adbc.StatementOptions.INGEST_TARGET_TABLE.value
_APPEND = {
    adbc.StatementOptions.INGEST_MODE.value: adbc.INGEST_OPTION_MODE_APPEND,
    adbc.StatementOptions.INGEST_TARGET_DB_SCHEMA.value: STAGING_SCHEMA,
}
_MIN_THREADS = 2
# The Arrow type that ADBC copies into a column, by its type in the staging table.
_ARROW = {
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "numeric": pa.decimal128(38, 18),
}


type Copied = tuple[str, pa.Schema, dict[str, bytes]]
"""A staging table, the columns to copy, and the contents of Parquet files by their URLs."""


class FileCopy(NamedTuple):
    """One COPY: the objects `keys`, of `size` bytes in total, into the `columns` of `staging_table`."""

    staging_table: str
    columns: pa.Schema
    keys: tuple[str, ...]
    size: int


def plan(bucket: str, table: StarTable, sets: Iterable[FileSet], staging_table: str, s3: Any) -> list[FileCopy]:
    """Return the copies that bring all files of the `sets` of `table` into `staging_table`."""
    columns = pa.schema([(column.name, _ARROW[column.type.staging]) for column in table.stored_columns])
    copies: list[FileCopy] = []
    for key, size in _files(bucket, sets, s3):
        if copies and copies[-1].size + size <= COPY_BYTES:
            last = copies.pop()
            copies.append(last._replace(keys=(*last.keys, key), size=last.size + size))
        else:
            copies.append(FileCopy(staging_table, columns, (key,), size))
    return copies


def _files(bucket: str, sets: Iterable[FileSet], s3: Any) -> Iterator[tuple[str, int]]:
    """Yield the key and the bytes of each file of `sets`."""
    for files in sets:
        yield from ((f"{files.path}{file.name}", file.bytes) for file in objects.files_of(bucket, files, s3))


def run_copies(run: JobRun, bucket: str, copies: list[FileCopy], conninfo: str, s3: Any) -> None:
    """Run `copies` from `bucket` to the database at `conninfo`, each thread or executor on one connection.

    `s3` is a client of `s3_for_readers`: several files are read at the same time. A file that Spark retries may be
    copied twice, but no row is left out.
    """
    ingest = _ingester(conninfo)
    if sum(planned.size for planned in copies) > DRIVER_BYTES:
        targets = {f"s3://{bucket}/{key}": planned[:2] for planned in copies for key in planned.keys}
        files = run.spark.sparkContext.binaryFiles(",".join(targets))
        files.foreachPartition(lambda part: ingest((*targets[url], {url: body}) for url, body in part))
        failpoints.hit(failpoints.TABLE_STAGED)
        return

    def read(key: str) -> bytes:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def contents(of_thread: Iterable[FileCopy]) -> Iterator[Copied]:
        for planned in of_thread:
            urls = (f"s3://{bucket}/{key}" for key in planned.keys)
            files = dict(zip(urls, readers.map(read, planned.keys), strict=True))
            yield planned.staging_table, planned.columns, files
            failpoints.hit(failpoints.TABLE_STAGED)

    threads = max(_MIN_THREADS, os.cpu_count() or 1)
    largest_first = sorted(copies, key=lambda planned: planned.size, reverse=True)
    with ThreadPoolExecutor(READER_THREADS) as readers, ThreadPoolExecutor(threads) as copiers:
        parts = [largest_first[first::threads] for first in range(min(len(copies), threads))]
        list(copiers.map(lambda part: ingest(contents(part)), parts))


def _ingester(conninfo: str) -> Callable[[Iterable[Copied]], None]:
    """Return the function that copies files to staging tables on one connection, with one COPY for each table of files.

    It is pickled by value, with its annotations, and refers to libraries only, so that executors need not import this
    package.
    """

    def ingest(copies: Iterable[tuple[str, pa.Schema, dict[str, bytes]]]) -> None:
        with adbc_driver_postgresql.connect(conninfo) as database, adbc.AdbcConnection(database) as connection:
            for staging_table, columns, files in copies:
                opened = [open_parquet(url, body) for url, body in files.items()]
                with adbc.AdbcStatement(connection) as statement:
                    statement.set_options(**_APPEND, **{_TARGET_TABLE: staging_table})
                    statement.bind_stream(
                        pa.RecordBatchReader.from_batches(columns, conformed_batches(opened, columns))
                    )
                    statement.execute_update()

    def conformed_batches(opened: list[parquet.ParquetFile], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        for file in opened:
            for batch in file.iter_batches(_ROWS_PER_BATCH, use_threads=False):
                yield conformed(batch, columns)

    def open_parquet(url: str, body: bytes) -> parquet.ParquetFile:
        try:
            return parquet.ParquetFile(pa.BufferReader(body))
        except pa.ArrowInvalid as error:
            raise pa.ArrowInvalid(f"{url}: {error}") from error

    def conformed(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
        present = batch.schema.names
        arrays = [
            batch.column(field.name).cast(field.type) if field.name in present else pa.nulls(batch.num_rows, field.type)
            for field in columns
        ]
        return pa.record_batch(arrays, schema=columns)

    return ingest
