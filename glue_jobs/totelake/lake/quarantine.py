"""The rows that are held back now, as the processed zone tells without Spark."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake import objects
from totelake.lake.batches import ProcessedBatch, QuarantinedRows
from totelake.lake.commit_log import CommitLog
from totelake.runtime.clients import Clients
from totelake.tables import STAR_TABLES


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a row that is held back: the rule of `table` that the `value` of `column` breaks.

    `key` is the record's in totesys, `sequence` the ingested batch that brought it, `row` the whole row as JSON.
    """

    table: str
    key: int
    rule: str
    column: str
    value: str | None
    sequence: int
    row: str


def open_rows(bucket: str, held: QuarantinedRows, aws: Clients = boto3) -> Iterator[dict[str, Any]]:
    """Yield the lines of the set `held` of the processed `bucket` whose rows wait, one for each fault of a row."""
    return objects.rows_below(bucket, held.path, "superseded", [False], aws)


def faults(bucket: str, aws: Clients = boto3) -> list[Fault]:
    """Return the faults of all rows that the last batch of the processed `bucket` holds back, by table and key."""
    last = next(CommitLog(bucket, ProcessedBatch, aws).backwards(), None)
    found = [
        Fault(
            table,
            row[STAR_TABLES[table].natural_key[0]],
            row["rule"],
            row["column"],
            row["value"],
            row["_ingested_sequence"],
            row["row"],
        )
        for table, held in (last.held if last else {}).items()
        for row in open_rows(bucket, held, aws)
    ]
    return sorted(found, key=lambda fault: (fault.table, fault.key, fault.sequence))
