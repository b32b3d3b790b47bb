"""The load stage: loads every processed batch that the warehouse lacks, each in one transaction."""

from collections.abc import Mapping
from dataclasses import replace

from totelake.lake import freshness
from totelake.lake.batches import ProcessedBatch, ProcessedTable, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet
from totelake.runtime import log, metrics, retry
from totelake.runtime.errors import LogError
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import StageMetrics
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse import FilesByTable, OpenWarehouse, Warehouse

_SINGLE_BATCHES = 100
"""If an empty warehouse lacks more batches, they are loaded together, and have one ledger entry."""


@retry.retried("load", database="the warehouse")
def run(run: JobRun, processed: str, warehouse: Warehouse) -> None:
    """Load the batches of the bucket `processed` that the ledger of `warehouse` lacks, in order.

    Each batch is loaded atomically. A full refresh replaces all rows; with the job argument `rebuild` all active
    batches do, in one transaction. Raises `AlreadyRunningError` when another load is running, `LedgerError` when ledger
    and log disagree, `StagingError` when a batch is not staged completely or has duplicate keys, `WarehouseSchemaError`
    when tables do not match the declarations or lost their rows, which `rebuild` restores.
    """
    commit_log = CommitLog(processed, ProcessedBatch)
    with metrics.stage("load") as stage_metrics, warehouse.opened(run, processed) as opened:
        last = next(commit_log.backwards(), None)  # batches committed later may not be loaded by this run
        many = last is not None and last.sequence > _SINGLE_BATCHES
        if run.flag("rebuild") or (many and not opened.last_loaded()):
            _load_all(opened, run, commit_log, stage_metrics)
        else:
            _load_pending(opened, run, commit_log, stage_metrics)
        if (age := freshness.warehouse_age(run, last)) is not None:
            stage_metrics.record(metrics.WAREHOUSE_AGE, age)


def _load_all(
    opened: OpenWarehouse, run: JobRun, commit_log: CommitLog[ProcessedBatch], stage_metrics: StageMetrics
) -> None:
    """Replace all rows by those of all active batches, from the live files."""
    last, tables = next(commit_log.backwards(), None), commit_log.live_files().tables
    files = _files_by_table(run, commit_log, last, tables) if last else {}
    _load(opened, _entries(commit_log, last, tables), files, stage_metrics, full_refresh=True)


def _entries(
    commit_log: CommitLog[ProcessedBatch], last: ProcessedBatch | None, tables: Mapping[str, tuple[FileSet, ...]]
) -> list[ProcessedBatch]:
    """Return the batches for the ledger: all active ones or, if there are many, one that stands for all up to `last`.

    `tables` are the live file sets.
    """
    if last is None or last.sequence <= _SINGLE_BATCHES:
        return active_batches(commit_log.since(0))
    totals = {
        name: ProcessedTable("", sum(files.rows for files in sets), sum(files.bytes for files in sets))
        for name, sets in tables.items()
    }
    return [replace(last, first_ingested=1, tables=totals, replayed=())]


def _load_pending(
    opened: OpenWarehouse,
    run: JobRun,
    commit_log: CommitLog[ProcessedBatch],
    stage_metrics: StageMetrics,
) -> None:
    """Load the batches of `commit_log` that the ledger lacks, each in its own transaction."""
    pending = opened.pending(commit_log)
    if not pending:
        with log.span("load", stage="load", batches=0, total_rows=0):
            opened.ensure_schema()
        stage_metrics.record(metrics.ROWS_OUT, 0)
    for batch in pending:
        files = _files_by_table(run, commit_log, batch, batch.file_sets)
        full_refresh = batch.is_full_refresh and batch.sequence > 1
        _load(opened, [batch], files, stage_metrics, full_refresh=full_refresh)


def _load(
    opened: OpenWarehouse,
    batches: list[ProcessedBatch],
    files: FilesByTable,
    stage_metrics: StageMetrics,
    *,
    full_refresh: bool,
) -> None:
    """Load `batches` from `files` in one transaction; with `full_refresh` they replace all rows."""
    last = {"sequence": batches[-1].sequence, "batch_id": batches[-1].batch_id} if batches else {}
    with log.span("load", stage="load", batches=len(batches), rebuild=full_refresh, **last) as figures:
        merged = opened.load(batches, files, full_refresh=full_refresh)
        figures |= {"tables": len(merged), "total_rows": sum(merged.values())}
    for table, rows in merged.items():
        with log.span("table_loaded", stage="load", table=table, rows=rows):
            opened.after_load(STAR_TABLES[table], rows)
    stage_metrics.record(metrics.ROWS_OUT, sum(merged.values()))


def _files_by_table(
    run: JobRun,
    commit_log: CommitLog[ProcessedBatch],
    batch: ProcessedBatch,
    tables: Mapping[str, tuple[FileSet, ...]],
) -> FilesByTable:
    """Return the file sets of `tables`, which `batch` completes, by star table: dimensions before facts."""
    if unknown := tables.keys() - STAR_TABLES.keys():
        raise LogError(
            f"s3://{commit_log.bucket}: batch {batch.batch_id} has rows for {', '.join(sorted(unknown))}, which "
            f"this version ({run.code_version}) does not declare. Load it with the version that wrote it, "
            f"{batch.code_version}."
        )
    ordered = sorted(STAR_TABLES.values(), key=_is_fact)
    return {table: list(tables[table.name]) for table in ordered if table.name in tables}


def _is_fact(table: StarTable) -> bool:
    return table.is_fact
