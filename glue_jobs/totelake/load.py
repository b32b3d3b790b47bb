"""The load stage: every processed batch that the warehouse lacks, each in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from totelake import boundaries, worklog
from totelake.batches import ProcessedBatch
from totelake.connections import Login
from totelake.errors import LogError
from totelake.frames import schema
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse import ledger, shape, staging
from totelake.warehouse.merge import analyze, merge
from totelake.warehouse.session import open_warehouse

_TABLES_AT_ONCE = 4
# Above this a table's statistics are renewed at once; below it autovacuum is soon enough.
_MANY_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class _Load:
    """One run of the stage: the zone that it reads, and the warehouse with the connection that controls it."""

    run: JobRun
    bucket: str
    login: Login
    connection: psycopg.Connection


def run(run: JobRun, processed: str, warehouse: Login) -> None:
    """Load the batches of the bucket `processed` that the ledger of `warehouse` lacks, in their order.

    Each is there whole or not at all. Raises `AlreadyRunningError` when another load is under way, `LedgerError` when
    ledger and log disagree, `StagingError` when a batch did not reach staging whole, `WarehouseSchemaError` when a
    table has other columns than it declares.
    """
    log = CommitLog(processed, ProcessedBatch)
    with open_warehouse(warehouse, run.id) as connection:
        shape.apply(connection, with_foreign_keys=False)
        pending = ledger.pending(connection, log)
        if not pending:
            with worklog.unit("load", stage="load", batches=0):
                shape.apply(connection)
        for batch in pending:
            with worklog.unit("load", stage="load", sequence=batch.sequence, batch_id=batch.batch_id) as figures:
                merged = _load(_Load(run, processed, warehouse, connection), batch)
                figures |= {"tables": len(merged), "total_rows": sum(merged.values())}
            for table, rows in merged.items():
                with worklog.unit("table_loaded", stage="load", table=table, rows=rows):
                    if rows > _MANY_ROWS:
                        analyze(connection, STAR_TABLES[table])


def _load(load: _Load, batch: ProcessedBatch) -> dict[str, int]:
    """Load `batch`; return how many rows that inserted or changed in each table."""
    tables = _tables(load, batch)
    attempt = f"{batch.sequence}_{load.run.id.removeprefix('jr_')[:8]}"
    with staging.staging_tables(load.connection, tables, attempt) as staged:
        with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
            list(pool.map(lambda table: _stage(load, batch, table, staged[table.name]), tables))
        with load.connection.transaction():
            merged = {table.name: _merge(load, batch, table, staged[table.name]) for table in tables}
            shape.add_foreign_keys(load.connection)
            ledger.enter(load.connection, batch, load.run.id, load.run.code_version)
            boundaries.reached(boundaries.BEFORE_MERGE_COMMITTED)
        boundaries.reached(boundaries.MERGE_COMMITTED)
    return merged


def _tables(load: _Load, batch: ProcessedBatch) -> list[StarTable]:
    """Return the tables that `batch` has rows for, the dimensions before the facts that refer to them."""
    if unknown := batch.tables.keys() - STAR_TABLES.keys():
        raise LogError(
            f"s3://{load.bucket}: batch {batch.batch_id} has rows for {', '.join(sorted(unknown))}, which this version "
            f"({load.run.code_version}) does not declare. Load it with the version that wrote it, {batch.code_version}."
        )
    tables = [table for table in STAR_TABLES.values() if table.name in batch.tables and batch.tables[table.name].rows]
    return sorted(tables, key=lambda table: table.is_fact)


def _stage(load: _Load, batch: ProcessedBatch, table: StarTable, staging_table: str) -> None:
    with worklog.unit("stage_table", stage="load", table=table.name):
        path = f"s3://{load.bucket}/{batch.tables[table.name].path}"
        files = load.run.spark.read.option("recursiveFileLookup", "true")  # the warehouse has no use for month= folders
        staging.copy(files.schema(schema(table.stored_columns)).parquet(path), load.login, staging_table)
        boundaries.reached(boundaries.TABLE_STAGED)


def _merge(load: _Load, batch: ProcessedBatch, table: StarTable, staging_table: str) -> int:
    with worklog.unit("merge_table", stage="load", table=table.name) as figures:
        staging.check(load.connection, table, staging_table, batch.tables[table.name].rows)
        rows = figures["rows"] = merge(load.connection, table, staging_table)
        return rows
