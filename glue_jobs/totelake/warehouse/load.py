"""The load stage: loads every processed batch that the warehouse lacks, each in one transaction."""

from collections import Counter
from itertools import chain

from totelake.lake import freshness
from totelake.lake.batches import ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.runtime import log, metrics, retry
from totelake.runtime.errors import LogError
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import StageMetrics
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse import FilesByTable, OpenWarehouse, Warehouse


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
        if run.flag("rebuild"):
            _load(opened, run, commit_log, active_batches(commit_log.since(0)), stage_metrics, full_refresh=True)
        else:
            _load_pending(opened, run, commit_log, stage_metrics)
        if (age := freshness.warehouse_age(run, last)) is not None:
            stage_metrics.record(metrics.WAREHOUSE_AGE, age)


def _load_pending(
    opened: OpenWarehouse, run: JobRun, commit_log: CommitLog[ProcessedBatch], stage_metrics: StageMetrics
) -> None:
    """Load the batches of `commit_log` that the ledger lacks, each in its own transaction."""
    pending = opened.pending(commit_log)
    if not pending:
        with log.span("load", stage="load", batches=0, total_rows=0):
            opened.ensure_schema()
        _measure(stage_metrics, [], {})
    for batch in pending:
        _load(
            opened,
            run,
            commit_log,
            [batch],
            stage_metrics,
            full_refresh=batch.is_full_refresh and batch.sequence > 1,
        )


def _load(
    opened: OpenWarehouse,
    run: JobRun,
    commit_log: CommitLog[ProcessedBatch],
    batches: list[ProcessedBatch],
    stage_metrics: StageMetrics,
    *,
    full_refresh: bool,
) -> None:
    """Load `batches` in one transaction; with `full_refresh` they replace all rows."""
    last = {"sequence": batches[-1].sequence, "batch_id": batches[-1].batch_id} if batches else {}
    with log.span("load", stage="load", batches=len(batches), rebuild=full_refresh, **last) as figures:
        merged = opened.load(batches, _files_by_table(run, commit_log, batches), full_refresh=full_refresh)
        figures |= {"tables": len(merged), "total_rows": sum(merged.values())}
    for table, rows in merged.items():
        with log.span("table_loaded", stage="load", table=table, rows=rows):
            opened.after_load(STAR_TABLES[table], rows)
    _measure(stage_metrics, batches, merged)


def _measure(stage_metrics: StageMetrics, batches: list[ProcessedBatch], merged: dict[str, int]) -> None:
    stage_metrics.record(metrics.ROWS_IN, sum((batch.rows for batch in batches), Counter()))
    stage_metrics.record(metrics.ROWS_OUT, merged)
    stage_metrics.record(metrics.BYTES, sum(batch.bytes for batch in batches))


def _files_by_table(run: JobRun, commit_log: CommitLog[ProcessedBatch], batches: list[ProcessedBatch]) -> FilesByTable:
    """Return the files of `batches` by star table, dimensions before the facts that reference them."""
    files: FilesByTable = {table: [] for table in sorted(STAR_TABLES.values(), key=_is_fact)}
    for batch in chain.from_iterable(batch.parts for batch in batches):
        if unknown := batch.tables.keys() - STAR_TABLES.keys():
            raise LogError(
                f"s3://{commit_log.bucket}: batch {batch.batch_id} has rows for {', '.join(sorted(unknown))}, which "
                f"this version ({run.code_version}) does not declare. Load it with the version that wrote it, "
                f"{batch.code_version}."
            )
        for name, table in batch.tables.items():
            files[STAR_TABLES[name]].append(table)
    return {table: tables for table, tables in files.items() if tables}


def _is_fact(table: StarTable) -> bool:
    return table.is_fact
