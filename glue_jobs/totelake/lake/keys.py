"""Keys of records, read from the files of a zone without Spark: for few keys."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import boto3
import pyarrow as pa

from totelake.lake import parquet_files
from totelake.lake.file_sets import FileSet
from totelake.runtime.clients import s3_for_readers
from totelake.tables import SourceTable
from totelake.tables.model import INGESTED_SEQUENCE, OPERATION

MAX_KEYS = 10_000
"""The number of keys above which Spark compares them in less time than the driver."""

MAX_FILES = 200
"""The same for the number of file sets that are read."""

MAX_BYTES = 2**29
"""The same for the size of the files."""


def values(
    s3: Any, bucket: str, sets: Iterable[FileSet], column: str, only: parquet_files.Only | None = None
) -> set[Any]:
    """Return the values, without NULL, that `column` has in the files of `sets`, in all rows or `only` some.

    `s3` is a client of `s3_for_readers`.
    """
    read = parquet_files.tables_of(s3, bucket, sets, only, columns=[column])
    found = (rows[column].unique().to_pylist() for tables in read for rows in tables if column in rows.schema.names)
    return set().union(*found) - {None}


def newest_values(s3: Any, bucket: str, sets: Sequence[FileSet], column: str, only: parquet_files.Only) -> set[Any]:
    """Return the values, without NULL, that `column` has in rows of `only`, among them each record's last version.

    Reads the `sets` of one table from the newest back until it has found a row for each value of `only`.
    """
    read = parquet_files.newest_tables(s3, bucket, sets, only, columns=list({only[0], column}))
    found = (rows[column].unique().to_pylist() for _, tables in read for rows in tables if column in rows.schema.names)
    return set().union(*found) - {None}


def alive_among(bucket: str, table: SourceTable, sets: Sequence[FileSet], keys: Collection[Any]) -> int:
    """Return how many of the `keys` of `table` existed after the batches of `sets`, all sets of the table."""
    [key] = table.key
    s3, columns = s3_for_readers(boto3), (key, OPERATION.name, INGESTED_SEQUENCE.name)
    operations: dict[Any, str] = {}
    for _, tables in parquet_files.newest_tables(s3, bucket, sets, (key, keys), columns=columns):
        for row in (row for rows in tables for row in _newest_first(rows).to_pylist()):
            operations.setdefault(row[key], row[OPERATION.name])
    return sum(operation != "D" for operation in operations.values())


def _newest_first(rows: pa.Table) -> pa.Table:
    """Return `rows` ordered by batch if they are of several."""
    several = INGESTED_SEQUENCE.name in rows.schema.names
    return rows.sort_by([(INGESTED_SEQUENCE.name, "descending")]) if several else rows
