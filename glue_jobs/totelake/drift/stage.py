"""The drift check: what the last crawl left in the catalog, held against the declared source tables."""

from totelake.drift import discovered
from totelake.drift.accepted import ACCEPTED
from totelake.drift.differences import Difference, differences
from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED
from totelake.runtime import metrics, retry, worklog
from totelake.runtime.errors import DriftError
from totelake.runtime.glue import JobRun
from totelake.tables import SOURCE_TABLES


@retry.retried("drift")
def run(_run: JobRun, crawler: str) -> list[Difference]:
    """Hold what `crawler` found against the declarations; return the differences that were accepted before.

    The others are counted in the metric `DriftDifferences`, also when there are none, and each is a line of JSON.
    Raises `DriftError` when there are any, `CrawlError` where the last crawl left nothing to judge.
    """
    with metrics.stage("drift") as measured, worklog.unit("drift", stage="drift", crawler=crawler) as figures:
        began = discovered.last_crawl(crawler)
        tables = discovered.tables(DISCOVERED_DATABASE)
        committed = {name: discovered.committed(INGESTED.database, name, began) for name in SOURCE_TABLES}
        told = differences(SOURCE_TABLES, tables, committed)
        new = [difference for difference in told if not any(one.covers(difference) for one in ACCEPTED)]
        batches = sum(len(names) for table in tables.values() for names in table.batches.values())
        figures.update(tables=len(tables), batches=batches, differences=len(new), accepted=len(told) - len(new))
        for difference in new:
            _say(difference)
        measured.record(metrics.DRIFT_DIFFERENCES, len(new))
        if new:
            measured.publish()
            raise DriftError([difference.told() for difference in new])
    return told


def _say(difference: Difference) -> None:
    worklog.say(
        "difference",
        status="different",
        stage="drift",
        table=difference.table,
        column=difference.column,
        fault=difference.fault,
        found=difference.found,
        declared=difference.declared,
        batches=len(difference.batches),
        first_batch=difference.batches[0] if difference.batches else None,
    )
