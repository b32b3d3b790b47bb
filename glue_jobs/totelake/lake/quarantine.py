"""The rows in quarantine, read from the processed zone without Spark."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.lake import parquet_files
from totelake.lake.batches import ProcessedBatch, QuarantinedRows
from totelake.lake.commit_log import CommitLog
from totelake.runtime.clients import Clients
from totelake.tables import STAR_TABLES


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """A violation by a quarantined row: the rule of `table` that the `value` of `column` breaks.

    `key` is the record's key in totesys, `sequence` the ingested batch of the row, `row` the whole row as JSON.
    """

    table: str
    key: int
    rule: str
    column: str
    value: str | None
    sequence: int
    row: str


def open_rows(bucket: str, quarantined: QuarantinedRows, aws: Clients = boto3) -> Iterator[dict[str, Any]]:
    """Yield the open lines of the set `quarantined` in the processed `bucket`, one for each violation by a row."""
    return parquet_files.rows_below(bucket, quarantined.path, ("superseded", [False]), s3=aws.client("s3"))


def violations(bucket: str, aws: Clients = boto3) -> list[RuleViolation]:
    """Return the violations by all rows in quarantine in the processed `bucket`, sorted by table and key."""
    last = next(CommitLog(bucket, ProcessedBatch, aws).backwards(), None)
    unsorted = [
        RuleViolation(
            table,
            row[STAR_TABLES[table].natural_key[0]],
            row["rule"],
            row["column"],
            row["value"],
            row["_ingested_sequence"],
            row["row"],
        )
        for table, quarantined in (last.held if last else {}).items()
        for row in open_rows(bucket, quarantined, aws)
    ]
    return sorted(unsorted, key=lambda violation: (violation.table, violation.key, violation.sequence))
