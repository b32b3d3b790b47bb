"""The partitions of committed batches in the Glue Data Catalog.

A partition is registered after its batch has been committed, so no query sees an incomplete batch. If a run ends
between the two, the next one registers the partitions with `register_committed`.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake import objects
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.lake.zones import Zone
from totelake.runtime.clients import Clients
from totelake.runtime.errors import CatalogError
from totelake.tables import STAR_TABLES

_CREATED_PER_CALL = 100  # BatchCreatePartition's limit
_DELETED_PER_CALL = 25  # BatchDeletePartition's limit
_TABLES_AT_ONCE = 4
_NOT_FOUND = "EntityNotFoundException"


@dataclass(frozen=True, slots=True)
class BatchPartition:
    """One partition of a batch: the `values` of its keys, outermost folder first, and its folder below the table's."""

    values: tuple[str, ...]
    folder: str


def register_committed[B: (IngestedBatch, ProcessedBatch)](log: CommitLog[B], zone: Zone, aws: Clients = boto3) -> int:
    """Register the partitions of committed batches that the catalog lacks; return how many were created.

    A run registers those of all earlier batches before it commits, so only if the newest one lacks some are others
    missing. It does not repair a single catalog table that was recreated.
    """
    files = log.live_files()
    newest = next((batch for batch in log.backwards() if batch.tables or batch.is_full_refresh), None)
    created = register(newest, zone, files, aws) if newest else 0
    return created + create(zone, files.tables, aws) if created else 0


def register(batch: IngestedBatch | ProcessedBatch, zone: Zone, files: LiveFiles, aws: Clients = boto3) -> int:
    """Register those partitions of `batch` in the catalog database of `zone` that are live; return how many were new.

    `files` are the live files of the zone. After a full refresh all other partitions are removed.
    """
    if batch.is_full_refresh and batch.sequence > 1:
        for table in STAR_TABLES:
            remove_others(zone, table, partitions(zone, table, aws), files.of(table), aws)
    added = batch.file_sets
    return create(zone, {name: [each for each in added[name] if each in files.of(name)] for name in added}, aws)


def create(zone: Zone, tables: Mapping[str, Iterable[FileSet]], aws: Clients = boto3) -> int:
    """Create the partitions of the file sets of each of `tables`; return how many did not exist."""
    glue = aws.client("glue")
    partitions = {table: [each for files in sets for each in partitions_of(files)] for table, sets in tables.items()}
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        return sum(
            pool.map(
                lambda table: _create(glue, zone.database, table, partitions[table]), filter(partitions.get, tables)
            )
        )


def partitions(zone: Zone, table: str, aws: Clients = boto3) -> list[list[str]]:
    """Return the values of the registered partitions of `table`."""
    pages = (
        aws.client("glue")
        .get_paginator("get_partitions")
        .paginate(DatabaseName=zone.database, TableName=table, ExcludeColumnSchema=True)
    )
    return [part["Values"] for page in pages for part in page["Partitions"]]


def remove_others(
    zone: Zone, table: str, registered: list[list[str]], files: Iterable[FileSet], aws: Clients = boto3
) -> None:
    """Remove those of the `registered` partitions of `table` that none of its live `files` has."""
    glue, live = aws.client("glue"), {part.values for each in files for part in partitions_of(each)}
    others = [values for values in registered if tuple(values) not in live]
    for chunk in _chunks(others, _DELETED_PER_CALL):
        values = [{"Values": value} for value in chunk]
        response = glue.batch_delete_partition(DatabaseName=zone.database, TableName=table, PartitionsToDelete=values)
        # Another run may have removed it meanwhile.
        errors = [each for each in response.get("Errors", []) if each["ErrorDetail"]["ErrorCode"] != _NOT_FOUND]
        if errors:
            detail = errors[0]["ErrorDetail"]
            raise CatalogError(f"{zone.database}.{table}", "/".join(errors[0]["PartitionValues"]), detail["ErrorCode"])


def partitions_of(files: FileSet) -> list[BatchPartition]:
    """Return the partitions of the table of `files` that these are."""
    batch_id = objects.batch_of(files.path)
    folder = f"batch_id={batch_id}/"
    if files.months:
        return [BatchPartition((batch_id, month), f"{folder}month={month}/") for month in files.months]
    return [BatchPartition((batch_id,), folder)]


def _create(glue: Any, database: str, table: str, partitions: list[BatchPartition]) -> int:
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


def _chunks[T](items: list[T], size: int) -> Iterable[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
