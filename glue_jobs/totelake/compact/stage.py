"""The compact stage: merges the small files of both zones, and keeps the catalog's partitions to the live files."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3

from totelake.compact.merge import Merge
from totelake.compact.plan import mergeable
from totelake.lake import catalog, objects
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.checkpoints import Checkpoint
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.lake.zones import INGESTED, PROCESSED, Zone
from totelake.runtime import failpoints, log, metrics, retry
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import StageMetrics
from totelake.tables import SOURCE_TABLES, STAR_TABLES, SourceTable, StarTable
from totelake.tables.lineage import LOOKUPS

_TABLES_AT_ONCE = 4
_WIDTH_OF_CALENDAR = 200

type _Replaced = dict[str, tuple[tuple[FileSet, ...], FileSet]]
"""The file sets that a compaction replaces in each table, and the one that it replaces them by."""


@dataclass(frozen=True, slots=True)
class _ZoneToCompact:
    """A zone with its bucket, its type of batch, and its tables."""

    zone: Zone
    bucket: str
    batch: type[IngestedBatch | ProcessedBatch]
    tables: Mapping[str, SourceTable] | Mapping[str, StarTable]

    def log(self) -> CommitLog[Any]:
        """Return its commit log as it is now."""
        return CommitLog(self.bucket, self.batch)


@retry.retried("compact")
def run(run: JobRun, ingested: str, processed: str) -> None:
    """Merge the small files of the buckets `ingested` and `processed`.

    Readers go on with the files that they know: none is changed or removed. Runs of other stages, and another run of
    this one, may take place at the same time.
    """
    with metrics.stage("compact") as stage_metrics:
        last = next(CommitLog(ingested, IngestedBatch).backwards(), None)
        widest = last.widest if last else {}
        sources = _ZoneToCompact(INGESTED, ingested, IngestedBatch, SOURCE_TABLES)
        stars = _ZoneToCompact(PROCESSED, processed, ProcessedBatch, STAR_TABLES)
        live = [
            _compact(run, sources, widest),
            _compact(run, stars, {name: _width(table, widest) for name, table in STAR_TABLES.items()}),
        ]
        _measure(stage_metrics, [each for files in live for sets in files.tables.values() for each in sets])


def _width(table: StarTable, widest: Mapping[str, int]) -> int:
    """Return the maximum size in bytes of a row of `table`: the sum of the rows from which it is derived."""
    sources = {table.source, *(lookup.key.table.name for lookup in LOOKUPS[table.name])}
    return sum(widest.get(source, 0) for source in sources) if table.source else _WIDTH_OF_CALENDAR


def _compact(run: JobRun, zone: _ZoneToCompact, widest: Mapping[str, int]) -> LiveFiles:
    """Merge what is to be merged in one zone; return its live files."""
    with log.span("compact", stage="compact", zone=zone.zone.name) as figures:
        files = zone.log().live_files()
        batch_id = objects.compaction_id(objects.now(), run.attempt_id)
        merge = Merge(run, zone.bucket, batch_id, widest, s3_for_readers(boto3))
        groups = {
            name: group
            for name, table in zone.tables.items()
            for group in mergeable(files.of(name), files.sequence)[-1:]
        }
        with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
            merged = pool.map(lambda name: _merge(merge, zone.tables[name], groups[name]), groups)
            replaced = {name: (groups[name], by) for name, by in zip(groups, merged, strict=True)}
        figures |= {"batch_id": batch_id, "tables": len(replaced)}
        figures["replaced_sets"] = sum(len(sets) for sets, _ in replaced.values())
        figures["total_rows"] = sum(by.rows for _, by in replaced.values())
        if replaced:
            failpoints.hit(failpoints.BEFORE_LOG_CREATED)
            replaced = _commit(run, zone, batch_id, replaced)
            failpoints.hit(failpoints.LOG_CREATED)
        live = _update_catalog(zone)
        failpoints.hit(failpoints.PARTITIONS_REGISTERED)
        return live


def _merge(merge: Merge, table: SourceTable | StarTable, sets: tuple[FileSet, ...]) -> FileSet:
    with log.span("table_compacted", stage="compact", table=table.name, sets=len(sets)) as figures:
        merged = merge.merged(table, sets)
        failpoints.hit(failpoints.TABLE_WRITTEN)
        figures |= {"rows": merged.rows, "files": len(merged.files), "bytes": merged.bytes}
        return merged


def _commit(run: JobRun, zone: _ZoneToCompact, batch_id: str, replaced: _Replaced) -> _Replaced:
    """Write the checkpoint in which the file sets are replaced; return those that were still live.

    If another writer takes its number, it is derived again from what that one wrote.
    """
    while True:
        commit_log = zone.log()
        files, applied = commit_log.live_files(), dict[str, tuple[tuple[FileSet, ...], FileSet]]()
        for table, (sets, by) in replaced.items():
            if (without := files.replacing(table, sets, by)) is not None:
                files = without
                applied[table] = sets, by
        if not applied:
            log.event("compaction_superseded", stage="compact", zone=zone.zone.name, batch_id=batch_id)
            return applied
        checkpoint = Checkpoint(
            commit_log.next_checkpoint,
            files,
            run.id,
            run.code_version,
            objects.now(),
            compaction=batch_id,
            replaced={table: sets for table, (sets, _) in applied.items()},
        )
        if commit_log.checkpoints.write(checkpoint):
            return applied


def _update_catalog(zone: _ZoneToCompact) -> LiveFiles:
    """Register the partitions of live files that the catalog lacks, and remove those of files that are not live.

    A query in between meets a row in both, or in one of them, never in none.
    """
    registered = {name: catalog.partitions(zone.zone, name) for name in zone.tables}
    # Read after the partitions: what was registered then and is not live now will never be live again.
    live = zone.log().live_files()
    catalog.create(zone.zone, {name: _unregistered(live.of(name), registered[name]) for name in zone.tables})
    for name, values in registered.items():
        catalog.remove_others(zone.zone, name, values, live.of(name))
    return live


def _unregistered(sets: tuple[FileSet, ...], registered: list[list[str]]) -> list[FileSet]:
    """Return those of `sets` of which a partition is not among the `registered` ones."""
    known = set(map(tuple, registered))
    return [files for files in sets if not known.issuperset(part.values for part in catalog.partitions_of(files))]


def _measure(stage_metrics: StageMetrics, sets: list[FileSet]) -> None:
    sizes = [file.bytes for each in sets for file in each.files]
    stage_metrics.record(metrics.LIVE_FILES, len(sizes))
    stage_metrics.record(metrics.LIVE_PARTITIONS, sum(len(each.months) or 1 for each in sets))
    if sizes:
        stage_metrics.record(metrics.FILE_BYTES, sum(sizes) / len(sizes))
