"""Tells which tables may have lost rows since the last batch, from row counts where few rows have changed."""

from totelake.ingest.baseline import Baseline
from totelake.ingest.source import TRANSACTION_ID_RANGE, Count, SourceReader
from totelake.ingest.source_checks import ResolvedTable
from totelake.lake import keys


def tables_to_compare(
    baseline: Baseline, source: SourceReader, tables: list[ResolvedTable], counts: dict[str, Count]
) -> frozenset[str]:
    """Return the names of those `tables` whose keys have to be compared, because rows may have been deleted.

    If as many rows are unchanged as existed at the last batch, none was deleted. Otherwise inserted rows are among the
    changed ones: the rows that existed then, plus the changed keys that did not, are the rows that there would be
    without deletions.
    """
    fewer = [table for table in tables if baseline.alive(table.name) not in {0, counts[table.name].unchanged}]
    countable = [table for table in fewer if _is_countable(baseline, source, table, counts[table.name])]
    changed = {table.name: source.changed_keys(table, baseline.since(table.name)) for table in countable}

    def rows_without_deletions(table: ResolvedTable) -> int:
        written = changed[table.name]
        existed = keys.alive_among(baseline.log.bucket, table.declared, baseline.files.of(table.name), written)
        return baseline.alive(table.name) + len(written) - existed

    expected = {table.name: rows_without_deletions(table) for table in countable}
    return frozenset(table.name for table in fewer if expected.get(table.name) != counts[table.name].rows)


def _is_countable(baseline: Baseline, source: SourceReader, table: ResolvedTable, count: Count) -> bool:
    """Return whether few rows of `table` changed, and transaction ids identify them."""
    sets = baseline.files.of(table.name)
    return (
        0 < count.changed <= keys.MAX_KEYS
        and len(sets) <= keys.MAX_FILES
        and sum(files.bytes for files in sets) <= keys.MAX_BYTES
        and all(files.keys_checked for files in sets)
        and not baseline.reload_of(table.name)
        and source.snapshot.xmax < TRANSACTION_ID_RANGE
    )
