"""The drift check: compares the tables of the last crawl with the declared source tables."""

from totelake.drift import discovered
from totelake.drift.accepted import ACCEPTED
from totelake.drift.differences import SchemaDifference, differences
from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED
from totelake.runtime import log, metrics, retry
from totelake.runtime.errors import DriftError
from totelake.runtime.glue import JobRun
from totelake.tables import SOURCE_TABLES


@retry.retried("drift")
def run(_run: JobRun, crawler: str) -> list[SchemaDifference]:
    """Compare the tables that `crawler` discovered with the declarations; return the differences, all accepted.

    The number of others is the metric `DriftDifferences`, also if it is 0, and each is logged as a line of JSON. Raises
    `DriftError` when there are any, `CrawlError` when the last crawl has no usable result.
    """
    with metrics.stage("drift") as stage_metrics, log.span("drift", stage="drift", crawler=crawler) as figures:
        began = discovered.last_crawl(crawler)
        tables = discovered.tables(DISCOVERED_DATABASE)
        committed = {name: discovered.committed(INGESTED.database, name, began) for name in SOURCE_TABLES}
        all_differences = differences(SOURCE_TABLES, tables, committed)
        new = [difference for difference in all_differences if not _is_accepted(difference)]
        batches = sum(len(names) for table in tables.values() for names in table.batches.values())
        figures.update(
            tables=len(tables), batches=batches, differences=len(new), accepted=len(all_differences) - len(new)
        )
        for difference in new:
            _log_difference(difference)
        stage_metrics.record(metrics.DRIFT_DIFFERENCES, len(new))
        if new:
            stage_metrics.publish()
            raise DriftError([difference.describe() for difference in new])
    return all_differences


def _is_accepted(difference: SchemaDifference) -> bool:
    return any(accepted.covers(difference) for accepted in ACCEPTED)


def _log_difference(difference: SchemaDifference) -> None:
    log.event(
        "difference",
        status="different",
        stage="drift",
        table=difference.table,
        column=difference.column,
        fault=difference.kind,
        found=difference.discovered,
        declared=difference.declared,
        batches=len(difference.batches),
        first_batch=difference.batches[0] if difference.batches else None,
    )
