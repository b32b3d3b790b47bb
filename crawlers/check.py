"""The drift check: what the last crawl left in the catalog, held against the declared source tables."""

import json
from importlib.resources import files

from crawlers import found
from crawlers.judgement import Accepted, Difference, differences
from totelake import attempts, metrics, worklog
from totelake.errors import DriftError
from totelake.glue import JobRun
from totelake.tables import SOURCE_TABLES
from totelake.zones import DISCOVERED_DATABASE, INGESTED


@attempts.retried("drift")
def run(_run: JobRun, crawler: str) -> list[Difference]:
    """Hold what `crawler` found against the declarations; return the differences that were accepted before.

    The others are counted in the metric `DriftDifferences`, also when there are none, and each is a line of JSON.
    Raises `DriftError` when there are any, `CrawlError` where the last crawl left nothing to judge.
    """
    with metrics.stage("drift") as measured, worklog.unit("drift", stage="drift", crawler=crawler) as figures:
        began = found.last_crawl(crawler)
        tables = found.tables(DISCOVERED_DATABASE)
        committed = {name: found.committed(INGESTED.database, name, began) for name in SOURCE_TABLES}
        told = differences(SOURCE_TABLES, tables, committed)
        known = accepted()
        new = [difference for difference in told if not any(one.covers(difference) for one in known)]
        batches = sum(len(names) for table in tables.values() for names in table.batches.values())
        figures.update(tables=len(tables), batches=batches, differences=len(new), accepted=len(told) - len(new))
        for difference in new:
            _say(difference)
        measured.record(metrics.DRIFT_DIFFERENCES, len(new))
        if new:
            measured.publish()
            raise DriftError([difference.told() for difference in new])
    return told


def accepted() -> list[Accepted]:
    """Return the differences that `ingested.json` accepts."""
    declared = json.loads(files("crawlers").joinpath("ingested.json").read_text())
    return [Accepted(**one) for one in declared["accepted"]]


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
