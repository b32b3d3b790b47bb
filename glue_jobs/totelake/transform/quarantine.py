"""The rows that are held back because they break a rule of their table.

A batch writes the complete set of a table whenever it judges the table, one line for each fault of a row: the natural
key, `rule`, `column`, `value`, `_ingested_sequence`, the row as JSON, and whether it is `superseded`: by a later
version of the record, so that nobody waits for it any more. The record of the batch says where the set is.
"""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import QuarantinedRows
from totelake.lake.versions import SEQUENCE, is_gone
from totelake.runtime.errors import QuarantineError
from totelake.tables import StarTable
from totelake.tables.lineage import LOOKUPS
from totelake.transform.attempt import Attempt
from totelake.transform.rules import BROKEN, is_broken

SUPERSEDED = "superseded"
WAITS = "_waits"
DEFAULT_SHARE = 0.1
# So few rows are held back whatever their share: in a batch of two rows a broken one is half of them.
ALWAYS_HELD = 10
_EXAMPLES = 3


def lines(broken: DataFrame, table: StarTable) -> DataFrame:
    """Return the lines of the judged rows `broken`, which have the column `superseded`."""
    row = _as_json(table).alias("row")
    return broken.select(*table.natural_key, F.explode(BROKEN).alias("fault"), SEQUENCE, row, SUPERSEDED).select(
        *table.natural_key, "fault.rule", "fault.column", "fault.value", SEQUENCE, "row", SUPERSEDED
    )


def recognised(judged: DataFrame, waiting: DataFrame, table: StarTable) -> DataFrame:
    """Return the `judged` rows of a dimension with the column `waits`: whether the row is among the lines `waiting`.

    It then has the sequence of the batch that brought it, also when it is judged again for what it looks up.
    """
    since = waiting.select(*table.key, F.col("row").alias("_row"), F.col(SEQUENCE).alias("_since")).distinct()
    rows = judged.withColumn("_row", _as_json(table)).join(since, [*table.key, "_row"], "left")
    waits = is_broken() & ~is_gone() & F.col("_since").isNotNull()
    sequence = F.when(F.col(WAITS), F.col("_since")).otherwise(F.col(SEQUENCE))
    return rows.withColumn(WAITS, waits).withColumn(SEQUENCE, sequence).drop("_row", "_since")


def _as_json(table: StarTable) -> Column:
    """Return the whole row as JSON: what the star shows, and by what it looks up the rest."""
    looked_up = (lookup.reference.column.name for lookup in LOOKUPS[table.name])
    names = dict.fromkeys((*(column.name for column in table.columns), *looked_up))
    return F.to_json(F.struct(*map(F.col, names)))


def write(lines: DataFrame, attempt: Attempt, table: StarTable) -> QuarantinedRows | None:
    """Write `lines` as the complete set of `table`; return what waits in it, None where nothing does."""
    path = attempt.quarantine(table)
    lines.coalesce(1).write.mode("errorifexists").parquet(attempt.address(path))
    written = attempt.spark.read.schema(lines.schema).parquet(attempt.address(path))
    waiting = written.where(~F.col(SUPERSEDED)).select(*table.identity).distinct()
    [found] = waiting.select(F.count("*").alias("rows"), F.collect_set(SEQUENCE).alias("sequences")).collect()
    return QuarantinedRows(path, found["rows"], tuple(sorted(found["sequences"]))) if found["rows"] else None


def read(spark: SparkSession, bucket: str, held: QuarantinedRows) -> DataFrame:
    """Return the lines that wait in the set `held` of the processed `bucket`."""
    return spark.read.parquet(f"s3://{bucket}/{held.path}").where(f"NOT {SUPERSEDED}")


def count(broken: DataFrame) -> dict[str, int]:
    """Return how many of the judged rows break each rule; a row that breaks two counts for both."""
    rules = broken.select(F.explode(F.array_distinct(F.transform(BROKEN, lambda fault: fault["rule"]))).alias("rule"))
    return {row["rule"]: row["count"] for row in rules.groupBy("rule").count().collect()}


def check(attempt: Attempt, table: StarTable, judged: DataFrame, *, rows: int, broken: int) -> None:
    """Raise `QuarantineError` when too many of the new `rows` are `broken`; `judged` has examples."""
    if broken <= max(ALWAYS_HELD, attempt.quarantine_share * rows):
        return
    faults = judged.select(*table.natural_key, F.explode(BROKEN).alias("fault")).take(_EXAMPLES)
    examples = [f"{row[0]}: {row.fault.column} {row.fault.value} breaks the rule {row.fault.rule!r}" for row in faults]
    raise QuarantineError(table.name, broken, rows, attempt.quarantine_share, examples)
