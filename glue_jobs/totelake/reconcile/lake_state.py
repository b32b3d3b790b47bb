"""The state of single records in the lake: their last ingested version, and which are in quarantine."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pyarrow as pa

from totelake.lake import parquet_files, quarantine
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime.clients import s3_for_readers
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.model import INGESTED_SEQUENCE, OPERATION, SOURCE_VERSION


@dataclass(frozen=True, slots=True)
class IngestedState:
    """The last ingested version of a record, and whether it is a tombstone."""

    is_tombstone: bool
    version: int


def last_ingested(bucket: str, table: str, keys: Collection[int], up_to: int) -> dict[int, IngestedState]:
    """Return the last ingested versions of the records of a source table with these `keys`, up to the batch `up_to`.

    `bucket` is the ingested one.
    """
    [key] = SOURCE_TABLES[table].key
    sets = [files for files in CommitLog(bucket, IngestedBatch).live_files().of(table) if files.first <= up_to]
    columns = (key, OPERATION.name, SOURCE_VERSION.name, INGESTED_SEQUENCE.name)
    read = parquet_files.tables_of(s3_for_readers(boto3), bucket, sets, (key, keys), columns=columns)
    last: dict[int, tuple[int, IngestedState]] = {}
    for files, row in ((files, row) for files, tables in zip(sets, read, strict=True) for row in _rows(tables)):
        sequence = row.get(INGESTED_SEQUENCE.name, files.first)
        if sequence <= up_to and sequence > last.get(row[key], (0,))[0]:
            last[row[key]] = sequence, IngestedState(row[OPERATION.name] == "D", row[SOURCE_VERSION.name])
    return {key: state for key, (_, state) in last.items()}


def _rows(tables: list[pa.Table]) -> Iterator[dict[str, Any]]:
    return (row for table in tables for row in table.to_pylist())


def quarantined_keys(bucket: str, batch: ProcessedBatch) -> dict[str, frozenset[int]]:
    """Return for each star table the keys of the records that are in quarantine after `batch`.

    `bucket` is the processed one.
    """
    return {
        table: frozenset(row[STAR_TABLES[table].natural_key[0]] for row in quarantine.open_rows(bucket, rows))
        for table, rows in batch.held.items()
    }
