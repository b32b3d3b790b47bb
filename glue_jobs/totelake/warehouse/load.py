"""The load stage: every processed batch that the warehouse lacks, each in one transaction."""

from collections import Counter
from itertools import chain

from totelake.lake import freshness
from totelake.lake.batches import ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.runtime import metrics, retry, worklog
from totelake.runtime.errors import LogError
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import Measured
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse import FilesByTable, OpenWarehouse, Warehouse


@retry.retried("load", database="the warehouse")
def run(run: JobRun, processed: str, warehouse: Warehouse) -> None:
    """Load the batches of the bucket `processed` that the ledger of `warehouse` lacks, in their order.

    Each is there whole or not at all. A batch that rebuilds the zone takes the place of everything that was loaded,
    and so do all batches in force, in one transaction, with the argument `rebuild`. Raises `AlreadyRunningError` when
    another load is under way, `LedgerError` when ledger and log disagree, `StagingError` when a batch did not reach
    staging whole or has a key twice, `WarehouseSchemaError` when tables are not those that were declared and loaded:
    what is missing or empty although rows of it were loaded comes back with `rebuild`.
    """
    log = CommitLog(processed, ProcessedBatch)
    with metrics.stage("load") as measured, warehouse.opened(run, processed) as opened:
        last = next(log.backwards(), None)  # what is committed from here on need not be loaded in the end
        if run.flag("rebuild"):
            _load(opened, run, log, active_batches(log.since(0)), measured, full_refresh=True)
        else:
            _load_pending(opened, run, log, measured)
        if (age := freshness.warehouse_age(run, last)) is not None:
            measured.record(metrics.WAREHOUSE_AGE, age)


def _load_pending(opened: OpenWarehouse, run: JobRun, log: CommitLog[ProcessedBatch], measured: Measured) -> None:
    """Load what the ledger lacks of `log`, each batch in a transaction of its own."""
    pending = opened.pending(log)
    if not pending:
        with worklog.unit("load", stage="load", batches=0, total_rows=0):
            opened.ensure_schema()
        _measure(measured, [], {})
    for batch in pending:
        _load(opened, run, log, [batch], measured, full_refresh=batch.first_ingested == 1 and batch.sequence > 1)


def _load(
    opened: OpenWarehouse,
    run: JobRun,
    log: CommitLog[ProcessedBatch],
    batches: list[ProcessedBatch],
    measured: Measured,
    *,
    full_refresh: bool,
) -> None:
    """Load `batches` in one transaction, in the place of everything that is there when `full_refresh`."""
    names = {"sequence": batches[-1].sequence, "batch_id": batches[-1].batch_id} if batches else {}
    with worklog.unit("load", stage="load", batches=len(batches), rebuild=full_refresh, **names) as figures:
        merged = opened.load(batches, _parts(run, log, batches), full_refresh=full_refresh)
        figures |= {"tables": len(merged), "total_rows": sum(merged.values())}
    for table, rows in merged.items():
        with worklog.unit("table_loaded", stage="load", table=table, rows=rows):
            opened.after_load(STAR_TABLES[table], rows)
    _measure(measured, batches, merged)


def _measure(measured: Measured, batches: list[ProcessedBatch], merged: dict[str, int]) -> None:
    measured.record(metrics.ROWS_IN, sum((batch.rows for batch in batches), Counter()))
    measured.record(metrics.ROWS_OUT, merged)
    measured.record(metrics.BYTES, sum(batch.bytes for batch in batches))


def _parts(run: JobRun, log: CommitLog[ProcessedBatch], batches: list[ProcessedBatch]) -> FilesByTable:
    """Return what `batches` have of each table, the dimensions before the facts that refer to them."""
    parts: FilesByTable = {table: [] for table in sorted(STAR_TABLES.values(), key=_is_fact)}
    for batch in chain.from_iterable(batch.parts for batch in batches):
        if unknown := batch.tables.keys() - STAR_TABLES.keys():
            raise LogError(
                f"s3://{log.bucket}: batch {batch.batch_id} has rows for {', '.join(sorted(unknown))}, which this "
                f"version ({run.code_version}) does not declare. Load it with the version that wrote it, "
                f"{batch.code_version}."
            )
        for name, table in batch.tables.items():
            parts[STAR_TABLES[name]].append(table)
    return {table: found for table, found in parts.items() if found}


def _is_fact(table: StarTable) -> bool:
    return table.is_fact
