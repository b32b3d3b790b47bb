"""The partitions of committed batches in the Glue Data Catalog.

A partition is registered after its batch has been committed, so no query sees an incomplete batch. If a run ends
between the two, the next one registers the partitions with `register_committed`.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import Zone
from totelake.runtime.clients import Clients
from totelake.runtime.errors import CatalogError
from totelake.tables import STAR_TABLES

_CREATED_PER_CALL = 100  # BatchCreatePartition's limit
_DELETED_PER_CALL = 25  # BatchDeletePartition's limit
_TABLES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class BatchPartition:
    """One partition of a batch: the `values` of its keys, outermost folder first, and its folder below the table's."""

    values: tuple[str, ...]
    folder: str


def register_committed[B: (IngestedBatch, ProcessedBatch)](log: CommitLog[B], zone: Zone, aws: Clients = boto3) -> int:
    """Register the partitions of committed batches that the catalog lacks; return how many were created.

    Batches are registered in commit order, so the search goes back from the newest one to the first that is registered
    completely. It does not repair a single catalog table that was recreated.
    """
    total, later = 0, set[str]()
    for batch in log.backwards():
        created = register(batch, zone, later, aws)
        later |= {part.batch_id for part in _parts(batch)}
        total += created
        is_full_refresh = isinstance(batch, ProcessedBatch) and batch.is_full_refresh
        if is_full_refresh or (not created and batch.tables):
            break
    return total


def register(
    batch: IngestedBatch | ProcessedBatch, zone: Zone, later: AbstractSet[str] = frozenset(), aws: Clients = boto3
) -> int:
    """Register the partitions of `batch` in the catalog database of `zone`; return how many were created.

    A full refresh removes all other partitions, except those of the batches `later` than it.
    """
    glue, parts = aws.client("glue"), _parts(batch)
    if isinstance(batch, ProcessedBatch) and batch.is_full_refresh and batch.sequence > 1:
        for table in STAR_TABLES:
            _remove_others(glue, zone.database, table, {part.batch_id for part in parts} | later)
    tables = [(table, partitions(part, table)) for part in parts for table in part.tables]
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        return sum(pool.map(lambda each: _register_table(glue, zone.database, *each), tables))


def _parts(batch: IngestedBatch | ProcessedBatch) -> tuple[IngestedBatch | ProcessedBatch, ...]:
    return batch.parts if isinstance(batch, ProcessedBatch) else (batch,)


def partitions(batch: IngestedBatch | ProcessedBatch, table: str) -> list[BatchPartition]:
    """Return the partitions that `batch` adds to `table`."""
    folder = f"batch_id={batch.batch_id}/"
    if isinstance(batch, ProcessedBatch) and (months := batch.tables[table].months):
        return [BatchPartition((batch.batch_id, month), f"{folder}month={month}/") for month in months]
    return [BatchPartition((batch.batch_id,), folder)]


def _register_table(glue: Any, database: str, table: str, partitions: list[BatchPartition]) -> int:
    storage = glue.get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    created = 0
    for chunk in _chunks(partitions, _CREATED_PER_CALL):
        inputs = [
            {
                "Values": list(partition.values),
                "StorageDescriptor": storage | {"Location": f"{storage['Location'].rstrip('/')}/{partition.folder}"},
            }
            for partition in chunk
        ]
        response = glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=inputs)
        errors = response.get("Errors", [])
        rejected = [error for error in errors if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
        if rejected:
            detail = rejected[0]["ErrorDetail"]
            reason = f"{detail['ErrorCode']}: {detail.get('ErrorMessage', '')}"
            raise CatalogError(f"{database}.{table}", "/".join(rejected[0]["PartitionValues"]), reason)
        created += len(chunk) - len(errors)
    return created


def _remove_others(glue: Any, database: str, table: str, batch_ids: AbstractSet[str]) -> None:
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, ExcludeColumnSchema=True
    )
    others = [part["Values"] for page in pages for part in page["Partitions"] if part["Values"][0] not in batch_ids]
    for chunk in _chunks(others, _DELETED_PER_CALL):
        values = [{"Values": value} for value in chunk]
        response = glue.batch_delete_partition(DatabaseName=database, TableName=table, PartitionsToDelete=values)
        if errors := response.get("Errors", []):
            detail = errors[0]["ErrorDetail"]
            raise CatalogError(f"{database}.{table}", "/".join(errors[0]["PartitionValues"]), detail["ErrorCode"])


def _chunks[T](items: list[T], size: int) -> Iterable[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
