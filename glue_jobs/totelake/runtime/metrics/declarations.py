"""The custom metrics of the platform, in the CloudWatch namespace `Totelake`.

To CloudWatch the same name with other dimensions is another metric, and an alarm cannot add metrics up. So a metric per
table is also published as the total that alarms use.
"""

from dataclasses import dataclass

NAMESPACE = "Totelake"
STAGES = ("ingest", "transform", "load", "reconcile", "drift", "compact", "verify")
STAGE = "Stage"

SUM, GAUGE = ("Sum",), ("Maximum", "Minimum", "Average")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that `stages` publish for each combination of `dimensions`, in the CloudWatch `unit`.

    `statistics` are the meaningful ones. With `total`, the sum is published under these dimensions too.
    """

    name: str
    unit: str
    dimensions: tuple[str, ...]
    statistics: tuple[str, ...]
    description: str
    stages: tuple[str, ...] = STAGES
    total: tuple[str, ...] | None = None

    @property
    def own_dimensions(self) -> tuple[str, ...]:
        """The dimensions other than the stage."""
        return tuple(name for name in self.dimensions if name != STAGE)

    @property
    def dimension_sets(self) -> tuple[tuple[str, ...], ...]:
        """All combinations of dimensions under which it is published."""
        return (self.dimensions,) if self.total is None else (self.dimensions, self.total)


ROWS_IN = Metric(
    "RowsIn",
    "Count",
    (STAGE, "Table"),
    SUM,
    "Rows that a stage read: changed in totesys, in ingested or processed batches, compared by reconcile.",
    stages=("ingest", "transform", "load", "reconcile"),
    total=(STAGE,),
)
ROWS_OUT = Metric(
    "RowsOut",
    "Count",
    (STAGE, "Table"),
    SUM,
    "Rows that a stage wrote: into a zone of the lake, or inserted or changed in the warehouse.",
    stages=("ingest", "transform", "load"),
    total=(STAGE,),
)
BYTES = Metric(
    "Bytes",
    "Bytes",
    (STAGE,),
    SUM,
    "Bytes of Parquet that ingest and transform wrote, and that the load read.",
    stages=("ingest", "transform", "load"),
)
SECONDS = Metric("Seconds", "Seconds", (STAGE,), GAUGE, "Duration of a stage that completed.")
HEARTBEAT = Metric("Heartbeat", "Count", (STAGE,), SUM, "One for each run of a stage that completed.")
NEWEST_CHANGE = Metric(
    "AgeOfNewestChange",
    "Seconds",
    (),
    GAUGE,
    "From the highest last_updated in the last batch to the ingest's snapshot; grows while totesys does not change.",
    stages=("ingest",),
)
WAREHOUSE_AGE = Metric(
    "WarehouseAge",
    "Seconds",
    (),
    GAUGE,
    "Age of the totesys snapshot that the warehouse shows, at the end of a load.",
    stages=("load",),
)
QUARANTINED_ROWS = Metric(
    "QuarantinedRows",
    "Count",
    ("Table", "Rule"),
    SUM,
    "Rows quarantined for the first time; one that breaks two rules counts for both.",
    stages=("transform",),
    total=(),
)
HELD_ROWS = Metric("HeldRows", "Count", (), GAUGE, "Rows in quarantine after a transform.", stages=("transform",))
RECONCILE_DIFFERENCES = Metric(
    "ReconcileDifferences",
    "Count",
    ("Table",),
    SUM,
    "Records that differ between the warehouse and totesys, and that no pending batch explains.",
    stages=("reconcile",),
    total=(),
)
RECONCILE_EXPLAINED = Metric(
    "ReconcileExplained",
    "Count",
    ("Table",),
    SUM,
    "Records that differ because a later run will load them.",
    stages=("reconcile",),
    total=(),
)
DRIFT_DIFFERENCES = Metric(
    "DriftDifferences",
    "Count",
    (),
    SUM,
    "Differences between the schemas that the crawler found in the lake and the declared ones, without accepted ones.",
    stages=("drift",),
)

UNCOMPACTED_BATCHES = Metric(
    "UncompactedBatches",
    "Count",
    (),
    GAUGE,
    "Batches of the processed zone that no compaction has merged yet, of the table with most of them.",
    stages=("transform",),
)
COMPACTION_AGE = Metric(
    "CompactionAge",
    "Seconds",
    (),
    GAUGE,
    "Since the last compaction of the processed zone that merged batches; before the first, age of the oldest batch.",
    stages=("transform",),
)
LIVE_FILES = Metric(
    "LiveFiles",
    "Count",
    ("Table",),
    GAUGE,
    "Files of the lake that have the rows of a table, after a compaction.",
    stages=("compact",),
    total=(),
)
LIVE_PARTITIONS = Metric(
    "LivePartitions",
    "Count",
    ("Table",),
    GAUGE,
    "Partitions of a table, after a compaction.",
    stages=("compact",),
    total=(),
)
FILE_BYTES = Metric(
    "AverageFileBytes",
    "Bytes",
    ("Table",),
    GAUGE,
    "Average size of the live files of a table, after a compaction.",
    stages=("compact",),
)

LAKE_FAULTS = Metric(
    "LakeFaults",
    "Count",
    (),
    SUM,
    "Objects and partitions of the lake that are missing, altered or superfluous.",
    stages=("verify",),
)

METRICS = (
    ROWS_IN,
    ROWS_OUT,
    BYTES,
    SECONDS,
    HEARTBEAT,
    NEWEST_CHANGE,
    WAREHOUSE_AGE,
    QUARANTINED_ROWS,
    HELD_ROWS,
    RECONCILE_DIFFERENCES,
    RECONCILE_EXPLAINED,
    DRIFT_DIFFERENCES,
    UNCOMPACTED_BATCHES,
    COMPACTION_AGE,
    LIVE_FILES,
    LIVE_PARTITIONS,
    FILE_BYTES,
    LAKE_FAULTS,
)
