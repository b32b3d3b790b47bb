"""Builds a dimension of a processed batch: the latest rows that differ from those written before."""

from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.frames import same_row
from totelake.lake.versions import SEQUENCE, is_deleted, latest_written
from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.model import DELETED_AT
from totelake.transform import files, quarantine
from totelake.transform.attempt import TableResult, TransformAttempt
from totelake.transform.rules import breaks_rules, check_rules
from totelake.transform.star_tables import Transform
from totelake.transform.states import affected_keys, latest_states


def build_dimension(attempt: TransformAttempt, transform: Transform) -> TableResult:
    """Write the rows, built from the latest state of all sources, that differ from those written before.

    A row that breaks a rule is quarantined, and the row written before stays current. It is checked again when a table
    changes that it looks up, and counts as new only once. Raises `QuarantineError` when too many new rows break a rule.
    """
    table = STAR_TABLES[transform.table]
    quarantined = attempt.quarantined.get(table.name)
    if attempt.changed.isdisjoint(transform.sources):
        return TableResult(quarantined=quarantined)
    affected = affected_keys(attempt, transform) if attempt.has_few_rows and table.source else None
    if affected and not attempt.fit_driver(dict.fromkeys(transform.sources, len(affected))):
        attempt, affected = replace(attempt, spark_only=True), None
    rows = transform.function(*latest_states(attempt, transform, affected))
    before = _written_before(attempt, table, rows, affected)
    changed = rows
    if attempt.previous:
        same = same_row(rows, before, (*(column.name for column in table.columns), DELETED_AT.name))
        changed = rows.join(before, same, "left_anti")
    if attempt.previous or len(transform.sources) > 1:
        changed = attempt.computed(changed)
    if attempt.previous and not quarantined and changed.isEmpty():
        return TableResult()
    checked = check_rules(changed.withColumn(SEQUENCE, F.lit(attempt.pending[-1].sequence)), table, {})
    is_new = ~is_deleted()
    if quarantined:
        open_lines = quarantine.read(attempt.spark, attempt.processed, quarantined)
        checked = quarantine.mark_open(checked, open_lines, table)
        is_new &= ~F.col(quarantine.IS_OPEN)
    figures = files.write(checked, attempt, table, is_new=is_new)
    if not figures.broken and not quarantined:
        return TableResult(files.describe(attempt, table, figures.valid, figures.files))
    broken = attempt.computed(checked.where(breaks_rules()))
    new = broken.where(is_new)
    quarantine.check(attempt, table, new, rows=figures.new, broken=figures.broken_new)
    tombstones = attempt.computed(_synthesized_tombstones(table, before, broken.where(is_deleted())))
    written = figures.files
    if synthesized := tombstones.count():
        written = files.append(tombstones, attempt, table, written)
    lines = quarantine.lines(broken.where(~is_deleted()).withColumn(quarantine.SUPERSEDED, F.lit(False)), table)
    if quarantined:
        lines = lines.unionByName(open_lines.join(rows.select(*table.key), list(table.key), "left_anti"))
    return TableResult(
        files.describe(attempt, table, figures.valid + synthesized, written),
        quarantined=quarantine.write(lines, attempt, table),
        newly_quarantined=figures.broken_new,
        broken=quarantine.count(new),
    )


def _written_before(
    attempt: TransformAttempt, table: StarTable, rows: DataFrame, affected: set[Any] | None
) -> DataFrame:
    """Return the row written before for each key of `rows`, which are those `affected` if that is not None."""
    written = attempt.written.of(table.name)
    if affected is None:
        return latest_written(attempt.scan_processed(), table, written, keys=rows.select(*table.key))
    return latest_written(attempt.scan_processed(table.key[0], affected, newest=True), table, written)


def _synthesized_tombstones(table: StarTable, before: DataFrame, deletions: DataFrame) -> DataFrame:
    """Return for each of the rule-breaking `deletions` the row written before, as a tombstone."""
    last = before.where(~is_deleted()).join(files.deletion_marks(deletions, table), list(table.key), "inner")
    return files.as_tombstones(last, table)
