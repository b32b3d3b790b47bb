"""The files of a batch: batch id, paths, sizes and rows."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
from pyarrow import compute, parquet

from totelake.runtime.clients import READER_THREADS

_BATCH = "batch_id="
_ROWS_DECODED = 1_000
"""The number of rows that are decoded at once: wide texts may take little space in a file, and much in memory."""

type Only = tuple[str, Iterable[Any]]
"""A column, and the values of the rows that are wanted."""


def batch_id(taken_at: str, attempt_id: str) -> str:
    """Return the id of the batch that one attempt writes: the time of its snapshot, then the unique `attempt_id`.

    `taken_at` is ISO 8601 in UTC with milliseconds.
    """
    timestamp = "".join(character for character in taken_at if character.isalnum())
    return f"{timestamp}-{attempt_id}"


def table_path(table: str, batch: str) -> str:
    """Return the folder of one table in one batch, below the bucket."""
    return f"tables/{table}/{_BATCH}{batch}/"


def batch_of(path: str) -> str:
    """Return the batch whose folder `path` `table_path` has returned."""
    return path.rstrip("/").rpartition(_BATCH)[2]


def files_below(bucket: str, path: str, s3: Any = None) -> dict[str, int]:
    """Return the sizes in bytes of the objects below `path`, by key relative to it; `s3` is the client, if given."""
    pages = (s3 or boto3.client("s3")).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=path)
    return {item["Key"].removeprefix(path): item["Size"] for page in pages for item in page.get("Contents", [])}


def rows_below(bucket: str, path: str, only: Only, *, s3: Any = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of the Parquet files below `path` whose column has one of the values of `only`.

    `s3` is the client, if given. Raises `pyarrow.ArrowInvalid`, with the name of the file, when it is not Parquet.
    """
    s3 = s3 or boto3.client("s3")
    for name in files_below(bucket, path, s3):
        yield from _read(s3, bucket, path + name, only, None).to_pylist()


def tables_below_each(
    s3: Any, bucket: str, paths: Iterable[str], only: Only | None = None, *, columns: Sequence[str] | None = None
) -> Iterator[list[pa.Table]]:
    """Yield for each of `paths`, which are folders of one table, in order, the rows of each Parquet file below it.

    With `only`, these are the rows whose column has one of its values. `columns` are the columns to read, all by
    default; those that a file lacks are left out. `s3` is a client of `s3_for_readers`: several files are read at the
    same time.
    """
    keys = _keys_below(s3, bucket, list(paths))
    with ThreadPoolExecutor(READER_THREADS) as readers:
        yield from readers.map(lambda each: [_read(s3, bucket, key, only, columns) for key in each], keys)


def _keys_below(s3: Any, bucket: str, paths: list[str]) -> list[list[str]]:
    """Return the keys below each of `paths`, which have the same number of parts, from one listing."""
    found: dict[str, list[str]] = {path: [] for path in paths}
    if paths:
        common = os.path.commonprefix(paths)  # noqa: RUF071 - of keys, up to a character
        for name in files_below(bucket, common, s3):
            key = common + name
            folder = "/".join(key.split("/")[: paths[0].count("/")]) + "/"
            if folder in found:
                found[folder].append(key)
    return list(found.values())


def _read(s3: Any, bucket: str, key: str, only: Only | None, columns: Sequence[str] | None) -> pa.Table:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        return _rows(parquet.ParquetFile(pa.BufferReader(body)), only, columns)
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"s3://{bucket}/{key}: {error}") from error


def _rows(file: parquet.ParquetFile, only: Only | None, columns: Sequence[str] | None) -> pa.Table:
    # Arrow's threads may still run when the process exits, which then aborts although its work is complete.
    present = [name for name in columns or file.schema_arrow.names if name in file.schema_arrow.names]
    if only is None:
        return file.read(present, use_threads=False)
    column, accepted = only[0], pa.array(list(only[1]))
    if column not in file.schema_arrow.names or not len(accepted):
        return file.schema_arrow.empty_table()
    matches = compute.is_in(file.read([column], use_threads=False)[column].cast(accepted.type), accepted)
    if not compute.any(matches).as_py():  # as in most files: then no other column is read
        return file.schema_arrow.empty_table()
    found, first = [], 0
    for batch in file.iter_batches(_ROWS_DECODED, columns=present, use_threads=False):
        of_batch = matches.slice(first, batch.num_rows)
        if compute.any(of_batch).as_py():
            found.append(pa.Table.from_batches([batch]).filter(of_batch))
        first += batch.num_rows
    return pa.concat_tables(found)


def write_tables(s3: Any, bucket: str, tables: Mapping[str, pa.Table]) -> None:
    """Write each of `tables` as one Parquet file below its path, with the types that Spark's files have.

    `s3` is a client of `s3_for_readers`: several files are written at the same time.
    """

    def write(path: str, rows: pa.Table) -> None:
        body = BytesIO()
        parquet.write_table(rows, body, store_decimal_as_integer=True)
        s3.put_object(Bucket=bucket, Key=f"{path}part-{uuid4()}.snappy.parquet", Body=body.getvalue())

    with ThreadPoolExecutor(READER_THREADS) as writers:
        list(writers.map(write, tables.keys(), tables.values()))


def now() -> str:
    """Return the current time in the format of commit records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
