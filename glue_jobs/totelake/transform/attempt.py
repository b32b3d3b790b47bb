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
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.lake.scan import DriverScan, Scan, are_few, local_frame
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.transform.star_tables import CALENDAR, TRANSFORMS


@dataclass(frozen=True)
class TransformAttempt:
    """One attempt at a processed batch.

    `sources` are the files of all ingested batches that it covers and of those before, `pending` the batches that it
    covers, at least one; `written` are the files of the active processed batches, `previous` is the last of these.
    `ingested` and `processed` are the buckets. `quarantine_share` is the fraction of the new rows of a table that may
    break its rules. `s3` is a client of `s3_for_readers`. With `spark_only`, Spark's tasks read and write the files,
    however few the rows.
    """

    spark: SparkSession
    ingested: str
    processed: str
    batch_id: str
    sources: LiveFiles
    pending: tuple[IngestedBatch, ...]
    written: LiveFiles
    previous: ProcessedBatch | None
    quarantine_share: float
    s3: Any
    spark_only: bool = False

    @property
    def covered(self) -> int:
        """The last ingested sequence that earlier batches cover."""
        return self.previous.last_ingested if self.previous else 0

    @cached_property
    def pending_files(self) -> LiveFiles:
        """The files of the pending batches."""
        return LiveFiles().after(self.pending)

    @property
    def quarantined(self) -> Mapping[str, QuarantinedRows]:
        """The quarantined rows of each table at the commit of the last batch."""
        return self.previous.held if self.previous else {}

    @cached_property
    def changed(self) -> frozenset[str]:
        """The source tables with a row in a pending batch; the calendar changes once, before the first batch."""
        tables = {table for batch in self.pending for table in batch.tables}
        return frozenset(tables if self.previous else tables | {CALENDAR})

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
            and all(len(sets) <= keys.MAX_FILES for sets in self._sets_of_dimensions)
            and sum(files.bytes for sets in self._sets_of_dimensions for files in sets) <= keys.MAX_BYTES
            and all(
                files.keys_checked and set(files.undeclared).isdisjoint(table.column_names)
                for name, table in SOURCE_TABLES.items()
                for files in self.sources.of(name)
            )
        )

    def fit_driver(self, rows: Mapping[str, int]) -> bool:
        """Return whether so many `rows` of each source table are few and small enough for the driver."""
        return are_few(rows, self.pending[-1].widest)

    @cached_property
    def _sets_of_dimensions(self) -> list[tuple[FileSet, ...]]:
        """The file sets of the dimensions and their sources, of which the driver reads the keys."""
        dimensions = [transform for transform in TRANSFORMS.values() if not STAR_TABLES[transform.table].is_fact]
        sources = {name for transform in dimensions for name in transform.sources}
        written = (self.written.of(transform.table) for transform in dimensions)
        return [*(self.sources.of(name) for name in sources), *written]

    def rows(self, table: StarTable) -> int:
        """Return the number of pending rows of the source of `table`."""
        return sum(batch.tables[table.source].rows for batch in self.pending if table.source in batch.tables)

    def scan_ingested(self, key: str = "", values: Collection[Any] = (), *, newest: bool = False) -> Scan:
        """Return the reader of the ingested bucket; of few rows it reads those whose `key` has one of `values`.

        With `newest` it may leave out all but the last version of each.
        """
        return self._scan(self.ingested, key, values, newest=newest)

    def scan_processed(self, key: str = "", values: Collection[Any] = (), *, newest: bool = False) -> Scan:
        """Return the same for the processed bucket."""
        return self._scan(self.processed, key, values, newest=newest)

    def _scan(self, bucket: str, key: str, values: Collection[Any], *, newest: bool) -> Scan:
        if not self.has_few_rows:
            return Scan(self.spark, bucket)
        return DriverScan(self.spark, bucket, self.s3, key, values, newest)

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
