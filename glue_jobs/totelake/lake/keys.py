"""Keys of records, read from the files of a zone without Spark: for few keys."""

from collections.abc import Collection, Iterable
from typing import Any

import boto3

from totelake.lake import objects
from totelake.lake.batches import IngestedBatch
from totelake.runtime.clients import s3_for_readers
from totelake.tables import SourceTable

MAX_KEYS = 10_000
"""The number of keys above which Spark compares them in less time than the driver."""

MAX_FILES = 200
"""The same for the number of batches whose files are read."""

MAX_BYTES = 2**29
"""The same for the size of the files."""


def values(s3: Any, bucket: str, paths: Iterable[str], column: str, only: objects.Only | None = None) -> set[Any]:
    """Return the values, without NULL, that `column` has in the files below `paths`, in all rows or `only` some.

    `s3` is a client of `s3_for_readers`.
    """
    read = objects.tables_below_each(s3, bucket, paths, only, columns=[column])
    found = (rows[column].unique().to_pylist() for tables in read for rows in tables if column in rows.schema.names)
    return set().union(*found) - {None}


def alive_among(bucket: str, table: SourceTable, batches: Iterable[IngestedBatch], keys: Collection[Any]) -> int:
    """Return how many of the `keys` of `table` existed after `batches`, all batches of the ingested `bucket`.

    Reads the files of every batch with rows of the table.
    """
    [key] = table.key
    paths = [batch.tables[table.name].path for batch in batches if table.name in batch.tables]
    operations: dict[Any, str] = {}
    for tables in objects.tables_below_each(s3_for_readers(boto3), bucket, paths, (key, keys), columns=(key, "_op")):
        operations |= {row[key]: row["_op"] for rows in tables for row in rows.to_pylist()}
    return sum(operation != "D" for operation in operations.values())
