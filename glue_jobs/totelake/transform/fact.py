"""A fact's part in a processed batch: every new version of its records, and those that need not wait any more."""

from collections.abc import Mapping

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import QuarantinedRows
from totelake.lake.versions import SEQUENCE, all_of, is_gone, written_versions
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.transform import files, quarantine
from totelake.transform.attempt import Attempt, TableResult
from totelake.transform.rules import is_broken, judge, only_lacks_references
from totelake.transform.star_tables import Transform


def pending_versions(attempt: Attempt, transform: Transform) -> DataFrame | None:
    """Return the versions that the batch has to judge: the pending ones and those held back; None where none is."""
    table = STAR_TABLES[transform.table]
    held = attempt.held.get(table.name)
    if attempt.changed.isdisjoint(transform.sources) and not held:
        return None
    return transform.function(_versions(attempt, transform, table, held))


def build_fact(
    attempt: Attempt, table: StarTable, versions: DataFrame, missing: Mapping[str, DataFrame]
) -> TableResult:
    """Write those of `versions` that keep the rules, and hold back the others.

    `missing` is what they refer to in vain, see `rules.judge`. A deletion is never held back for its values: the last
    version that was written stands in for it. Raises `QuarantineError` when too many new rows break a rule.
    """
    judged = judge(versions, table, missing)
    is_new = (F.col(SEQUENCE) > attempt.covered) & ~is_gone()
    figures = files.write(judged, attempt, table, is_new=is_new)
    if not figures.broken:
        return TableResult(files.describe(attempt, table, figures.sound))
    broken = judged.where(is_broken()).persist(StorageLevel.DISK_ONLY)
    quarantine.check(attempt, table, broken.where(is_new), rows=figures.new, broken=figures.broken_new)
    deletions = broken.where(is_gone())
    tombstones = _synthesized_tombstones(attempt, table, deletions, wrote=figures.sound > 0).persist(
        StorageLevel.DISK_ONLY
    )
    if synthesized := tombstones.count():
        files.append(tombstones, attempt, table)
    waiting = broken.join(tombstones.select(*table.identity), list(table.identity), "left_anti")
    lines = quarantine.lines(_superseded(waiting, judged, table), table)
    return TableResult(
        files.describe(attempt, table, figures.sound + synthesized),
        held=quarantine.write(lines, attempt, table),
        quarantined=figures.broken_new,
        broken=quarantine.count(broken.where(is_new)),
    )


def _versions(attempt: Attempt, transform: Transform, table: StarTable, held: QuarantinedRows | None) -> DataFrame:
    """Return the pending versions of the source table, and those that are held back."""
    source = SOURCE_TABLES[transform.sources[0]]
    pending = all_of(attempt.spark, attempt.ingested, source, attempt.pending)
    if not held:
        return pending
    bringing = [attempt.known[sequence - 1] for sequence in held.sequences]
    waiting = quarantine.read(attempt.spark, attempt.processed, held).select(*table.identity).distinct()
    brought = all_of(attempt.spark, attempt.ingested, source, bringing)
    return pending.unionByName(brought.join(waiting, list(table.identity), "left_semi").select(*pending.columns))


def _synthesized_tombstones(attempt: Attempt, table: StarTable, deletions: DataFrame, *, wrote: bool) -> DataFrame:
    """Return for each of the broken `deletions` the version written before it, unless that is a deletion itself."""
    paths = [batch.tables[table.name].path for batch in attempt.written if table.name in batch.tables]
    written = written_versions(attempt.spark, attempt.processed, table, paths + [files.path(attempt, table)] * wrote)
    gone = files.marks(deletions, table)
    youngest = Window.partitionBy(*table.natural_key, f"_gone{SEQUENCE}").orderBy(F.col(SEQUENCE).desc())
    before = written.join(gone, list(table.natural_key), "inner").where(F.col(SEQUENCE) < F.col(f"_gone{SEQUENCE}"))
    last = before.withColumn("_age", F.row_number().over(youngest)).where((F.col("_age") == 1) & ~is_gone())
    return files.marked(last, table)


def _superseded(broken: DataFrame, judged: DataFrame, table: StarTable) -> DataFrame:
    """Return `broken` with the column `superseded`.

    A version that only lacks what it refers to waits for that, whatever came after it. Any other waits until there is a
    later one, and a deletion as long as a version of its record does.
    """
    key = list(table.natural_key)
    newest = judged.groupBy(*key).agg(F.max(SEQUENCE).alias("_newest"))
    later = F.col(SEQUENCE) < F.col("_newest")
    versions = broken.where(~is_gone()).join(newest, key, "left")  # a key that is NULL meets none
    superseded = F.coalesce(later, F.lit(False)) & ~only_lacks_references()
    versions = versions.withColumn(quarantine.SUPERSEDED, superseded).drop("_newest")
    waiting = versions.where(~F.col(quarantine.SUPERSEDED)).select(*key).distinct().withColumn("_waits", F.lit(1))
    deletions = broken.where(is_gone()).join(waiting, key, "left")
    deletions = deletions.withColumn(quarantine.SUPERSEDED, F.col("_waits").isNull()).drop("_waits")
    return versions.unionByName(deletions)
