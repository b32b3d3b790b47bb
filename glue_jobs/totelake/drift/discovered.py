"""The tables that the crawler discovered in the ingested bucket, and the batches that it must have discovered."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3

from totelake.lake import objects
from totelake.runtime.errors import CrawlError

type Schema = tuple[tuple[str, str], ...]
"""Names and Hive types of columns, in order."""


@dataclass(frozen=True, slots=True)
class DiscoveredTable:
    """A table that the crawler created: its columns at the first crawl, its partition keys, and its batches.

    `batches` are grouped by their columns; the name of a batch are the values of its partition.
    """

    columns: Schema
    partition_keys: Schema
    batches: dict[Schema, list[str]]


def tables(database: str) -> dict[str, DiscoveredTable]:
    """Return the tables of a catalog database by name; partitions are read in pages of up to 1,000."""
    glue = boto3.client("glue")
    discovered = {}
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            batches: dict[Schema, list[str]] = {}
            for partition in _partitions(glue, database, table["Name"]):
                columns = partition.get("StorageDescriptor", {}).get("Columns", [])
                batches.setdefault(_schema(columns), []).append(_batch(partition))
            columns = table.get("StorageDescriptor", {}).get("Columns", [])
            keys = _schema(table.get("PartitionKeys", []))
            discovered[table["Name"]] = DiscoveredTable(_schema(columns), keys, batches)
    return discovered


def last_crawl(crawler: str) -> datetime:
    """Return the start time of the last crawl; raise `CrawlError` when it did not succeed, or there was none."""
    last = boto3.client("glue").get_crawler(Name=crawler)["Crawler"].get("LastCrawl")
    if last is None:
        raise CrawlError(crawler, "it has not run yet")
    if last["Status"] != "SUCCEEDED":
        reason = last.get("ErrorMessage", "no error message")
        raise CrawlError(crawler, f"its last crawl ended as {last['Status']}: {reason}")
    began: datetime = last["StartTime"]
    return began


def committed(database: str, table: str, before: datetime) -> set[str]:
    """Return the batches of a declared table whose partitions were registered before a time: all are committed.

    Compacted files are not crawled: they have the rows of batches that were.
    """
    partitions = _partitions(boto3.client("glue"), database, table, ExcludeColumnSchema=True)
    batches = {_batch(partition) for partition in partitions if partition["CreationTime"] < before}
    return {batch for batch in batches if not objects.is_compaction(batch)}


def _partitions(glue: Any, database: str, table: str, **options: Any) -> Iterator[dict[str, Any]]:
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table, **options)
    return (partition for page in pages for partition in page["Partitions"])


def _batch(partition: dict[str, Any]) -> str:
    return "/".join(partition["Values"])


def _schema(columns: list[dict[str, str]]) -> Schema:
    return tuple((column["Name"], column["Type"].lower().replace(" ", "")) for column in columns)
