"""The ingest stage: what changed in totesys since the last batch, at one snapshot, into the ingested bucket."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from totelake.ingest.baseline import Baseline
from totelake.ingest.changes import Attempt, land, may_differ
from totelake.ingest.extract import Extract
from totelake.ingest.source import Count, SourceReader, open_source
from totelake.ingest.source_checks import FoundTable
from totelake.lake import catalog, freshness, objects
from totelake.lake.batches import IngestedBatch, IngestedTable
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED
from totelake.runtime import failpoints, metrics, retry, worklog
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import Measured
from totelake.tables import SOURCE_TABLES

_TABLES_AT_ONCE = 4


@retry.retried("ingest", database="totesys")
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
            failpoints.hit(failpoints.SNAPSHOT_EXPORTED)
            batch = _read(run, login, source, log, measured=measured, figures=figures)
            is_new = bool(batch.tables or batch.reload or batch.reloaded)
            if is_new:
                failpoints.hit(failpoints.BEFORE_LOG_CREATED)
                log.commit(batch)
        if is_new:
            failpoints.hit(failpoints.LOG_CREATED)
            catalog.register(batch, INGESTED)
            failpoints.hit(failpoints.PARTITIONS_REGISTERED)
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
    deletable_share = run.fraction("deletable_share")
    found = source.find(list(SOURCE_TABLES.values()))
    chain = _chain(run, source, log, found)
    name = objects.batch_id(source.snapshot.taken_at, run.attempt_id)
    figures |= {"batch_id": name, "full": chain.is_full, "reload": chain.reload}
    counts = source.count(found, {table.name: chain.since(table.name) for table in found})
    chain, counts = _without_impossible(chain, counts)
    if chain.reloaded:
        figures["reloaded"] = dict(chain.reloaded)
    touched = [table for table in found if may_differ(chain, table, counts[table.name])]
    changed = [table for table in touched if counts[table.name].changed]
    widest = _widest(chain, source.check_changes(changed, {table.name: chain.since(table.name) for table in changed}))
    attempt = Attempt(Extract(run, login, source, widest), chain, name, deletable_share)
    batch = _batch(run, attempt, found, _land_all(attempt, touched, counts), counts)
    source.check_unaltered(found)
    figures |= {"tables": len(batch.tables), "total_rows": sum(table.rows for table in batch.tables.values())}
    _measure(measured, chain, batch, counts)
    return batch


def _measure(measured: Measured, chain: Baseline, batch: IngestedBatch, counts: dict[str, Count]) -> None:
    measured.record(metrics.ROWS_IN, {name: count.changed for name, count in counts.items() if count.changed})
    measured.record(metrics.ROWS_OUT, {name: table.rows for name, table in batch.tables.items()})
    measured.record(metrics.BYTES, sum(table.bytes for table in batch.tables.values()))
    last = batch if batch.tables or chain.previous is None else chain.previous
    if changes := [table.highest_last_updated for table in last.tables.values() if table.highest_last_updated]:
        age = freshness.seconds_since(max(changes), until=batch.snapshot.taken_at)
        measured.record(metrics.NEWEST_CHANGE, age)


def _chain(run: JobRun, source: SourceReader, log: CommitLog[IngestedBatch], found: list[FoundTable]) -> Baseline:
    previous = next(log.backwards(), None)
    if previous is None:
        return Baseline(log, previous)
    reload = source.snapshot.break_after(previous.snapshot)
    if run.flag("reload"):
        reload = reload or "the run was told to compare every row"
    if reload:
        return Baseline(log, previous, reload)
    reasons = {table.name: _reload_of(table, previous) for table in found}
    return Baseline(log, previous, reloaded={name: reason for name, reason in reasons.items() if reason})


def _reload_of(table: FoundTable, previous: IngestedBatch) -> str | None:
    """Return why the transaction ids of `table` do not tell all that changed since the `previous` batch, else None."""
    if table.name not in previous.alive:
        return "it was not ingested before"
    if table.name not in previous.identities:
        return "the last batch, of an older version, does not say which table it read"
    return table.found.identity.difference(previous.identities[table.name])


def _without_impossible(chain: Baseline, counts: dict[str, Count]) -> tuple[Baseline, dict[str, Count]]:
    """Return both so that no table has more unchanged rows than it had rows at the last batch: it is compared."""
    impossible = {
        name: f"{count.unchanged} rows seem unchanged since the last batch, which had {chain.alive(name)}"
        for name, count in counts.items()
        if chain.previous and count.unchanged > chain.alive(name)
    }
    all_changed = {name: replace(counts[name], changed=counts[name].rows) for name in impossible}
    return replace(chain, reloaded={**chain.reloaded, **impossible}), counts | all_changed


def _widest(chain: Baseline, changed: dict[str, int]) -> dict[str, int]:
    """Return the bytes that a row of each table has had at most, of which `changed` are those of the changed rows."""
    before = chain.previous.widest if chain.previous else {}
    return {name: max(before.get(name, 0), changed.get(name, 0)) for name in before | changed}


def _land_all(attempt: Attempt, found: list[FoundTable], counts: dict[str, Count]) -> dict[str, IngestedTable]:
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        landed = list(pool.map(lambda table: _land(attempt, table, counts[table.name]), found))
    return {table.name: part for table, part in zip(found, landed, strict=True) if part}


def _land(attempt: Attempt, table: FoundTable, count: Count) -> IngestedTable | None:
    with worklog.unit("table_ingested", stage="ingest", table=table.name) as figures:
        if reason := attempt.chain.reload_of(table.name):
            figures["compared_by_content"] = reason
        if table.extra:
            figures["undeclared_columns"] = list(table.extra)
        part = land(attempt, table, count)
        if part:
            failpoints.hit(failpoints.TABLE_WRITTEN)
        figures |= {"rows": part.rows if part else 0, "deletes": part.deletes if part else 0}
        return part


def _batch(
    run: JobRun,
    attempt: Attempt,
    found: list[FoundTable],
    tables: dict[str, IngestedTable],
    counts: dict[str, Count],
) -> IngestedBatch:
    chain = attempt.chain
    return IngestedBatch(
        sequence=(chain.previous.sequence if chain.previous else 0) + 1,
        batch_id=attempt.batch_id,
        full=chain.is_full,
        snapshot=attempt.extract.source.snapshot,
        tables=tables,
        run_id=run.id,
        code_version=run.code_version,
        committed_at=objects.now(),
        alive={name: count.rows for name, count in counts.items()},
        reload=chain.reload,
        identities={table.name: table.found.identity for table in found},
        reloaded=dict(chain.reloaded),
        widest=dict(attempt.extract.widest),
    )
