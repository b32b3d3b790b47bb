"""One attempt at a processed batch: what it covers, and what it finds there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pyspark.sql import SparkSession

from totelake.lake.batches import IngestedBatch, ProcessedBatch, ProcessedTable, QuarantinedRows
from totelake.tables import StarTable
from totelake.transform.star_tables import CALENDAR


@dataclass(frozen=True)
class Attempt:
    """One attempt at a processed batch.

    `known` is everything ingested, of which the batches after the first `covered` are pending; `written` is everything
    in force that was processed before. `ingested` and `processed` are the buckets. Of the rows of a table that are new,
    no more than `quarantine_share` may break its rules.
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
        """The ingested sequence up to which earlier batches covered."""
        return self.written[-1].last_ingested if self.written else 0

    @property
    def pending(self) -> tuple[IngestedBatch, ...]:
        """The ingested batches that this attempt covers."""
        return self.known[self.covered :]

    @property
    def held(self) -> Mapping[str, QuarantinedRows]:
        """The rows of each table that were held back when the last batch was committed."""
        return self.written[-1].held if self.written else {}

    @cached_property
    def changed(self) -> frozenset[str]:
        """The source tables with a row in a pending batch; the calendar changes once, before the first batch."""
        tables = {table for batch in self.pending for table in batch.tables}
        return frozenset(tables if self.written else tables | {CALENDAR})

    def address(self, path: str) -> str:
        """Return where `path` is in the processed bucket."""
        return f"s3://{self.processed}/{path}"

    def quarantine(self, table: StarTable) -> str:
        """Return the folder, below the bucket, of the rows of `table` that this attempt holds back."""
        return f"quarantine/{table.name}/batch_id={self.batch_id}/"


@dataclass(frozen=True, slots=True)
class TableResult:
    """What came of one table: `table` is None where no row was written, `held` where none is held back.

    `quarantined` counts the rows that are held back for the first time, `broken` the same by rule.
    """

    table: ProcessedTable | None = None
    held: QuarantinedRows | None = None
    quarantined: int = 0
    broken: dict[str, int] = field(default_factory=dict)
