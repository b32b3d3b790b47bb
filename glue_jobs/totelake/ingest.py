"""The ingest stage: what changed in totesys since the last batch, at one snapshot, into the ingested bucket."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from totelake import attempts, boundaries, catalog, freshness, lake, metrics, worklog
from totelake.batches import IngestedBatch, IngestedTable
from totelake.connections import Login
from totelake.extract import Extract
from totelake.glue import JobRun
from totelake.land import Attempt, Chain, land, may_differ
from totelake.log import CommitLog
from totelake.metrics import Measured
from totelake.source import EVERYTHING, Count, FoundTable, SourceReader, open_source
from totelake.tables import SOURCE_TABLES
from totelake.zones import INGESTED

_TABLES_AT_ONCE = 4


@attempts.retried("ingest", database="totesys")
def run(run: JobRun, login: Login, bucket: str) -> IngestedBatch | None:
    """Commit one batch of what changed in totesys to `bucket`, and return it; None when nothing changed.

    The argument `deletable_share` of the run replaces the share of each table that may vanish at once; `reload` makes
    it compare every row. Raises `SourceSchemaError` before a row is read when totesys is not as declared, and
    `MassDeletionError` when too much of a table is gone.
    """
    log = CommitLog(bucket, IngestedBatch)
    with metrics.stage("ingest") as measured:
        catalog.register_committed(log, INGESTED)
        with worklog.unit("ingest", stage="ingest") as figures, open_source(login) as source:
            boundaries.reached(boundaries.SNAPSHOT_EXPORTED)
            batch = _read(run, login, source, log, measured=measured, figures=figures)
            is_new = bool(batch.tables or batch.reload)
            if is_new:
                boundaries.reached(boundaries.BEFORE_LOG_CREATED)
                log.commit(batch)
        if is_new:
            boundaries.reached(boundaries.LOG_CREATED)
            catalog.register(batch, INGESTED)
            boundaries.reached(boundaries.PARTITIONS_REGISTERED)
        freshness.note(run, batch.snapshot.taken_at)
        return batch if is_new else None


def _read(
    run: JobRun,
    login: Login,
    source: SourceReader,
    log: CommitLog[IngestedBatch],
    *,
    measured: Measured,
    figures: dict[str, Any],
) -> IngestedBatch:
    """Write the files of the next batch and return it, also when nothing is in it."""
    deletable_share = run.share("deletable_share")
    chain = _chain(run, source, log)
    name = lake.batch_id(source.snapshot.taken_at, run.attempt_id)
    figures |= {"batch_id": name, "full": chain.since == EVERYTHING, "reload": chain.reload}
    found = [source.find(table) for table in SOURCE_TABLES.values()]
    counts = source.count(list(SOURCE_TABLES.values()), chain.since)
    touched = [table for table in found if may_differ(chain, table, counts[table.declared.name])]
    attempt = Attempt(Extract(run, login, source, chain.since), chain, name, deletable_share)
    batch = _batch(run, attempt, source, _land_all(attempt, touched, counts), counts)
    figures |= {"tables": len(batch.tables), "total_rows": sum(table.rows for table in batch.tables.values())}
    _measure(measured, chain, batch, counts)
    return batch


def _measure(measured: Measured, chain: Chain, batch: IngestedBatch, counts: dict[str, Count]) -> None:
    measured.record(metrics.ROWS_IN, {name: count.changed for name, count in counts.items() if count.changed})
    measured.record(metrics.ROWS_OUT, {name: table.rows for name, table in batch.tables.items()})
    measured.record(metrics.BYTES, sum(table.bytes for table in batch.tables.values()))
    last = batch if batch.tables or chain.previous is None else chain.previous
    if changes := [table.highest_last_updated for table in last.tables.values() if table.highest_last_updated]:
        age = freshness.seconds_since(max(changes), until=batch.snapshot.taken_at)
        measured.record(metrics.NEWEST_CHANGE, age)


def _chain(run: JobRun, source: SourceReader, log: CommitLog[IngestedBatch]) -> Chain:
    previous = next(log.backwards(), None)
    if previous is None:
        return Chain(log, previous, reload=None)
    reload = source.snapshot.break_after(previous.snapshot)
    if added := SOURCE_TABLES.keys() - previous.alive.keys():
        reload = reload or f"{', '.join(sorted(added))} was not ingested before"
    if run.flag("reload"):
        reload = reload or "the run was told to compare every row"
    return Chain(log, previous, reload)


def _land_all(attempt: Attempt, found: list[FoundTable], counts: dict[str, Count]) -> dict[str, IngestedTable]:
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        landed = list(pool.map(lambda table: _land(attempt, table, counts[table.declared.name]), found))
    return {table.declared.name: part for table, part in zip(found, landed, strict=True) if part}


def _land(attempt: Attempt, table: FoundTable, count: Count) -> IngestedTable | None:
    with worklog.unit("table_ingested", stage="ingest", table=table.declared.name) as figures:
        if table.extra:
            figures["undeclared_columns"] = list(table.extra)
        part = land(attempt, table, count)
        if part:
            boundaries.reached(boundaries.TABLE_WRITTEN)
        figures |= {"rows": part.rows if part else 0, "deletes": part.deletes if part else 0}
        return part


def _batch(
    run: JobRun, attempt: Attempt, source: SourceReader, tables: dict[str, IngestedTable], counts: dict[str, Count]
) -> IngestedBatch:
    chain = attempt.chain
    return IngestedBatch(
        sequence=(chain.previous.sequence if chain.previous else 0) + 1,
        batch_id=attempt.batch_id,
        full=chain.since == EVERYTHING,
        snapshot=source.snapshot,
        tables=tables,
        run_id=run.id,
        code_version=run.code_version,
        committed_at=lake.now(),
        alive={name: count.rows for name, count in counts.items()},
        reload=chain.reload,
    )
