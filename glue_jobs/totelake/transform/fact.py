"""Builds a fact of a processed batch: every new version of its records, and those released from quarantine."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import QuarantinedRows
from totelake.lake.versions import SEQUENCE, all_versions, is_deleted
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable
from totelake.transform import files, quarantine
from totelake.transform.attempt import TableResult, TransformAttempt
from totelake.transform.rules import breaks_rules, check_rules, lacks_only_references
from totelake.transform.star_tables import Transform


def pending_versions(attempt: TransformAttempt, transform: Transform) -> DataFrame | None:
    """Return the versions to check: the pending ones and those in quarantine; None if there are none."""
    table = STAR_TABLES[transform.table]
    quarantined = attempt.quarantined.get(table.name)
    if attempt.changed.isdisjoint(transform.sources) and not quarantined:
        return None
    return transform.function(_versions(attempt, transform, table, quarantined))


def build_fact(
    attempt: TransformAttempt, table: StarTable, versions: DataFrame, missing: Mapping[str, DataFrame]
) -> TableResult:
    """Write those of `versions` that satisfy the rules, and quarantine the others.

    `missing` are the missing keys that they reference, see `rules.check_rules`. For a deletion that breaks a rule, a
    tombstone of the last written version is synthesized. Raises `QuarantineError` when too many new rows break a rule.
    """
    checked = check_rules(versions, table, missing)
    is_new = (F.col(SEQUENCE) > attempt.covered) & ~is_deleted()
    figures = files.write(checked, attempt, table, is_new=is_new)
    if not figures.broken:
        return TableResult(files.describe(attempt, table, figures.valid, figures.files))
    broken = attempt.computed(checked.where(breaks_rules()))
    quarantine.check(attempt, table, broken.where(is_new), rows=figures.new, broken=figures.broken_new)
    deletions = broken.where(is_deleted())
    tombstones = attempt.computed(_synthesized_tombstones(attempt, table, deletions, figures))
    written = figures.files
    if synthesized := tombstones.count():
        written = files.append(tombstones, attempt, table, written)
    to_quarantine = broken.join(tombstones.select(*table.identity), list(table.identity), "left_anti")
    lines = quarantine.lines(_superseded(to_quarantine, checked, table), table)
    return TableResult(
        files.describe(attempt, table, figures.valid + synthesized, written),
        quarantined=quarantine.write(lines, attempt, table),
        newly_quarantined=figures.broken_new,
        broken=quarantine.count(broken.where(is_new)),
    )


def _versions(
    attempt: TransformAttempt, transform: Transform, table: StarTable, quarantined: QuarantinedRows | None
) -> DataFrame:
    """Return the versions of the source table that are pending or in quarantine."""
    source = SOURCE_TABLES[transform.sources[0]]
    pending = all_versions(attempt.scan_ingested(), source, attempt.pending_files.of(source.name))
    if not quarantined:
        return pending
    sets = [
        files
        for files in attempt.sources.of(source.name)
        if any(files.first <= sequence <= files.last for sequence in quarantined.sequences)
    ]
    identities = quarantine.read(attempt.spark, attempt.processed, quarantined).select(*table.identity).distinct()
    versions = all_versions(attempt.scan_ingested(*_keys_if_few(attempt, identities, table)), source, sets)
    return pending.unionByName(versions.join(identities, list(table.identity), "left_semi").select(*pending.columns))


def _keys_if_few(attempt: TransformAttempt, rows: DataFrame, table: StarTable) -> tuple[str, frozenset[Any]]:
    """Return the name of the natural key and, of few rows, the keys of `rows`."""
    [key] = table.natural_key
    found = rows.select(key).collect() if attempt.has_few_rows else []
    return key, frozenset(value for (value,) in found)


def _synthesized_tombstones(
    attempt: TransformAttempt, table: StarTable, deletions: DataFrame, figures: files.Figures
) -> DataFrame:
    """Return for each of the rule-breaking `deletions` a tombstone of the version before it, unless that is deleted."""
    sets = list(attempt.written.of(table.name))
    if own := files.describe(attempt, table, figures.valid, figures.files):
        sets.append(own.file_set(attempt.written.sequence + 1))
    written = attempt.scan_processed(*_keys_if_few(attempt, deletions, table)).rows(sets, table.stored_columns)
    marks = files.deletion_marks(deletions, table)
    newest_first = Window.partitionBy(*table.natural_key, f"_gone{SEQUENCE}").orderBy(F.col(SEQUENCE).desc())
    before = written.join(marks, list(table.natural_key), "inner").where(F.col(SEQUENCE) < F.col(f"_gone{SEQUENCE}"))
    last = before.withColumn("_age", F.row_number().over(newest_first)).where((F.col("_age") == 1) & ~is_deleted())
    return files.as_tombstones(last, table)


def _superseded(broken: DataFrame, checked: DataFrame, table: StarTable) -> DataFrame:
    """Return `broken` with the column `superseded`.

    A later version of a record supersedes a version, unless that only lacks referenced rows. A deletion is superseded
    if no version of its record stays open.
    """
    key = list(table.natural_key)
    newest = checked.groupBy(*key).agg(F.max(SEQUENCE).alias("_newest"))
    later = F.col(SEQUENCE) < F.col("_newest")
    versions = broken.where(~is_deleted()).join(newest, key, "left")  # a NULL key has no match
    superseded = F.coalesce(later, F.lit(False)) & ~lacks_only_references()
    versions = versions.withColumn(quarantine.SUPERSEDED, superseded).drop("_newest")
    open_keys = versions.where(~F.col(quarantine.SUPERSEDED)).select(*key).distinct().withColumn("_open", F.lit(1))
    deletions = broken.where(is_deleted()).join(open_keys, key, "left")
    deletions = deletions.withColumn(quarantine.SUPERSEDED, F.col("_open").isNull()).drop("_open")
    return versions.unionByName(deletions)
