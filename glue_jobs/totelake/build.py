"""One star table's part in a processed batch, from the rows that were ingested to the files in the bucket."""

from dataclasses import dataclass
from functools import cached_property

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake import lake
from totelake.batches import IngestedBatch, ProcessedBatch, ProcessedTable
from totelake.errors import RowRuleError
from totelake.frames import conform, same_row
from totelake.rules import BROKEN, is_broken, judge
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.tables.stars import FIRST_DAY, LAST_DAY
from totelake.transforms import CALENDAR, Transform
from totelake.versions import SEQUENCE, all_of, latest_of, written_rows

_EXAMPLES = 3


@dataclass(frozen=True)
class Attempt:
    """One attempt at a processed batch.

    `known` is everything ingested, of which the batches after the first `covered` are pending; `written` is everything
    processed before. `ingested` and `processed` are the buckets.
    """

    spark: SparkSession
    ingested: str
    processed: str
    batch_id: str
    known: tuple[IngestedBatch, ...]
    written: tuple[ProcessedBatch, ...]

    @property
    def covered(self) -> int:
        """The ingested sequence up to which earlier batches covered."""
        return self.written[-1].last_ingested if self.written else 0

    @property
    def pending(self) -> tuple[IngestedBatch, ...]:
        """The ingested batches that this attempt covers."""
        return self.known[self.covered :]

    @cached_property
    def changed(self) -> frozenset[str]:
        """The source tables with a row in a pending batch; the calendar changes once, before the first batch."""
        tables = {table for batch in self.pending for table in batch.tables}
        return frozenset(tables if self.written else tables | {CALENDAR})


@dataclass(frozen=True, slots=True)
class Part:
    """What was written of one table: `table` is None where no row was."""

    table: ProcessedTable | None = None
    quarantined: int = 0


def build(attempt: Attempt, transform: Transform) -> Part:
    """Write the part of `transform`'s table in `attempt`, which may be nothing."""
    table = STAR_TABLES[transform.table]
    if attempt.changed.isdisjoint(transform.sources):
        return Part()
    return _build_fact(attempt, transform, table) if table.is_fact else _build_dimension(attempt, transform, table)


def _build_fact(attempt: Attempt, transform: Transform, table: StarTable) -> Part:
    """Write every pending version; a row that breaks a rule goes to quarantine instead, and the others go on."""
    changes = all_of(attempt.spark, attempt.ingested, SOURCE_TABLES[transform.sources[0]], attempt.pending)
    judged = judge(transform.function(changes), table)
    part = _write(judged, attempt, table)
    if part.quarantined:
        address = f"s3://{attempt.processed}/quarantine/{table.name}/batch_id={attempt.batch_id}/"
        broken = judged.where(is_broken())
        row = F.to_json(F.struct(*(F.col(column.name) for column in table.columns))).alias("row")
        broken.select(*table.natural_key, BROKEN, row).write.mode("errorifexists").parquet(address)
    return part


def _build_dimension(attempt: Attempt, transform: Transform, table: StarTable) -> Part:
    """Write the rows, built from the latest state of all sources, that differ from what was last written."""
    rows = transform.function(*_states(attempt, transform))
    judged = judge(rows.withColumn(SEQUENCE, F.lit(attempt.pending[-1].sequence)), table)
    before = written_rows(attempt.spark, attempt.processed, table, attempt.written)
    if before is not None:
        same = same_row(judged, before, (column.name for column in table.columns))
        judged = judged.join(before, same, "left_anti").persist(StorageLevel.DISK_ONLY)
        if judged.isEmpty():
            return Part()
    part = _write(judged, attempt, table)
    if part.quarantined:
        broken = judged.where(is_broken()).select(*table.natural_key, BROKEN).take(_EXAMPLES)
        raise RowRuleError(table.name, part.quarantined, [f"{row[0]}: {', '.join(row[BROKEN])}" for row in broken])
    return part


def _states(attempt: Attempt, transform: Transform) -> list[DataFrame]:
    """Return the latest state of each source; of the driving one only the changed rows, while no other has changed."""
    if transform.sources == (CALENDAR,):
        days = "SELECT explode(sequence(:first, :last)) AS date_id"
        return [attempt.spark.sql(days, {"first": FIRST_DAY, "last": LAST_DAY})]
    driving, *joined = (SOURCE_TABLES[name] for name in transform.sources)
    batches = attempt.pending if attempt.changed.isdisjoint(table.name for table in joined) else attempt.known
    states = [latest_of(attempt.spark, attempt.ingested, driving, batches)]
    return states + [latest_of(attempt.spark, attempt.ingested, table, attempt.known) for table in joined]


def _write(judged: DataFrame, attempt: Attempt, table: StarTable) -> Part:
    """Write the rows that keep the rules, and count the others."""
    counts = Observation()
    broken = F.count_if(is_broken())
    if table.is_fact:
        # Before the rows are counted: what is counted in the stage that writes is counted once, whatever Spark repeats.
        judged = judged.withColumn("month", F.date_format("created_date", "yyyy-MM")).repartition("month")
    observed = judged.observe(counts, broken.alias("broken"), (F.count(F.lit(1)) - broken).alias("sound"))
    months = ("month",) if table.is_fact else ()
    rows = conform(observed.where(~is_broken()), table.name, table.stored_columns, keep=months)
    path = lake.table_path(table.name, attempt.batch_id)
    rows.write.mode("errorifexists").partitionBy(*months).parquet(f"s3://{attempt.processed}/{path}")
    figures: dict[str, int] = counts.get
    if not figures["sound"]:
        return Part(quarantined=figures["broken"])
    files = lake.files_below(attempt.processed, path)
    folders = sorted({name.split("/")[0] for name in files if name.startswith("month=")})
    written = ProcessedTable(
        path,
        rows=figures["sound"],
        bytes=sum(files.values()),
        months=tuple(folder.removeprefix("month=") for folder in folders),
    )
    return Part(written, figures["broken"])
