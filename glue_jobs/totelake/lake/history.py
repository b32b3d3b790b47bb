"""The history of a totesys record: its versions in the lake."""

from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake import objects
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime.clients import Clients, s3_for_readers
from totelake.runtime.errors import UnknownTableError
from totelake.tables import RAW_LINEAGE, SOURCE_TABLES


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """A version of a record from the ingested batch `sequence`; of a `deleted` record, its last version."""

    sequence: int
    batch_id: str
    seen_at: str
    deleted: bool
    values: dict[str, Any]


def versions(bucket: str, table: str, key: int, aws: Clients = boto3) -> list[RecordVersion]:
    """Return the versions of the record `key` of the source `table` in the ingested `bucket`, the oldest first.

    Raises `UnknownTableError` when no such table is ingested.
    """
    if table not in SOURCE_TABLES:
        raise UnknownTableError(table, SOURCE_TABLES)
    [column] = SOURCE_TABLES[table].key
    batches = [batch for batch in CommitLog(bucket, IngestedBatch, aws).since(0) if table in batch.tables]
    paths = [batch.tables[table].path for batch in batches]
    read = objects.tables_below_each(s3_for_readers(aws), bucket, paths, (column, [key]))
    of_batches = ((batch, rows) for batch, tables in zip(batches, read, strict=True) for rows in tables)
    return [_version(batch, row) for batch, rows in of_batches for row in rows.to_pylist()]


def _version(batch: IngestedBatch, row: dict[str, Any]) -> RecordVersion:
    lineage = {column.name for column in RAW_LINEAGE}
    return RecordVersion(
        sequence=batch.sequence,
        batch_id=batch.batch_id,
        seen_at=batch.snapshot.taken_at,
        deleted=row["_op"] == "D",
        values={name: value for name, value in row.items() if name not in lineage},
    )
