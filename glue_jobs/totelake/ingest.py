"""The ingest stage: what changed in totesys since the last batch, at one snapshot, into the ingested bucket."""

from concurrent.futures import ThreadPoolExecutor

from totelake import attempts, boundaries, catalog, lake, worklog
from totelake.batches import IngestedBatch, IngestedTable
from totelake.connections import Login
from totelake.extract import Extract
from totelake.glue import JobRun
from totelake.land import Attempt, Chain, land, may_differ
from totelake.log import CommitLog
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
    deletable_share = run.share("deletable_share")
    log = CommitLog(bucket, IngestedBatch)
    catalog.register_committed(log, INGESTED)
    with worklog.unit("ingest", stage="ingest") as figures, open_source(login) as source:
        boundaries.reached(boundaries.SNAPSHOT_EXPORTED)
        chain = _chain(run, source, log)
        name = lake.batch_id(source.snapshot.taken_at, run.attempt_id)
        figures |= {"batch_id": name, "full": chain.since == EVERYTHING, "reload": chain.reload}
        found = [source.find(table) for table in SOURCE_TABLES.values()]
        counts = source.count(list(SOURCE_TABLES.values()), chain.since)
        touched = [table for table in found if may_differ(chain, table, counts[table.declared.name])]
        attempt = Attempt(Extract(run, login, source, chain.since), chain, name, deletable_share)
        tables = _land_all(attempt, touched, counts)
        figures |= {"tables": len(tables), "total_rows": sum(table.rows for table in tables.values())}
        if not tables and not chain.reload:
            return None
        batch = _batch(run, attempt, source, tables, counts)
        boundaries.reached(boundaries.BEFORE_LOG_CREATED)
        log.commit(batch)
    boundaries.reached(boundaries.LOG_CREATED)
    catalog.register(batch, INGESTED)
    boundaries.reached(boundaries.PARTITIONS_REGISTERED)
    return batch


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
