"""The transform stage: the star schemas' part in everything that was ingested since the last time."""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from totelake.lake import catalog, objects
from totelake.lake.batches import IngestedBatch, ProcessedBatch, QuarantinedRows, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import PROCESSED
from totelake.runtime import failpoints, metrics, retry, worklog
from totelake.runtime.errors import LogError
from totelake.runtime.glue import JobRun
from totelake.runtime.metrics import Measured
from totelake.tables import STAR_TABLES
from totelake.transform.attempt import Attempt, TableResult
from totelake.transform.dimension import build_dimension
from totelake.transform.fact import build_fact, pending_versions
from totelake.transform.quarantine import DEFAULT_SHARE
from totelake.transform.references import missing_references
from totelake.transform.star_tables import TRANSFORMS

_TABLES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Stage:
    """One run of the stage: the buckets, everything that is `known` to be ingested, and the number it commits under."""

    run: JobRun
    ingested: str
    processed: str
    known: tuple[IngestedBatch, ...]
    sequence: int
    quarantine_share: float

    def batch(
        self, written: tuple[ProcessedBatch, ...], last_ingested: int, quarantine_share: float | None = None
    ) -> ProcessedBatch:
        """Write the batch that goes on from those `written`, up to the sequence `last_ingested`."""
        known = self.known[:last_ingested]
        attempt = Attempt(
            self.run.spark,
            self.ingested,
            self.processed,
            objects.batch_id(known[-1].snapshot.taken_at, self.run.attempt_id),
            known,
            written,
            self.quarantine_share if quarantine_share is None else quarantine_share,
        )
        return self._batch(attempt, _parts(attempt))

    def replayed(self, written: tuple[ProcessedBatch, ...]) -> ProcessedBatch:
        """Write each of the batches `written` once more, then what is pending, and return the batch made up of them.

        What was held back once is held back again, however much it is.
        """
        parts: tuple[ProcessedBatch, ...] = ()
        for last in (batch.last_ingested for batch in written):
            progress = {"last_ingested": last, "of": len(self.known)}
            with worklog.unit("batch_replayed", stage="transform", **progress) as figures:
                parts = (*parts, self.batch(parts, last, quarantine_share=1))
                figures["total_rows"] = parts[-1].rows.total()
        if len(self.known) > parts[-1].last_ingested:
            parts = (*parts, self.batch(parts, len(self.known)))
        return replace(parts[-1], first_ingested=1, tables={}, quarantined={}, broken={}, replayed=parts)

    def _batch(self, attempt: Attempt, parts: dict[str, TableResult]) -> ProcessedBatch:
        return ProcessedBatch(
            sequence=self.sequence,
            batch_id=attempt.batch_id,
            first_ingested=attempt.covered + 1,
            last_ingested=attempt.known[-1].sequence,
            snapshot_taken_at=attempt.known[-1].snapshot.taken_at,
            tables={name: part.table for name, part in parts.items() if part.table},
            run_id=self.run.id,
            code_version=self.run.code_version,
            committed_at=objects.now(),
            quarantined={name: part.quarantined for name, part in parts.items() if part.quarantined},
            broken={name: part.broken for name, part in parts.items() if part.broken},
            held={name: part.held for name, part in parts.items() if part.held},
        )


@retry.retried("transform")
def run(run: JobRun, ingested: str, processed: str) -> ProcessedBatch | None:
    """Commit one batch that covers everything ingested since the last one; return it, or None when nothing is pending.

    `ingested` and `processed` are the buckets. Facts get every new version, dimensions the rows that differ from what
    was last written; rows that break a rule are held back. With the argument `rebuild` the batch replaces all batches
    before it: each is made once more, from the same ingested batches. Raises `QuarantineError` when more rows of a
    table break its rules than the argument `quarantine_share` lets pass.
    """
    ingested_log, log = CommitLog(ingested, IngestedBatch), CommitLog(processed, ProcessedBatch)
    with metrics.stage("transform") as measured:
        catalog.register_committed(log, PROCESSED)
        batch = _run(run, ingested_log, log, measured)
        if batch:
            failpoints.hit(failpoints.LOG_CREATED)
            measured.publish()  # before anything else can fail: the next attempt would find nothing to measure
            catalog.register(batch, PROCESSED)
            failpoints.hit(failpoints.PARTITIONS_REGISTERED)
        return batch


