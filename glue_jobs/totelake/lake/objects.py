"""The files of a batch: batch id, paths, listing and writing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
from pyarrow import parquet

from totelake.lake.file_sets import DataFile, FileSet
from totelake.runtime.clients import READER_THREADS

_BATCH = "batch_id="
_COMPACTED = "-compacted"
_TIME_IN_ID = "%Y%m%dT%H%M%S%fZ"
_ROWS_PER_GROUP = 16_384
"""The number of rows after which a file has a new row group: readers of few rows skip the others."""


def batch_id(taken_at: str, attempt_id: str) -> str:
    """Return the id of the batch that one attempt writes: the time of its snapshot, then the unique `attempt_id`.

    `taken_at` is ISO 8601 in UTC with milliseconds.
    """
    timestamp = "".join(character for character in taken_at if character.isalnum())
    return f"{timestamp}-{attempt_id}"


def compaction_id(written_at: str, attempt_id: str) -> str:
    """Return the id of the compaction of one attempt, in the place of a batch id in the paths of its files."""
    return batch_id(written_at, attempt_id) + _COMPACTED


def written_at(batch: str) -> datetime:
    """Return the time in a batch id or the id of a compaction."""
    return datetime.strptime(batch.partition("-")[0], _TIME_IN_ID).replace(tzinfo=UTC)


def is_compaction(batch: str) -> bool:
    """Return whether `compaction_id` has returned the batch id `batch`."""
    return batch.endswith(_COMPACTED)


def table_path(table: str, batch: str) -> str:
    """Return the folder of one table in one batch, below the bucket."""
    return f"tables/{table}/{_BATCH}{batch}/"


def batch_of(path: str) -> str:
    """Return the batch whose folder `path` `table_path` has returned."""
    return path.rstrip("/").rpartition(_BATCH)[2]


def files_below(bucket: str, path: str, s3: Any = None) -> tuple[DataFile, ...]:
    """Return the objects below `path`, with their names relative to it; `s3` is the client, if given.

    Empty objects are left out: S3A's directory markers, which no reader of Parquet accepts as a file.
    """
    pages = (s3 or boto3.client("s3")).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=path)
    return tuple(
        DataFile(item["Key"].removeprefix(path), item["Size"], item["ETag"].strip('"'))
        for page in pages
        for item in page.get("Contents", [])
        if item["Size"] and not item["Key"].endswith("/")
    )


def files_of(bucket: str, files: FileSet, s3: Any = None) -> tuple[DataFile, ...]:
    """Return the objects of the set `files`: as recorded, or for a batch of an early version as listed."""
    return files.files or files_below(bucket, files.path, s3)


def write_tables(s3: Any, bucket: str, path: str, tables: Mapping[str, pa.Table]) -> tuple[DataFile, ...]:
    """Write each of `tables` as one Parquet file in its folder below `path`, with the types that Spark's files have.

    `s3` is a client of `s3_for_readers`: several files are written at the same time. Returns the files.
    """

    def write(folder: str, rows: pa.Table) -> DataFile:
        body = BytesIO()
        parquet.write_table(rows, body, store_decimal_as_integer=True, row_group_size=_ROWS_PER_GROUP)
        name = f"{folder}part-{uuid4()}.snappy.parquet"
        written = s3.put_object(Bucket=bucket, Key=path + name, Body=body.getvalue())
        return DataFile(name, body.tell(), written["ETag"].strip('"'))

    with ThreadPoolExecutor(READER_THREADS) as writers:
        return tuple(writers.map(write, tables.keys(), tables.values()))


def now() -> str:
    """Return the current time in the format of commit records."""
    return as_recorded(datetime.now(UTC).replace(tzinfo=None))


def as_recorded(time: datetime) -> str:
    """Return `time`, which is in UTC and has no time zone, in the format of commit records."""
    return f"{time.isoformat(timespec='milliseconds')}Z"
