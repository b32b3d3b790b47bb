"""Every metric of the platform's own, in CloudWatch's namespace `Totelake`.

CloudWatch takes a name with other dimensions for another metric, and alarms cannot add metrics up. So what is told for
each table is also told as the sum that alarms look at.
"""

from dataclasses import dataclass

NAMESPACE = "Totelake"
STAGES = ("ingest", "transform", "load", "reconcile", "drift")
STAGE = "Stage"

SUM, GAUGE = ("Sum",), ("Maximum", "Minimum", "Average")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that `stages` publish for each combination of `dimensions`, in `unit`, a word of CloudWatch's.

    `statistics` are those that mean something. Where there is a `total`, the sum goes out under these dimensions too.
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
        """The dimensions that tell its figures within a stage apart."""
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
    "Rows that a stage had to deal with: changed in totesys, in ingested or processed batches, compared by reconcile.",
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
SECONDS = Metric("Seconds", "Seconds", (STAGE,), GAUGE, "How long a stage took that came to its end.")
HEARTBEAT = Metric("Heartbeat", "Count", (STAGE,), SUM, "One for each run of a stage that came to its end.")
NEWEST_CHANGE = Metric(
    "AgeOfNewestChange",
    "Seconds",
    (),
    GAUGE,
    "From the highest last_updated that the last batch saw to the ingest's snapshot; grows while totesys is quiet.",
    stages=("ingest",),
)
WAREHOUSE_AGE = Metric(
    "WarehouseAge",
    "Seconds",
    (),
    GAUGE,
    "How long ago, when a load ended, the moment of totesys was that the warehouse is complete up to.",
    stages=("load",),
)
QUARANTINED_ROWS = Metric(
    "QuarantinedRows",
    "Count",
    ("Table", "Rule"),
    SUM,
    "Rows that were held back for the first time; one that breaks two rules counts for both.",
    stages=("transform",),
    total=(),
)
HELD_ROWS = Metric(
    "HeldRows", "Count", (), GAUGE, "Rows that wait in quarantine, after a transform.", stages=("transform",)
)
RECONCILE_DIFFERENCES = Metric(
    "ReconcileDifferences",
    "Count",
    ("Table",),
    SUM,
    "Records that the warehouse shows otherwise than totesys, and no run to come explains.",
    stages=("reconcile",),
    total=(),
)
RECONCILE_EXPLAINED = Metric(
    "ReconcileExplained",
    "Count",
    ("Table",),
    SUM,
    "Records that differ because a run to come brings them.",
    stages=("reconcile",),
    total=(),
)
DRIFT_DIFFERENCES = Metric(
    "DriftDifferences",
    "Count",
    (),
    SUM,
    "Differences between what the crawler found in the lake and what is declared, the accepted ones left out.",
    stages=("drift",),
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
)
