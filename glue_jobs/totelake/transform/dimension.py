"""A dimension's part in a processed batch: the rows, as last known, that differ from what was last written."""

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.frames import same_row
from totelake.lake.versions import SEQUENCE, is_gone, latest_of, written_rows
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.tables.model import DELETED_AT
from totelake.tables.stars import FIRST_DAY, LAST_DAY
from totelake.transform import files, quarantine
from totelake.transform.attempt import Attempt, TableResult
from totelake.transform.rules import is_broken, judge
from totelake.transform.star_tables import CALENDAR, Transform


def build_dimension(attempt: Attempt, transform: Transform) -> TableResult:
    """Write the rows, built from the latest state of all sources, that differ from what was last written.

    One that breaks a rule is held back, and the row that was written before stays in force. It is judged again when a
    table changes that it looks up, and is new once. Raises `QuarantineError` when too many new rows break a rule.
    """
    table = STAR_TABLES[transform.table]
    held = attempt.held.get(table.name)
    if attempt.changed.isdisjoint(transform.sources):
        return TableResult(held=held)
    rows = transform.function(*_states(attempt, transform))
    judged = judge(rows.withColumn(SEQUENCE, F.lit(attempt.pending[-1].sequence)), table, {})
    before = written_rows(attempt.spark, attempt.processed, table, attempt.written)
    if attempt.written:
        same = same_row(judged, before, (*(column.name for column in table.columns), DELETED_AT.name))
        judged = judged.join(before, same, "left_anti").persist(StorageLevel.DISK_ONLY)
        if judged.isEmpty() and not held:
            return TableResult()
    is_new = ~is_gone()
    if held:
        old = quarantine.read(attempt.spark, attempt.processed, held)
        judged = quarantine.recognised(judged, old, table)
        is_new &= ~F.col(quarantine.WAITS)
    figures = files.write(judged, attempt, table, is_new=is_new)
    if not figures.broken and not held:
        return TableResult(files.describe(attempt, table, figures.sound))
    broken = judged.where(is_broken()).persist(StorageLevel.DISK_ONLY)
    new = broken.where(is_new)
    quarantine.check(attempt, table, new, rows=figures.new, broken=figures.broken_new)
    tombstones = _synthesized_tombstones(table, before, broken.where(is_gone())).persist(StorageLevel.DISK_ONLY)
    if synthesized := tombstones.count():
        files.append(tombstones, attempt, table)
    lines = quarantine.lines(broken.where(~is_gone()).withColumn(quarantine.SUPERSEDED, F.lit(False)), table)
    if held:
        lines = lines.unionByName(old.join(rows.select(*table.key), list(table.key), "left_anti"))
    return TableResult(
        files.describe(attempt, table, figures.sound + synthesized),
        held=quarantine.write(lines, attempt, table),
        quarantined=figures.broken_new,
        broken=quarantine.count(new),
    )


def _states(attempt: Attempt, transform: Transform) -> list[DataFrame]:
    """Return the latest state of each source; of the driving one only the changed rows, while no other has changed."""
    if transform.sources == (CALENDAR,):
        days = "SELECT explode(sequence(:first, :last)) AS date_id, CAST(NULL AS timestamp_ntz) AS _deleted_at"
        return [attempt.spark.sql(days, {"first": FIRST_DAY, "last": LAST_DAY})]
    driving, *joined = (SOURCE_TABLES[name] for name in transform.sources)
    batches = attempt.pending if attempt.changed.isdisjoint(table.name for table in joined) else attempt.known
    states = [latest_of(attempt.spark, attempt.ingested, driving, batches)]
    return states + [latest_of(attempt.spark, attempt.ingested, table, attempt.known) for table in joined]


def _synthesized_tombstones(table: StarTable, before: DataFrame, deletions: DataFrame) -> DataFrame:
    """Return for each of the broken `deletions` the row as it was written before, marked as deleted."""
    last = before.where(~is_gone()).join(files.marks(deletions, table), list(table.key), "inner")
    return files.marked(last, table)
