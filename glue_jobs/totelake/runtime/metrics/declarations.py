"""The custom metrics of the platform, in the CloudWatch namespace `Totelake`.

To CloudWatch the same name with other dimensions is another metric, which is billed: only what an alarm or a graph uses
is published. The figures of each table are in the logs of the jobs. An alarm cannot add metrics up, so quarantined rows
are also published as the total that it uses.
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


ROWS_OUT = Metric(
    "RowsOut",
    "Count",
    (STAGE,),
    SUM,
    "Rows that a stage wrote: into a zone of the lake, or inserted or changed in the warehouse.",
    stages=("ingest", "transform", "load"),
)
BYTES = Metric(
    "Bytes",
    "Bytes",
    (STAGE,),
    SUM,
    "Bytes of Parquet that a stage wrote.",
    stages=("ingest", "transform"),
)
SECONDS = Metric(
    "Seconds",
    "Seconds",
    (STAGE,),
    (*GAUGE, "SampleCount"),
    "Duration of a stage that completed; the number of its values is that of the completed runs.",
)
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
    (),
    SUM,
    "Records that differ between the warehouse and totesys, and that no pending batch explains.",
    stages=("reconcile",),
)
RECONCILE_EXPLAINED = Metric(
    "ReconcileExplained",
    "Count",
    (),
    SUM,
    "Records that differ because a later run will load them.",
    stages=("reconcile",),
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
    (),
    GAUGE,
    "Files of the lake that have the rows of its tables, after a compaction.",
    stages=("compact",),
)
LIVE_PARTITIONS = Metric(
    "LivePartitions",
    "Count",
    (),
    GAUGE,
    "Partitions of the lake's tables, after a compaction.",
    stages=("compact",),
)
FILE_BYTES = Metric(
    "AverageFileBytes",
    "Bytes",
    (),
    GAUGE,
    "Average size of the live files of the lake, after a compaction.",
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
    ROWS_OUT,
    BYTES,
    SECONDS,
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
