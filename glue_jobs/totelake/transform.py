"""The transform stage: the star schemas' part in everything that was ingested since the last time."""

from concurrent.futures import ThreadPoolExecutor

from totelake import boundaries, catalog, lake, worklog
from totelake.batches import IngestedBatch, ProcessedBatch
from totelake.build import Attempt, Part, build
from totelake.errors import LogError
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.transforms import TRANSFORMS, Transform
from totelake.zones import PROCESSED

_TABLES_AT_ONCE = 4


def run(run: JobRun, ingested: str, processed: str) -> ProcessedBatch | None:
    """Commit one batch that covers everything ingested since the last one; return it, or None when nothing is pending.

    `ingested` and `processed` are the buckets. Facts get every new version, dimensions the rows that differ from what
    was last written. Raises `RowRuleError` when a dimension's row breaks its rules; a fact's row goes to quarantine.
    """
    log = CommitLog(processed, ProcessedBatch)
    catalog.register_committed(log, PROCESSED)
    ingested_log = CommitLog(ingested, IngestedBatch)
    with worklog.unit("transform", stage="transform") as figures:
        figures["pending_batches"] = _pending(ingested_log, log)
        if not figures["pending_batches"]:
            return None
        known, written = tuple(ingested_log.since(0)), tuple(log.since(0))
        name = lake.batch_id(known[-1].snapshot.taken_at, run.id)
        attempt = Attempt(run.spark, ingested, processed, name, known, written)
        with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
            parts = list(pool.map(lambda transform: _build(attempt, transform), TRANSFORMS.values()))
        batch = _batch(run, attempt, dict(zip(TRANSFORMS, parts, strict=True)))
        figures |= {"batch_id": name, "quarantined": batch.quarantined}
        boundaries.reached(boundaries.BEFORE_LOG_CREATED)
        log.commit(batch)
    boundaries.reached(boundaries.LOG_CREATED)
    catalog.register(batch, PROCESSED)
    boundaries.reached(boundaries.PARTITIONS_REGISTERED)
    return batch


def _pending(ingested: CommitLog[IngestedBatch], processed: CommitLog[ProcessedBatch]) -> int:
    """Return how many ingested batches no processed one covers yet."""
    last = next(processed.backwards(), None)
    covered, committed = last.last_ingested if last else 0, ingested.last_sequence()
    if committed < covered:
        raise LogError(
            f"s3://{ingested.bucket}: the log ends with {committed}, and s3://{processed.bucket} covers it up to "
            f"{covered}. The ingested bucket lost records, or is another one: restore them before the next run."
        )
    return committed - covered


def _build(attempt: Attempt, transform: Transform) -> Part:
    with worklog.unit("table_transformed", stage="transform", table=transform.table) as figures:
        part = build(attempt, transform)
        if part.table:
            boundaries.reached(boundaries.TABLE_WRITTEN)
        figures |= {"rows": part.table.rows if part.table else 0, "quarantined": part.quarantined}
        return part


def _batch(run: JobRun, attempt: Attempt, parts: dict[str, Part]) -> ProcessedBatch:
    return ProcessedBatch(
        sequence=len(attempt.written) + 1,
        batch_id=attempt.batch_id,
        first_ingested=attempt.covered + 1,
        last_ingested=attempt.known[-1].sequence,
        snapshot_taken_at=attempt.known[-1].snapshot.taken_at,
        tables={name: part.table for name, part in parts.items() if part.table},
        run_id=run.id,
        code_version=run.code_version,
        committed_at=lake.now(),
        quarantined={name: part.quarantined for name, part in parts.items() if part.quarantined},
    )
