"""One attempt at a processed batch: the batches that it covers and builds on, and its results by table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pyspark.sql import SparkSession

from totelake.lake.batches import IngestedBatch, ProcessedBatch, ProcessedTable, QuarantinedRows
from totelake.tables import StarTable
from totelake.transform.star_tables import CALENDAR


@dataclass(frozen=True)
class TransformAttempt:
    """One attempt at a processed batch.

    `known` are all ingested batches, those after the first `covered` ones are pending; `written` are the active
    processed batches. `ingested` and `processed` are the buckets. `quarantine_share` is the fraction of the new rows of
    a table that may break its rules.
    """

    spark: SparkSession
    ingested: str
    processed: str
    batch_id: str
    known: tuple[IngestedBatch, ...]
    written: tuple[ProcessedBatch, ...]
    quarantine_share: float

    @property
    def covered(self) -> int:
        """The last ingested sequence that earlier batches cover."""
        return self.written[-1].last_ingested if self.written else 0

    @property
    def pending(self) -> tuple[IngestedBatch, ...]:
        """The ingested batches that this attempt covers."""
        return self.known[self.covered :]

    @property
    def quarantined(self) -> Mapping[str, QuarantinedRows]:
        """The quarantined rows of each table at the commit of the last batch."""
        return self.written[-1].held if self.written else {}

    @cached_property
    def changed(self) -> frozenset[str]:
        """The source tables with a row in a pending batch; the calendar changes once, before the first batch."""
        tables = {table for batch in self.pending for table in batch.tables}
        return frozenset(tables if self.written else tables | {CALENDAR})

    def url(self, path: str) -> str:
        """Return the URL of `path` in the processed bucket."""
        return f"s3://{self.processed}/{path}"

    def quarantine_path(self, table: StarTable) -> str:
        """Return the path, below the bucket, of the quarantined rows of `table`."""
        return f"quarantine/{table.name}/batch_id={self.batch_id}/"


@dataclass(frozen=True, slots=True)
class TableResult:
    """The result of one table: `table` is None if no row was written, `quarantined` if none is in quarantine.

    `newly_quarantined` is the number of rows quarantined for the first time, `broken` the same by rule.
    """

    table: ProcessedTable | None = None
    quarantined: QuarantinedRows | None = None
    newly_quarantined: int = 0
    broken: dict[str, int] = field(default_factory=dict)
