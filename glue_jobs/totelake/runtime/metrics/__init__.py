"""The custom CloudWatch metrics of the platform: each declared once, and published by the stages."""

from totelake.runtime.metrics.declarations import (
    BYTES,
    DRIFT_DIFFERENCES,
    HEARTBEAT,
    HELD_ROWS,
    METRICS,
    NAMESPACE,
    NEWEST_CHANGE,
    QUARANTINED_ROWS,
    RECONCILE_DIFFERENCES,
    RECONCILE_EXPLAINED,
    ROWS_IN,
    ROWS_OUT,
    SECONDS,
    STAGES,
    WAREHOUSE_AGE,
    Metric,
)
from totelake.runtime.metrics.publication import StageMetrics, count, stage

__all__ = [
    "BYTES",
    "DRIFT_DIFFERENCES",
    "HEARTBEAT",
    "HELD_ROWS",
    "METRICS",
    "NAMESPACE",
    "NEWEST_CHANGE",
    "QUARANTINED_ROWS",
    "RECONCILE_DIFFERENCES",
    "RECONCILE_EXPLAINED",
    "ROWS_IN",
    "ROWS_OUT",
    "SECONDS",
    "STAGES",
    "WAREHOUSE_AGE",
    "Metric",
    "StageMetrics",
    "count",
    "stage",
]
