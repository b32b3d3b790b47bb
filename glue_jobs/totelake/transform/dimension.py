"""Builds a dimension of a processed batch: the latest rows that differ from those written before."""

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.frames import same_row
from totelake.lake.versions import SEQUENCE, is_deleted, latest_versions, latest_written
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.tables.model import DELETED_AT
from totelake.tables.stars import FIRST_DAY, LAST_DAY
from totelake.transform import files, quarantine
from totelake.transform.attempt import TableResult, TransformAttempt
from totelake.transform.rules import breaks_rules, check_rules
from totelake.transform.star_tables import CALENDAR, Transform


def build_dimension(attempt: TransformAttempt, transform: Transform) -> TableResult:
    """Write the rows, built from the latest state of all sources, that differ from those written before.

    A row that breaks a rule is quarantined, and the row written before stays current. It is checked again when a table
    changes that it looks up, and counts as new only once. Raises `QuarantineError` when too many new rows break a rule.
    """
    table = STAR_TABLES[transform.table]
    quarantined = attempt.quarantined.get(table.name)
    if attempt.changed.isdisjoint(transform.sources):
        return TableResult(quarantined=quarantined)
    rows = transform.function(*_states(attempt, transform))
    checked = check_rules(rows.withColumn(SEQUENCE, F.lit(attempt.pending[-1].sequence)), table, {})
    before = latest_written(attempt.spark, attempt.processed, table, attempt.written, keys=rows.select(*table.key))
    if attempt.written:
        same = same_row(checked, before, (*(column.name for column in table.columns), DELETED_AT.name))
        checked = checked.join(before, same, "left_anti").persist(StorageLevel.DISK_ONLY)
        if checked.isEmpty() and not quarantined:
            return TableResult()
    is_new = ~is_deleted()
    if quarantined:
        open_lines = quarantine.read(attempt.spark, attempt.processed, quarantined)
        checked = quarantine.mark_open(checked, open_lines, table)
        is_new &= ~F.col(quarantine.IS_OPEN)
    figures = files.write(checked, attempt, table, is_new=is_new)
    if not figures.broken and not quarantined:
        return TableResult(files.describe(attempt, table, figures.valid))
    broken = checked.where(breaks_rules()).persist(StorageLevel.DISK_ONLY)
    new = broken.where(is_new)
    quarantine.check(attempt, table, new, rows=figures.new, broken=figures.broken_new)
    tombstones = _synthesized_tombstones(table, before, broken.where(is_deleted())).persist(StorageLevel.DISK_ONLY)
    if synthesized := tombstones.count():
        files.append(tombstones, attempt, table)
    lines = quarantine.lines(broken.where(~is_deleted()).withColumn(quarantine.SUPERSEDED, F.lit(False)), table)
    if quarantined:
        lines = lines.unionByName(open_lines.join(rows.select(*table.key), list(table.key), "left_anti"))
    return TableResult(
        files.describe(attempt, table, figures.valid + synthesized),
        quarantined=quarantine.write(lines, attempt, table),
        newly_quarantined=figures.broken_new,
        broken=quarantine.count(new),
    )


def _states(attempt: TransformAttempt, transform: Transform) -> list[DataFrame]:
    """Return the latest state of each source; of the driving one only the changed rows if no other has changed."""
    if transform.sources == (CALENDAR,):
        days = "SELECT explode(sequence(:first, :last)) AS date_id, CAST(NULL AS timestamp_ntz) AS _deleted_at"
        return [attempt.spark.sql(days, {"first": FIRST_DAY, "last": LAST_DAY})]
    driving, *joined = (SOURCE_TABLES[name] for name in transform.sources)
    batches = attempt.pending if attempt.changed.isdisjoint(table.name for table in joined) else attempt.known
    states = [latest_versions(attempt.spark, attempt.ingested, driving, batches)]
    return states + [latest_versions(attempt.spark, attempt.ingested, table, attempt.known) for table in joined]


def _synthesized_tombstones(table: StarTable, before: DataFrame, deletions: DataFrame) -> DataFrame:
    """Return for each of the rule-breaking `deletions` the row written before, as a tombstone."""
    last = before.where(~is_deleted()).join(files.deletion_marks(deletions, table), list(table.key), "inner")
    return files.as_tombstones(last, table)
