"""The latest states of the sources of a dimension, of all records or of those that pending batches affect."""

from typing import Any

from pyspark.sql import DataFrame

from totelake.lake import keys
from totelake.lake.file_sets import LiveFiles
from totelake.lake.versions import latest_versions
from totelake.tables import SOURCE_TABLES, SourceTable
from totelake.tables.lineage import LOOKUPS, Lookup
from totelake.tables.stars import FIRST_DAY, LAST_DAY
from totelake.transform.attempt import TransformAttempt
from totelake.transform.star_tables import CALENDAR, Transform


def affected_keys(attempt: TransformAttempt, transform: Transform) -> set[Any]:
    """Return the keys of the records of the driving table that are in a pending batch or look up one that is.

    Keys of records that looked it up once are among them: the rows of those have not changed.
    """
    driving = SOURCE_TABLES[transform.sources[0]]
    affected = _values(attempt, driving, attempt.pending_files, driving.key[0])
    for lookup in LOOKUPS[transform.table]:
        if changed := _values(attempt, lookup.key.table, attempt.pending_files, lookup.key.column.name):
            looked_up = (lookup.reference.column.name, changed)
            affected |= _values(attempt, driving, attempt.sources, driving.key[0], looked_up)
    return affected


def latest_states(attempt: TransformAttempt, transform: Transform, affected: set[Any] | None) -> list[DataFrame]:
    """Return the latest state of each source of `transform`: for the records `affected`, or all if that is None.

    If no table has changed that the driving table looks up, its state has only the changed rows.
    """
    if transform.sources == (CALENDAR,):
        days = "SELECT explode(sequence(:first, :last)) AS date_id, CAST(NULL AS timestamp_ntz) AS _deleted_at"
        return [attempt.spark.sql(days, {"first": FIRST_DAY, "last": LAST_DAY})]
    driving, *joined = (SOURCE_TABLES[name] for name in transform.sources)
    is_local = attempt.changed.isdisjoint(table.name for table in joined)
    files = attempt.pending_files if is_local else attempt.sources
    key = driving.key[0]
    scan = attempt.scan_ingested() if affected is None else attempt.scan_ingested(key, affected, newest=True)
    states = [latest_versions(scan, driving, files.of(driving.name))]
    for lookup in (_lookup(transform, table) for table in joined):
        scan = attempt.scan_ingested()
        if affected is not None:
            referenced = keys.newest_values(
                attempt.s3, attempt.ingested, files.of(driving.name), lookup.reference.column.name, (key, affected)
            )
            scan = attempt.scan_ingested(lookup.key.column.name, referenced, newest=True)
        states.append(latest_versions(scan, lookup.key.table, attempt.sources.of(lookup.key.table.name)))
    return states


def _lookup(transform: Transform, table: SourceTable) -> Lookup:
    [lookup] = [lookup for lookup in LOOKUPS[transform.table] if lookup.key.table is table]
    return lookup


def _values(
    attempt: TransformAttempt,
    table: SourceTable,
    files: LiveFiles,
    column: str,
    only: tuple[str, set[Any]] | None = None,
) -> set[Any]:
    """Return the values of `column` in all row versions of `table` in `files`, or in `only` some."""
    return keys.values(attempt.s3, attempt.ingested, files.of(table.name), column, only)
