"""The keys of a source table that existed when a batch was committed, read from the ingested zone without Spark."""

from collections.abc import Collection, Iterable
from typing import Any

from totelake.lake import objects
from totelake.lake.batches import IngestedBatch
from totelake.tables import SourceTable


def alive_among(bucket: str, table: SourceTable, batches: Iterable[IngestedBatch], keys: Collection[Any]) -> int:
    """Return how many of the `keys` of `table` existed after `batches`, all batches of the ingested `bucket`.

    Reads the files of every batch with rows of the table.
    """
    [key] = table.key
    paths = [batch.tables[table.name].path for batch in batches if table.name in batch.tables]
    operations: dict[Any, str] = {}
    for rows in objects.rows_below_each(bucket, paths, key, keys, columns=(key, "_op")):
        operations |= {row[key]: row["_op"] for row in rows}
    return sum(operation != "D" for operation in operations.values())