def _run(
    run: JobRun, ingested: CommitLog[IngestedBatch], log: CommitLog[ProcessedBatch], measured: Measured
) -> ProcessedBatch | None:
    share, rebuild = run.fraction("quarantine_share"), run.flag("rebuild")
    with worklog.unit("transform", stage="transform", rebuild=rebuild) as figures:
        last = next(log.backwards(), None)
        figures["pending_batches"] = _pending(ingested, log, last)
        if not figures["pending_batches"] and not (rebuild and last):
            figures["total_rows"] = 0
            _measure(measured, (), None, last.held if last else {})
            return None
        batches = log.since(0)
        stage = _Stage(
            run,
            ingested.bucket,
            log.bucket,
            known=tuple(ingested.since(0)),
            sequence=len(batches) + 1,
            quarantine_share=DEFAULT_SHARE if share is None else share,
        )
        written = tuple(part for batch in active_batches(batches) for part in batch.parts)
        batch = stage.replayed(written) if rebuild and written else stage.batch(written, len(stage.known))
        figures |= {"batch_id": batch.batch_id, "quarantined": batch.quarantined, "total_rows": batch.rows.total()}
        failpoints.hit(failpoints.BEFORE_LOG_CREATED)
        log.commit(batch)
        _measure(measured, stage.known[batch.first_ingested - 1 :], batch, batch.held)
        return batch


def _measure(
    measured: Measured,
    covered: tuple[IngestedBatch, ...],
    batch: ProcessedBatch | None,
    held: Mapping[str, QuarantinedRows],
) -> None:
    rows_in: Counter[str] = Counter()
    for ingested in covered:
        rows_in.update({name: table.rows for name, table in ingested.tables.items()})
    broken = batch.broken if batch else {}
    measured.record(metrics.ROWS_IN, rows_in)
    measured.record(metrics.ROWS_OUT, batch.rows if batch else {})
    measured.record(metrics.BYTES, batch.bytes if batch else 0)
    measured.record(
        metrics.QUARANTINED_ROWS,
        {(table, rule): rows for table, rules in broken.items() for rule, rows in rules.items()},
    )
    measured.record(metrics.HELD_ROWS, sum(waiting.rows for waiting in held.values()))


def _pending(
    ingested: CommitLog[IngestedBatch], processed: CommitLog[ProcessedBatch], last: ProcessedBatch | None
) -> int:
    """Return how many ingested batches no processed one covers yet, of which `last` is the last."""
    covered, committed = last.last_ingested if last else 0, ingested.last_sequence()
    if committed < covered:
        raise LogError(
            f"s3://{ingested.bucket}: the log ends with {committed}, and s3://{processed.bucket} covers it up to "
            f"{covered}. The ingested bucket lost records, or is another one: restore them before the next run."
        )
    return committed - covered


def _parts(attempt: Attempt) -> dict[str, TableResult]:
    """Write all tables: the dimensions first, since facts are held against their keys."""
    facts = [transform for transform in TRANSFORMS.values() if STAR_TABLES[transform.table].is_fact]
    dimensions = [transform for transform in TRANSFORMS.values() if not STAR_TABLES[transform.table].is_fact]
    pending = {transform.table: pending_versions(attempt, transform) for transform in facts}
    versions = {name: frame for name, frame in pending.items() if frame is not None}
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        makers = [partial(build_dimension, attempt, transform) for transform in dimensions]
        parts = dict(pool.map(_build, [transform.table for transform in dimensions], makers))
        with missing_references(attempt, versions, parts) as missing:
            makers = [partial(build_fact, attempt, STAR_TABLES[name], versions[name], missing) for name in versions]
            parts |= dict(pool.map(_build, versions, makers))
    return parts


def _build(table: str, make: Callable[[], TableResult]) -> tuple[str, TableResult]:
    with worklog.unit("table_transformed", stage="transform", table=table) as figures:
        part = make()
        if part.table:
            failpoints.hit(failpoints.TABLE_WRITTEN)
        rows = part.table.rows if part.table else 0
        figures |= {"rows": rows, "quarantined": part.quarantined, "held": part.held.rows if part.held else 0}
        return table, part
