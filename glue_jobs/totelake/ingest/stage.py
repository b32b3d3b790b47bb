"""The ingest stage: the changes in totesys since the last batch, read at one snapshot, into the ingested bucket."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3

from totelake.ingest.baseline import Baseline
from totelake.ingest.changes import IngestAttempt, write_changes
from totelake.ingest.deletions import tables_to_compare
from totelake.ingest.extract import Extract
from totelake.ingest.source import Count, SourceReader, open_source
from totelake.ingest.source_checks import ResolvedTable
from totelake.lake import catalog, freshness, objects
from totelake.lake.batches import IngestedBatch, IngestedTable
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED
from totelake.runtime import failpoints, log, metrics, retry
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import StageMetrics
from totelake.tables import SOURCE_TABLES

_TABLES_AT_ONCE = 4


@retry.retried("ingest", database="totesys")
def run(run: JobRun, login: Login, bucket: str) -> IngestedBatch | None:
    """Commit one batch of the changes in totesys to `bucket`, and return it; None when nothing changed.

    The job argument `deletable_share` overrides each table's own; `reload` compares all rows by content. Raises
    `SourceSchemaError` before a row is read when totesys does not match its declaration, and `MassDeletionError` when
    too many rows of a table were deleted.
    """
    commit_log = CommitLog(bucket, IngestedBatch)
    with metrics.stage("ingest") as stage_metrics:
        catalog.register_committed(commit_log, INGESTED)
        with log.span("ingest", stage="ingest") as figures, open_source(login) as source:
            failpoints.hit(failpoints.SNAPSHOT_EXPORTED)
            batch = _read(run, login, source, commit_log, stage_metrics=stage_metrics, figures=figures)
            is_new = bool(batch.tables or batch.reload or batch.reloaded)
            if is_new:
                failpoints.hit(failpoints.BEFORE_LOG_CREATED)
                commit_log.commit(batch)
        if is_new:
            failpoints.hit(failpoints.LOG_CREATED)
            catalog.register(batch, INGESTED, commit_log.live_files())
            failpoints.hit(failpoints.PARTITIONS_REGISTERED)
        freshness.record_ingested_up_to(run, batch.snapshot.taken_at)
        return batch if is_new else None


def _read(
    run: JobRun,
    login: Login,
    source: SourceReader,
    commit_log: CommitLog[IngestedBatch],
    *,
    stage_metrics: StageMetrics,
    figures: dict[str, Any],
) -> IngestedBatch:
    """Write the files of the next batch and return it, even if it is empty."""
    deletable_share = run.fraction("deletable_share")
    tables = source.resolve(list(SOURCE_TABLES.values()))
    baseline = _baseline(run, source, commit_log, tables)
    batch_id = objects.batch_id(source.snapshot.taken_at, run.attempt_id)
    figures |= {"batch_id": batch_id, "full": baseline.is_full, "reload": baseline.reload}
    counts = source.count(tables, {table.name: baseline.since(table.name) for table in tables})
    baseline, counts = _with_implausible_counts_compared(baseline, counts)
    if baseline.reloaded:
        figures["reloaded"] = dict(baseline.reloaded)
    source.locate_changes(tables, {table.name: baseline.since(table.name) for table in tables}, counts)
    compared = tables_to_compare(baseline, source, tables, counts)
    touched = [table for table in tables if counts[table.name].changed or table.name in compared]
    changed = [table for table in touched if counts[table.name].changed]
    widest_changed = source.check_changes(changed, {table.name: baseline.since(table.name) for table in changed})
    extract = Extract(run, login, source, _max_row_bytes(baseline, widest_changed))
    attempt = IngestAttempt(extract, baseline, batch_id, deletable_share, s3_for_readers(boto3))
    if touched:
        run.expect(sum(_rows_to_read(baseline, counts[table.name], table.name, compared) for table in touched))
    written = _write_all(attempt, touched, counts, compared)
    batch = _batch(run, attempt, tables, written=written, counts=counts)
    source.check_unaltered(tables)
    figures |= {"tables": len(batch.tables), "total_rows": sum(table.rows for table in batch.tables.values())}
    _measure(stage_metrics, baseline, batch)
    return batch


def _measure(stage_metrics: StageMetrics, baseline: Baseline, batch: IngestedBatch) -> None:
    stage_metrics.record(metrics.ROWS_OUT, sum(table.rows for table in batch.tables.values()))
    stage_metrics.record(metrics.BYTES, sum(table.bytes for table in batch.tables.values()))
    last = batch if batch.tables or baseline.previous is None else baseline.previous
    if changes := [table.highest_last_updated for table in last.tables.values() if table.highest_last_updated]:
        age = freshness.seconds_since(max(changes), until=batch.snapshot.taken_at)
        stage_metrics.record(metrics.NEWEST_CHANGE, age)


def _baseline(
    run: JobRun, source: SourceReader, commit_log: CommitLog[IngestedBatch], tables: list[ResolvedTable]
) -> Baseline:
    previous = next(commit_log.backwards(), None)
    if previous is None:
        return Baseline(commit_log, previous)
    reload = source.snapshot.break_after(previous.snapshot)
    if run.flag("reload"):
        reload = reload or "the job argument reload was given"
    if reload:
        return Baseline(commit_log, previous, reload)
    reasons = {table.name: _reload_of(table, previous) for table in tables}
    return Baseline(commit_log, previous, reloaded={name: reason for name, reason in reasons.items() if reason})


def _reload_of(table: ResolvedTable, previous: IngestedBatch) -> str | None:
    """Return why transaction ids do not identify all changes of `table` since the `previous` batch, else None."""
    if table.name not in previous.alive:
        return "it was not ingested before"
    if table.name not in previous.identities:
        return "the last batch was written by an older version that did not record the table's identity"
    return table.actual.identity.difference(previous.identities[table.name])


def _with_implausible_counts_compared(
    baseline: Baseline, counts: dict[str, Count]
) -> tuple[Baseline, dict[str, Count]]:
    """Return both with every table compared by content that has more unchanged rows than rows at the last batch."""
    implausible = {
        name: f"{count.unchanged} rows seem unchanged since the last batch, which had {baseline.alive(name)}"
        for name, count in counts.items()
        if baseline.previous and count.unchanged > baseline.alive(name)
    }
    all_changed = {name: replace(counts[name], changed=counts[name].rows) for name in implausible}
    return replace(baseline, reloaded={**baseline.reloaded, **implausible}), counts | all_changed


def _max_row_bytes(baseline: Baseline, changed: dict[str, int]) -> dict[str, int]:
    """Return the maximum size of a row of each table up to now, from those of the `changed` rows and before."""
    before = baseline.previous.widest if baseline.previous else {}
    return {name: max(before.get(name, 0), changed.get(name, 0)) for name in before | changed}


def _rows_to_read(baseline: Baseline, count: Count, table: str, compared: frozenset[str]) -> int:
    """Return the number of rows of `table` to be read from totesys and, if they are compared, from the lake."""
    keys = count.rows + baseline.alive(table) if table in compared else 0
    return count.changed + keys + (baseline.alive(table) if baseline.reload_of(table) else 0)


def _write_all(
    attempt: IngestAttempt, tables: list[ResolvedTable], counts: dict[str, Count], compared: frozenset[str]
) -> dict[str, IngestedTable]:
    def write(table: ResolvedTable) -> IngestedTable | None:
        return _write_table(attempt, table, counts[table.name], compare_keys=table.name in compared)

    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        written = list(pool.map(write, tables))
    return {table.name: result for table, result in zip(tables, written, strict=True) if result}


def _write_table(
    attempt: IngestAttempt, table: ResolvedTable, count: Count, *, compare_keys: bool
) -> IngestedTable | None:
    with log.span("table_ingested", stage="ingest", table=table.name) as figures:
        if reason := attempt.baseline.reload_of(table.name):
            figures["compared_by_content"] = reason
        if table.undeclared:
            figures["undeclared_columns"] = list(table.undeclared)
        result = write_changes(attempt, table, count, compare_keys=compare_keys)
        if result:
            failpoints.hit(failpoints.TABLE_WRITTEN)
        figures |= {"rows": result.rows if result else 0, "deletes": result.deletes if result else 0}
        return result


def _batch(
    run: JobRun,
    attempt: IngestAttempt,
    tables: list[ResolvedTable],
    *,
    written: dict[str, IngestedTable],
    counts: dict[str, Count],
) -> IngestedBatch:
    baseline = attempt.baseline
    return IngestedBatch(
        sequence=(baseline.previous.sequence if baseline.previous else 0) + 1,
        batch_id=attempt.batch_id,
        full=baseline.is_full,
        snapshot=attempt.extract.source.snapshot,
        tables=written,
        run_id=run.id,
        code_version=run.code_version,
        committed_at=objects.now(),
        alive={name: count.rows for name, count in counts.items()},
        reload=baseline.reload,
        identities={table.name: table.actual.identity for table in tables},
        reloaded=dict(baseline.reloaded),
        widest=dict(attempt.extract.max_row_bytes),
    )
