"""The partitions of committed batches in the Glue Data Catalog.

A partition is registered after its batch has been committed, so no query ever meets half a batch. What a killed run
committed but did not register is made good by the next run, or by `register_committed`.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import Zone
from totelake.runtime.clients import Clients
from totelake.runtime.errors import CatalogError
from totelake.tables import STAR_TABLES

_AT_ONCE = 100  # BatchCreatePartition's limit
_DELETED_AT_ONCE = 25  # BatchDeletePartition's limit


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: the `values` of its keys, outermost folder first, and its folder below the table's."""

    values: tuple[str, ...]
    folder: str


def register_committed[B: (IngestedBatch, ProcessedBatch)](log: CommitLog[B], zone: Zone, aws: Clients = boto3) -> int:
    """Register the partitions of the committed batches that the catalog lacks; return how many were new.

    Batches are registered in the order of their commits, so the walk goes back from the newest one and ends at the
    first batch that is there whole. A single table that was made anew beside others is not made good by it.
    """
    new, later = 0, set[str]()
    for batch in log.backwards():
        created = register(batch, zone, later, aws)
        later |= {part.batch_id for part in _parts(batch)}
        new += created
        begins_anew = isinstance(batch, ProcessedBatch) and batch.first_ingested == 1
        if begins_anew or (not created and batch.tables):
            break
    return new


def register(
    batch: IngestedBatch | ProcessedBatch, zone: Zone, later: AbstractSet[str] = frozenset(), aws: Clients = boto3
) -> int:
    """Register the partitions of `batch` in the catalog database of `zone`; return how many were new.

    When it begins the zone anew, all others are removed, but for those of the batches `later` than it.
    """
    glue, parts = aws.client("glue"), _parts(batch)
    if isinstance(batch, ProcessedBatch) and batch.first_ingested == 1 and batch.sequence > 1:
        for table in STAR_TABLES:
            _remove_others(glue, zone.database, table, {part.batch_id for part in parts} | later)
    return sum(
        _register_table(glue, zone.database, table, partitions(part, table)) for part in parts for table in part.tables
    )


def _parts(batch: IngestedBatch | ProcessedBatch) -> tuple[IngestedBatch | ProcessedBatch, ...]:
    return batch.parts if isinstance(batch, ProcessedBatch) else (batch,)


def partitions(batch: IngestedBatch | ProcessedBatch, table: str) -> list[Partition]:
    """Return the partitions that `batch` adds to `table`."""
    folder = f"batch_id={batch.batch_id}/"
    if isinstance(batch, ProcessedBatch) and (months := batch.tables[table].months):
        return [Partition((batch.batch_id, month), f"{folder}month={month}/") for month in months]
    return [Partition((batch.batch_id,), folder)]


def _register_table(glue: Any, database: str, table: str, partitions: list[Partition]) -> int:
    storage = glue.get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    created = 0
    for some in _chunks(partitions, _AT_ONCE):
        inputs = [
            {
                "Values": list(partition.values),
                "StorageDescriptor": storage | {"Location": f"{storage['Location'].rstrip('/')}/{partition.folder}"},
            }
            for partition in some
        ]
        answer = glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=inputs)
        errors = answer.get("Errors", [])
        refused = [error for error in errors if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
        if refused:
            detail = refused[0]["ErrorDetail"]
            reason = f"{detail['ErrorCode']}: {detail.get('ErrorMessage', '')}"
            raise CatalogError(f"{database}.{table}", "/".join(refused[0]["PartitionValues"]), reason)
        created += len(some) - len(errors)
    return created


def _remove_others(glue: Any, database: str, table: str, batch_ids: AbstractSet[str]) -> None:
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, ExcludeColumnSchema=True
    )
    others = [part["Values"] for page in pages for part in page["Partitions"] if part["Values"][0] not in batch_ids]
    for some in _chunks(others, _DELETED_AT_ONCE):
        values = [{"Values": value} for value in some]
        answer = glue.batch_delete_partition(DatabaseName=database, TableName=table, PartitionsToDelete=values)
        if errors := answer.get("Errors", []):
            detail = errors[0]["ErrorDetail"]
            raise CatalogError(f"{database}.{table}", "/".join(errors[0]["PartitionValues"]), detail["ErrorCode"])


def _chunks[T](items: list[T], size: int) -> Iterable[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
