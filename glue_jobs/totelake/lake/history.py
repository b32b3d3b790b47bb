"""The history of a totesys record: its versions in the lake."""

from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake import objects, parquet_files
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet
from totelake.runtime.clients import Clients, s3_for_readers
from totelake.runtime.errors import UnknownTableError
from totelake.tables import RAW_LINEAGE, SOURCE_TABLES
from totelake.tables.model import COMPACTED_LINEAGE, INGESTED_SEQUENCE, OPERATION, TAKEN_AT, WRITTEN_BY


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
    sets = CommitLog(bucket, IngestedBatch, aws).live_files().of(table)
    read = parquet_files.tables_of(s3_for_readers(aws), bucket, sets, (column, [key]))
    of_sets = ((files, rows) for files, tables in zip(sets, read, strict=True) for rows in tables)
    versions = [_version(files, row) for files, rows in of_sets for row in rows.to_pylist()]
    return sorted(versions, key=lambda version: version.sequence)


def _version(files: FileSet, row: dict[str, Any]) -> RecordVersion:
    lineage = {column.name for column in (*RAW_LINEAGE, *COMPACTED_LINEAGE)}
    return RecordVersion(
        sequence=row[INGESTED_SEQUENCE.name] if files.compacted else files.first,
        batch_id=row[WRITTEN_BY.name] if files.compacted else objects.batch_of(files.path),
        seen_at=objects.as_recorded(row[TAKEN_AT.name]) if files.compacted else files.taken_at,
        deleted=row[OPERATION.name] == "D",
        values={name: value for name, value in row.items() if name not in lineage},
    )
