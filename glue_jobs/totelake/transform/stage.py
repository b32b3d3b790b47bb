"""The transform stage: builds the star tables from the batches ingested since the last run."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import boto3

from totelake.lake import catalog, freshness, objects
from totelake.lake.batches import IngestedBatch, ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import LiveFiles
from totelake.lake.zones import PROCESSED
from totelake.runtime import failpoints, log, metrics, retry
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.errors import LogError
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import StageMetrics
from totelake.tables import STAR_TABLES
from totelake.transform.attempt import TableResult, TransformAttempt
from totelake.transform.dimension import build_dimension
from totelake.transform.fact import build_fact, pending_versions
from totelake.transform.quarantine import DEFAULT_SHARE
from totelake.transform.references import missing_references
from totelake.transform.star_tables import TRANSFORMS

_TABLES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Stage:
    """One run of the stage: its buckets, the sequence number to commit, a client of S3."""

    run: JobRun
    ingested: str
    processed: str
    sequence: int
    quarantine_share: float
    s3: Any

    def batch(
        self,
        sources: LiveFiles,
        pending: Sequence[IngestedBatch],
        written: LiveFiles,
        previous: ProcessedBatch | None,
        quarantine_share: float | None = None,
    ) -> ProcessedBatch:
        """Write the batch that covers the `pending` ones; `sources` has their files, `written` those of `previous`."""
        attempt = TransformAttempt(
            self.run.spark,
            self.ingested,
            self.processed,
            objects.batch_id(pending[-1].snapshot.taken_at, self.run.attempt_id),
            sources,
            tuple(pending),
            written,
            previous,
            self.quarantine_share if quarantine_share is None else quarantine_share,
            self.s3,
        )
        return self._batch(attempt, _results(attempt))

    def replayed(self, known: list[IngestedBatch], written: list[ProcessedBatch]) -> ProcessedBatch:
        """Write each of the batches `written` again, then the pending ones, and return the batch that consists of them.

        `known` are all ingested batches. Rows that break a rule are quarantined again, without a limit.
        """
        parts: tuple[ProcessedBatch, ...] = ()
        covered = [batch.last_ingested for batch in written]
        for first, last in pairwise([0, *covered, *([len(known)] if len(known) > covered[-1] else [])]):
            with log.span("batch_replayed", stage="transform", last_ingested=last, of=len(known)) as figures:
                sources, before = LiveFiles().after(known[:last]), LiveFiles().after(parts)
                share = 1 if last <= covered[-1] else None
                part = self.batch(sources, known[first:last], before, parts[-1] if parts else None, share)
                figures["total_rows"] = part.rows.total()
                parts = (*parts, part)
        return replace(parts[-1], first_ingested=1, tables={}, quarantined={}, broken={}, replayed=parts)

    def _batch(self, attempt: TransformAttempt, results: dict[str, TableResult]) -> ProcessedBatch:
        return ProcessedBatch(
            sequence=self.sequence,
            batch_id=attempt.batch_id,
            first_ingested=attempt.covered + 1,
            last_ingested=attempt.pending[-1].sequence,
            snapshot_taken_at=attempt.pending[-1].snapshot.taken_at,
            tables={name: result.table for name, result in results.items() if result.table},
            run_id=self.run.id,
            code_version=self.run.code_version,
            committed_at=objects.now(),
            quarantined={name: rows for name, result in results.items() if (rows := result.newly_quarantined)},
            broken={name: result.broken for name, result in results.items() if result.broken},
            held={name: result.quarantined for name, result in results.items() if result.quarantined},
        )


@retry.retried("transform")
def run(run: JobRun, ingested: str, processed: str) -> ProcessedBatch | None:
    """Commit one batch that covers all ingested batches since the last one, and return it; None if nothing is pending.

    `ingested` and `processed` are the buckets. Facts get every new version, dimensions the rows that differ from those
    written before; rows that break a rule are quarantined. With the job argument `rebuild` the batch replaces all
    earlier ones: each is written again, from the same ingested batches. Raises `QuarantineError` when more rows of a
    table break its rules than the job argument `quarantine_share` permits.
    """
    ingested_log, processed_log = CommitLog(ingested, IngestedBatch), CommitLog(processed, ProcessedBatch)
    with metrics.stage("transform") as stage_metrics:
        catalog.register_committed(processed_log, PROCESSED)
        batch = _run(run, ingested_log, processed_log, stage_metrics)
        if batch:
            failpoints.hit(failpoints.LOG_CREATED)
            stage_metrics.publish()  # before anything else can fail: a retry would have nothing pending to measure
            catalog.register(batch, PROCESSED, processed_log.live_files())
            failpoints.hit(failpoints.PARTITIONS_REGISTERED)
        return batch


def _run(
    run: JobRun,
    ingested: CommitLog[IngestedBatch],
    processed_log: CommitLog[ProcessedBatch],
    stage_metrics: StageMetrics,
) -> ProcessedBatch | None:
    share, rebuild = run.fraction("quarantine_share"), run.flag("rebuild")
    with log.span("transform", stage="transform", rebuild=rebuild) as figures:
        last = next(processed_log.backwards(), None)
        covered, committed = _range(ingested, processed_log, last)
        figures["pending_batches"] = committed - covered
        if covered == committed and not (rebuild and last):
            figures["total_rows"] = 0
            _measure(stage_metrics, None, processed_log.live_files())
            stage_metrics.record(metrics.HELD_ROWS, _held(last))
            return None
        stage = _Stage(
            run,
            ingested.bucket,
            processed_log.bucket,
            sequence=last.sequence + 1 if last else 1,
            quarantine_share=DEFAULT_SHARE if share is None else share,
            s3=s3_for_readers(boto3),
        )
        pending = ingested.between(0 if rebuild else covered, committed)
        run.expect(sum(table.rows for known in pending for table in known.tables.values()))
        if rebuild and last:
            written = [part for each in active_batches(processed_log.since(0)) for part in each.parts]
            batch = stage.replayed(pending, written)
        else:
            batch = stage.batch(ingested.live_files(committed), pending, processed_log.live_files(), last)
        figures |= {"batch_id": batch.batch_id, "quarantined": batch.quarantined, "total_rows": batch.rows.total()}
        failpoints.hit(failpoints.BEFORE_LOG_CREATED)
        processed_log.commit(batch)
        _measure(stage_metrics, batch, processed_log.live_files())
        stage_metrics.record(metrics.HELD_ROWS, _held(batch))
        return batch


def _measure(stage_metrics: StageMetrics, batch: ProcessedBatch | None, files: LiveFiles) -> None:
    broken = batch.broken if batch else {}
    stage_metrics.record(metrics.ROWS_OUT, sum(batch.rows.values()) if batch else 0)
    stage_metrics.record(metrics.BYTES, batch.bytes if batch else 0)
    stage_metrics.record(
        metrics.QUARANTINED_ROWS,
        {(table, rule): rows for table, rules in broken.items() for rule, rows in rules.items()},
    )
    stage_metrics.record(metrics.UNCOMPACTED_BATCHES, files.uncompacted)
    if (age := freshness.compaction_age(files)) is not None:
        stage_metrics.record(metrics.COMPACTION_AGE, age)


def _held(batch: ProcessedBatch | None) -> int:
    """Return the number of rows in quarantine after `batch`."""
    return sum(rows.rows for rows in batch.held.values()) if batch else 0


def _range(
    ingested: CommitLog[IngestedBatch], processed: CommitLog[ProcessedBatch], last: ProcessedBatch | None
) -> tuple[int, int]:
    """Return the ingested sequence that the `last` processed batch covers, and the last committed one."""
    covered, committed = last.last_ingested if last else 0, ingested.last_sequence()
    if committed < covered:
        raise LogError(
            f"s3://{ingested.bucket}: the log ends with {committed}, but s3://{processed.bucket} covers it up to "
            f"{covered}. The ingested bucket lost records, or is another one: restore them before the next run."
        )
    return covered, committed


def _results(attempt: TransformAttempt) -> dict[str, TableResult]:
    """Write all tables: the dimensions first, since the references of facts are checked against their keys."""
    facts = [transform for transform in TRANSFORMS.values() if STAR_TABLES[transform.table].is_fact]
    dimensions = [transform for transform in TRANSFORMS.values() if not STAR_TABLES[transform.table].is_fact]
    pending = {transform.table: pending_versions(attempt, transform) for transform in facts}
    versions = {name: frame for name, frame in pending.items() if frame is not None}
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        builders = [partial(build_dimension, attempt, transform) for transform in dimensions]
        results = dict(pool.map(_build, [transform.table for transform in dimensions], builders))
        with missing_references(attempt, versions, results) as missing:
            builders = [partial(build_fact, attempt, STAR_TABLES[name], versions[name], missing) for name in versions]
            results |= dict(pool.map(_build, versions, builders))
    return results


def _build(table: str, build: Callable[[], TableResult]) -> tuple[str, TableResult]:
    with log.span("table_transformed", stage="transform", table=table) as figures:
        result = build()
        if result.table:
            failpoints.hit(failpoints.TABLE_WRITTEN)
        rows = result.table.rows if result.table else 0
        open_rows = result.quarantined.rows if result.quarantined else 0
        figures |= {"rows": rows, "quarantined": result.newly_quarantined, "held": open_rows}
        return table, result
