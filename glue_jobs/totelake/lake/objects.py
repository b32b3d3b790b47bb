"""The files of a batch: batch id, paths, sizes and rows."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import boto3
import pyarrow as pa
from pyarrow import compute, parquet

from totelake.runtime.clients import READER_THREADS, Clients, s3_for_readers


def batch_id(taken_at: str, attempt_id: str) -> str:
    """Return the id of the batch that one attempt writes: the time of its snapshot, then the unique `attempt_id`.

    `taken_at` is ISO 8601 in UTC with milliseconds.
    """
    timestamp = "".join(character for character in taken_at if character.isalnum())
    return f"{timestamp}-{attempt_id}"


def table_path(table: str, batch: str) -> str:
    """Return the folder of one table in one batch, below the bucket."""
    return f"tables/{table}/batch_id={batch}/"


def files_below(bucket: str, path: str, s3: Any = None) -> dict[str, int]:
    """Return the sizes in bytes of the objects below `path`, by key relative to it; `s3` is the client, if given."""
    pages = (s3 or boto3.client("s3")).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=path)
    return {item["Key"].removeprefix(path): item["Size"] for page in pages for item in page.get("Contents", [])}


def rows_below(
    bucket: str,
    path: str,
    column: str,
    values: Iterable[Any],
    s3: Any = None,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the Parquet files below `path` whose `column` has one of `values`: all or only `columns`.

    `s3` is the client, if given.
    """
    s3, accepted = s3 or boto3.client("s3"), pa.array(list(values))
    for name in files_below(bucket, path, s3):
        body = s3.get_object(Bucket=bucket, Key=path + name)["Body"].read()
        # Arrow's threads may still run when the process exits, which then aborts although its work is complete.
        rows = parquet.ParquetFile(BytesIO(body)).read(columns, use_threads=False)
        yield from rows.filter(compute.is_in(rows[column].cast(accepted.type), accepted)).to_pylist()


def rows_below_each(
    bucket: str,
    paths: Iterable[str],
    column: str,
    values: Collection[Any],
    aws: Clients = boto3,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Yield for each of `paths`, in order, the rows that `rows_below` yields; several are read at the same time."""
    s3 = s3_for_readers(aws)
    with ThreadPoolExecutor(READER_THREADS) as readers:
        yield from readers.map(lambda path: list(rows_below(bucket, path, column, values, s3, columns=columns)), paths)


def now() -> str:
    """Return the current time in the format of commit records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
