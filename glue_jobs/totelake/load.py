"""The load stage: every processed batch that the warehouse lacks, each in one transaction."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from uuid import uuid4

import psycopg

from totelake import attempts, boundaries, freshness, metrics, worklog
from totelake.batches import ProcessedBatch, ProcessedTable, in_force
from totelake.connections import Login
from totelake.errors import LogError
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.metrics import Measured
from totelake.tables import STAR_TABLES, StarTable
from totelake.versions import written_versions
from totelake.warehouse import ledger, shape, staging
from totelake.warehouse.merge import analyze, merge
from totelake.warehouse.session import open_warehouse

_TABLES_AT_ONCE = 4
# Above this a table's statistics are renewed at once; below it autovacuum is soon enough.
_MANY_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class _Load:
    """One run of the stage: the zone that it reads, the warehouse with its connection, what it measured."""

    run: JobRun
    bucket: str
    login: Login
    connection: psycopg.Connection
    measured: Measured


@attempts.retried("load", database="the warehouse")
def run(run: JobRun, processed: str, warehouse: Login) -> None:
    """Load the batches of the bucket `processed` that the ledger of `warehouse` lacks, in their order.

    Each is there whole or not at all. A batch that begins the zone anew takes the place of everything that was loaded,
    and so do all batches in force, in one transaction, with the argument `rebuild`. Raises `AlreadyRunningError` when
    another load is under way, `LedgerError` when ledger and log disagree, `StagingError` when a batch did not reach
    staging whole, `WarehouseSchemaError` when a table has other columns than it declares.
    """
    log = CommitLog(processed, ProcessedBatch)
    with metrics.stage("load") as measured, open_warehouse(warehouse, run.id) as connection:
        last = next(log.backwards(), None)  # what is committed from here on need not be loaded in the end
        shape.apply(connection, with_foreign_keys=False)
        load = _Load(run, processed, warehouse, connection, measured)
        if run.flag("rebuild"):
            _run(load, in_force(log.since(0)), anew=True)
        else:
            _run_pending(load, ledger.pending(connection, log))
        if (age := freshness.warehouse_age(run, last)) is not None:
            measured.record(metrics.WAREHOUSE_AGE, age)


def _run_pending(load: _Load, pending: list[ProcessedBatch]) -> None:
    """Load the `pending` batches, each in a transaction of its own."""
    if not pending:
        with worklog.unit("load", stage="load", batches=0, total_rows=0):
            shape.apply(load.connection)
        _measure(load, [], {})
    for batch in pending:
        _run(load, [batch], anew=batch.first_ingested == 1 and batch.sequence > 1)


def _run(load: _Load, batches: list[ProcessedBatch], *, anew: bool) -> None:
    """Load `batches` in one transaction, in the place of everything that is there when `anew`."""
    names = {"sequence": batches[-1].sequence, "batch_id": batches[-1].batch_id} if batches else {}
    with worklog.unit("load", stage="load", batches=len(batches), rebuild=anew, **names) as figures:
        merged = _load(load, batches, anew=anew)
        figures |= {"tables": len(merged), "total_rows": sum(merged.values())}
    for table, rows in merged.items():
        with worklog.unit("table_loaded", stage="load", table=table, rows=rows):
            if rows > _MANY_ROWS:
                analyze(load.connection, STAR_TABLES[table])
    _measure(load, batches, merged)


def _measure(load: _Load, batches: list[ProcessedBatch], merged: dict[str, int]) -> None:
    load.measured.record(metrics.ROWS_IN, sum((batch.rows for batch in batches), Counter()))
    load.measured.record(metrics.ROWS_OUT, merged)
    load.measured.record(metrics.BYTES, sum(batch.bytes for batch in batches))


def _load(load: _Load, batches: list[ProcessedBatch], *, anew: bool) -> dict[str, int]:
    """Load `batches`; return how many rows that inserted or changed in each table."""
    parts = _parts(load, batches)
    tables = [STAR_TABLES[name] for name in parts]
    with staging.staging_tables(load.connection, tables, uuid4().hex[:12]) as staged:
        with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
            list(pool.map(lambda table: _stage(load, table, parts[table.name], staged[table.name]), tables))
        with load.connection.transaction():
            if anew:
                shape.empty(load.connection)
                ledger.forget(load.connection)
            merged = {table.name: _merge(load, table, parts[table.name], staged[table.name]) for table in tables}
            shape.add_foreign_keys(load.connection)
            for batch in batches:
                ledger.enter(load.connection, batch, load.run.id, load.run.code_version)
            boundaries.reached(boundaries.BEFORE_MERGE_COMMITTED)
        boundaries.reached(boundaries.MERGE_COMMITTED)
    return merged


def _parts(load: _Load, batches: list[ProcessedBatch]) -> dict[str, list[ProcessedTable]]:
    """Return what `batches` have of each table, the dimensions before the facts that refer to them."""
    parts: dict[str, list[ProcessedTable]] = {name: [] for name in sorted(STAR_TABLES, key=_is_fact)}
    for batch in chain.from_iterable(batch.parts for batch in batches):
        if unknown := batch.tables.keys() - STAR_TABLES.keys():
            raise LogError(
                f"s3://{load.bucket}: batch {batch.batch_id} has rows for {', '.join(sorted(unknown))}, which this "
                f"version ({load.run.code_version}) does not declare. Load it with the version that wrote it, "
                f"{batch.code_version}."
            )
        for name, table in batch.tables.items():
            parts[name].append(table)
    return {name: found for name, found in parts.items() if found}


def _is_fact(name: str) -> bool:
    return STAR_TABLES[name].is_fact


def _stage(load: _Load, table: StarTable, parts: list[ProcessedTable], staging_table: str) -> None:
    with worklog.unit("stage_table", stage="load", table=table.name, rows=sum(part.rows for part in parts)):
        rows = written_versions(load.run.spark, load.bucket, table, [part.path for part in parts])
        staging.copy(rows, load.login, staging_table)
        boundaries.reached(boundaries.TABLE_STAGED)


def _merge(load: _Load, table: StarTable, parts: list[ProcessedTable], staging_table: str) -> int:
    with worklog.unit("merge_table", stage="load", table=table.name) as figures:
        staging.check(load.connection, table, staging_table, sum(part.rows for part in parts))
        rows = figures["rows"] = merge(load.connection, table, staging_table)
        return rows
