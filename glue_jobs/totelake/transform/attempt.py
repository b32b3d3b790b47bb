"""One attempt at a processed batch: the batches that it covers and builds on, and its results by table."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from totelake.lake import keys
from totelake.lake.batches import IngestedBatch, ProcessedBatch, ProcessedTable, QuarantinedRows
from totelake.lake.scan import DriverScan, Scan, are_few, local_frame
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.transform.star_tables import CALENDAR, TRANSFORMS


def _were_text(batch: IngestedBatch) -> bool:
    """Return whether `batch` stores a column as text that is declared now."""
    return any(
        name in SOURCE_TABLES and not set(table.undeclared).isdisjoint(SOURCE_TABLES[name].column_names)
        for name, table in batch.tables.items()
    )


@dataclass(frozen=True)
class TransformAttempt:
    """One attempt at a processed batch.

    `known` are all ingested batches, those after the first `covered` ones are pending; `written` are the active
    processed batches. `ingested` and `processed` are the buckets. `quarantine_share` is the fraction of the new rows of
    a table that may break its rules. `s3` is a client of `s3_for_readers`. With `spark_only`, Spark's tasks read and
    write the files, however few the rows.
    """

    spark: SparkSession
    ingested: str
    processed: str
    batch_id: str
    known: tuple[IngestedBatch, ...]
    written: tuple[ProcessedBatch, ...]
    quarantine_share: float
    s3: Any
    spark_only: bool = False

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

    @cached_property
    def has_few_rows(self) -> bool:
        """Whether the rows are so few that the driver reads and writes the files in less time than Spark's tasks.

        The files of early batches, which have duplicate keys or undeclared columns as text, are left to Spark.
        """
        rows: Counter[str] = Counter()
        for name, held in self.quarantined.items():
            rows.update({STAR_TABLES[name].source: held.rows})
        for batch in self.pending:
            rows.update({name: table.rows for name, table in batch.tables.items()})
        return (
            not self.spark_only
            and self.fit_driver(rows)
            and len(self.known) <= keys.MAX_FILES
            and self._bytes_of_dimensions <= keys.MAX_BYTES
            and all(batch.identities and not _were_text(batch) for batch in self.known)
        )

    def fit_driver(self, rows: Mapping[str, int]) -> bool:
        """Return whether so many `rows` of each source table are few and small enough for the driver."""
        return are_few(rows, self.known[-1].widest)

    @property
    def _bytes_of_dimensions(self) -> int:
        """The size of the files of the dimensions and their sources, of which the driver reads the keys."""
        dimensions = [transform for transform in TRANSFORMS.values() if not STAR_TABLES[transform.table].is_fact]
        names = {name for transform in dimensions for name in (transform.table, *transform.sources)}
        batches: tuple[IngestedBatch | ProcessedBatch, ...] = (*self.known, *self.written)
        return sum(batch.tables[name].bytes for batch in batches for name in names & batch.tables.keys())

    def rows(self, table: StarTable) -> int:
        """Return the number of pending rows of the source of `table`."""
        return sum(batch.tables[table.source].rows for batch in self.pending if table.source in batch.tables)

    def scan_ingested(self, key: str = "", values: Collection[Any] = ()) -> Scan:
        """Return the reader of the ingested bucket; of few rows it reads those whose `key` has one of `values`."""
        return self._scan(self.ingested, key, values)

    def scan_processed(self, key: str = "", values: Collection[Any] = ()) -> Scan:
        """Return the same for the processed bucket."""
        return self._scan(self.processed, key, values)

    def _scan(self, bucket: str, key: str, values: Collection[Any]) -> Scan:
        return DriverScan(self.spark, bucket, self.s3, key, values) if self.has_few_rows else Scan(self.spark, bucket)

    def computed(self, rows: DataFrame) -> DataFrame:
        """Return `rows` computed now or on first use, and then kept: in the driver if they are few, or on disk."""
        if self.has_few_rows:
            return local_frame(self.spark, rows.toArrow(), rows.schema)
        return rows.persist(StorageLevel.DISK_ONLY)

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
