"""The quarantine: rows that are not loaded because they break a rule of their table.

A batch that checks a table writes its complete quarantine, one line per violation by a row: the natural key, `rule`,
`column`, `value`, `_ingested_sequence`, the row as JSON, and `superseded`: whether a later version of the record has
replaced it. Other lines are open. The commit record has the path of the files.
"""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import QuarantinedRows
from totelake.lake.versions import SEQUENCE, is_deleted
from totelake.runtime.errors import QuarantineError
from totelake.tables import StarTable
from totelake.tables.lineage import LOOKUPS
from totelake.transform.attempt import TransformAttempt
from totelake.transform.rules import BROKEN, breaks_rules

SUPERSEDED = "superseded"
IS_OPEN = "_is_open"
DEFAULT_SHARE = 0.1
# This many rows are quarantined whatever their share: in a batch of two rows one is half of them.
ALWAYS_QUARANTINED = 10
_EXAMPLES = 3


def lines(broken: DataFrame, table: StarTable) -> DataFrame:
    """Return the quarantine lines of the checked rows `broken`, which have the column `superseded`."""
    row = _as_json(table).alias("row")
    return broken.select(*table.natural_key, F.explode(BROKEN).alias("violation"), SEQUENCE, row, SUPERSEDED).select(
        *table.natural_key, "violation.rule", "violation.column", "violation.value", SEQUENCE, "row", SUPERSEDED
    )


def mark_open(checked: DataFrame, open_lines: DataFrame, table: StarTable) -> DataFrame:
    """Return the `checked` rows of a dimension with the column `_is_open`: whether a row is among the `open_lines`.

    Such a row keeps the sequence of its original batch when it is checked again.
    """
    since = open_lines.select(*table.key, F.col("row").alias("_row"), F.col(SEQUENCE).alias("_since")).distinct()
    rows = checked.withColumn("_row", _as_json(table)).join(since, [*table.key, "_row"], "left")
    is_open = breaks_rules() & ~is_deleted() & F.col("_since").isNotNull()
    sequence = F.when(F.col(IS_OPEN), F.col("_since")).otherwise(F.col(SEQUENCE))
    return rows.withColumn(IS_OPEN, is_open).withColumn(SEQUENCE, sequence).drop("_row", "_since")


def _as_json(table: StarTable) -> Column:
    """Return the whole row as JSON: the columns of the star and the foreign keys of its lookups."""
    looked_up = (lookup.reference.column.name for lookup in LOOKUPS[table.name])
    names = dict.fromkeys((*(column.name for column in table.columns), *looked_up))
    return F.to_json(F.struct(*map(F.col, names)))


def write(lines: DataFrame, attempt: TransformAttempt, table: StarTable) -> QuarantinedRows | None:
    """Write `lines` as the complete quarantine of `table`; return its open rows, None if there are none."""
    path = attempt.quarantine_path(table)
    lines.coalesce(1).write.mode("errorifexists").parquet(attempt.url(path))
    written = attempt.spark.read.schema(lines.schema).parquet(attempt.url(path))
    open_rows = written.where(~F.col(SUPERSEDED)).select(*table.identity).distinct()
    [total] = open_rows.select(F.count("*").alias("rows"), F.collect_set(SEQUENCE).alias("sequences")).collect()
    return QuarantinedRows(path, total["rows"], tuple(sorted(total["sequences"]))) if total["rows"] else None


def read(spark: SparkSession, bucket: str, quarantined: QuarantinedRows) -> DataFrame:
    """Return the open lines of the set `quarantined` in the processed `bucket`."""
    return spark.read.parquet(f"s3://{bucket}/{quarantined.path}").where(f"NOT {SUPERSEDED}")


def count(broken: DataFrame) -> dict[str, int]:
    """Return how many of the rows `broken` break each rule; a row that breaks two counts for both."""
    broken_rules = F.array_distinct(F.transform(BROKEN, lambda violation: violation["rule"]))
    rules = broken.select(F.explode(broken_rules).alias("rule"))
    return {row["rule"]: row["count"] for row in rules.groupBy("rule").count().collect()}


def check(attempt: TransformAttempt, table: StarTable, checked: DataFrame, *, rows: int, broken: int) -> None:
    """Raise `QuarantineError` when too many of the new `rows` are `broken`; examples are taken from `checked`."""
    if broken <= max(ALWAYS_QUARANTINED, attempt.quarantine_share * rows):
        return
    violations = checked.select(*table.natural_key, F.explode(BROKEN).alias("violation")).take(_EXAMPLES)
    examples = [
        f"{row[0]}: {row.violation.column} {row.violation.value} breaks the rule {row.violation.rule!r}"
        for row in violations
    ]
    raise QuarantineError(table.name, broken, rows, attempt.quarantine_share, examples)
