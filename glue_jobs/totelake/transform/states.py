"""The latest states of the sources of a dimension, of all records or of those that pending batches affect."""

from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame

from totelake.lake import keys
from totelake.lake.batches import IngestedBatch
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
    affected = _values(attempt, driving, attempt.pending, driving.key[0])
    for lookup in LOOKUPS[transform.table]:
        if changed := _values(attempt, lookup.key.table, attempt.pending, lookup.key.column.name):
            looked_up = (lookup.reference.column.name, changed)
            affected |= _values(attempt, driving, attempt.known, driving.key[0], looked_up)
    return affected


def latest_states(attempt: TransformAttempt, transform: Transform, affected: set[Any] | None) -> list[DataFrame]:
    """Return the latest state of each source of `transform`: for the records `affected`, or all if that is None.

    If no table has changed that the driving table looks up, its state has only the changed rows.
    """
    if transform.sources == (CALENDAR,):
        days = "SELECT explode(sequence(:first, :last)) AS date_id, CAST(NULL AS timestamp_ntz) AS _deleted_at"
        return [attempt.spark.sql(days, {"first": FIRST_DAY, "last": LAST_DAY})]
    driving, *joined = (SOURCE_TABLES[name] for name in transform.sources)
    batches = attempt.pending if attempt.changed.isdisjoint(table.name for table in joined) else attempt.known
    scan = attempt.scan_ingested() if affected is None else attempt.scan_ingested(driving.key[0], affected)
    states = [latest_versions(scan, driving, batches)]
    for lookup in (_lookup(transform, table) for table in joined):
        scan = attempt.scan_ingested()
        if affected is not None:
            of_affected = (driving.key[0], affected)
            referenced = _values(attempt, driving, batches, lookup.reference.column.name, of_affected)
            scan = attempt.scan_ingested(lookup.key.column.name, referenced)
        states.append(latest_versions(scan, lookup.key.table, attempt.known))
    return states


def _lookup(transform: Transform, table: SourceTable) -> Lookup:
    [lookup] = [lookup for lookup in LOOKUPS[transform.table] if lookup.key.table is table]
    return lookup


def _values(
    attempt: TransformAttempt,
    table: SourceTable,
    batches: Iterable[IngestedBatch],
    column: str,
    only: tuple[str, set[Any]] | None = None,
) -> set[Any]:
    """Return the values of `column` in all row versions of `table` in `batches`, or in `only` some."""
    paths = [batch.tables[table.name].path for batch in batches if table.name in batch.tables]
    return keys.values(attempt.s3, attempt.ingested, paths, column, only)
