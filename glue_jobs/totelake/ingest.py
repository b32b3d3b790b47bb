"""The ingest stage: what changed in totesys since the last batch, at one snapshot, into the ingested bucket."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake import boundaries, catalog, lake, worklog
from totelake.batches import IngestedBatch, IngestedTable
from totelake.connections import Login
from totelake.extract import read_changes, without_landed
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.source import EVERYTHING, FoundTable, SourceReader, open_source
from totelake.tables import SOURCE_TABLES
from totelake.zones import INGESTED

_TABLES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a batch: what it reads from, what it continues, and where it writes."""

    run: JobRun
    login: Login
    source: SourceReader
    bucket: str
    batch_id: str
    since: int
    overlap: tuple[IngestedBatch, ...]


def run(run: JobRun, login: Login, bucket: str) -> IngestedBatch | None:
    """Commit one batch of what changed in totesys to `bucket`, and return it; None when nothing changed."""
    log = CommitLog(bucket, IngestedBatch)
    catalog.register_committed(log, INGESTED)
    previous = next(log.backwards(), None)
    with worklog.unit("ingest", stage="ingest") as figures, open_source(login) as source:
        boundaries.reached(boundaries.SNAPSHOT_EXPORTED)
        attempt = _attempt(run, login, source, log, previous)
        figures |= {"batch_id": attempt.batch_id, "full": attempt.since == EVERYTHING}
        found = [source.find(table) for table in SOURCE_TABLES.values()]
        changed = source.count_changed([table.declared for table in found], attempt.since)
        tables = _land_all(attempt, [table for table in found if changed[table.declared.name]])
        figures |= {"tables": len(tables), "total_rows": sum(table.rows for table in tables.values())}
        if not tables:
            return None
        batch = _batch(attempt, (previous.sequence if previous else 0) + 1, tables)
        boundaries.reached(boundaries.BEFORE_LOG_CREATED)
        log.commit(batch)
    boundaries.reached(boundaries.LOG_CREATED)
    catalog.register(batch, INGESTED)
    boundaries.reached(boundaries.PARTITIONS_REGISTERED)
    return batch


def _attempt(
    run: JobRun, login: Login, source: SourceReader, log: CommitLog[IngestedBatch], previous: IngestedBatch | None
) -> _Attempt:
    name = lake.batch_id(source.snapshot.taken_at, run.id)
    if previous is None or not source.snapshot.continues(previous.snapshot):
        return _Attempt(run, login, source, bucket=log.bucket, batch_id=name, since=EVERYTHING, overlap=())
    since = previous.snapshot.xmin
    overlap = tuple(_overlapping(log, since))
    return _Attempt(run, login, source, bucket=log.bucket, batch_id=name, since=since, overlap=overlap)


def _overlapping(log: CommitLog[IngestedBatch], since: int) -> Iterator[IngestedBatch]:
    """Yield the batches that may hold a version from `since` on; transaction ids before a full reload mean nothing."""
    for batch in log.backwards():
        if batch.snapshot.xmax <= since:
            return
        yield batch
        if batch.full:
            return


def _land_all(attempt: _Attempt, found: list[FoundTable]) -> dict[str, IngestedTable]:
    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        landed = list(pool.map(lambda table: _land(attempt, table), found))
    return {table.declared.name: part for table, part in zip(found, landed, strict=True) if part}


def _land(attempt: _Attempt, table: FoundTable) -> IngestedTable | None:
    """Write the changed rows of `table` and return what was written, None when every one had been landed before."""
    name = table.declared.name
    with worklog.unit("table_ingested", stage="ingest", table=name) as figures:
        if table.extra:
            figures["undeclared_columns"] = list(table.extra)
        rows = read_changes(attempt.run.spark, attempt.login, attempt.source, table, attempt.since)
        if attempt.overlap:
            rows = without_landed(rows, table.declared, attempt.bucket, attempt.overlap, attempt.since)
            rows = rows.persist(StorageLevel.DISK_ONLY)
            if rows.isEmpty():
                figures["rows"] = 0
                return None
        path = lake.table_path(name, attempt.batch_id)
        written = _write(rows, f"s3://{attempt.bucket}/{path}")
        boundaries.reached(boundaries.TABLE_WRITTEN)
        figures["rows"] = written["rows"]
        return IngestedTable(
            path=path,
            rows=written["rows"],
            deletes=0,
            bytes=sum(lake.files_below(attempt.bucket, path).values()),
            lowest_last_updated=written["lowest"],
            highest_last_updated=written["highest"],
            schema=_fingerprint(rows),
        )


def _write(rows: DataFrame, address: str) -> dict[str, Any]:
    written = Observation()
    observed = rows.observe(
        written,
        F.count(F.lit(1)).alias("rows"),
        F.min("last_updated").cast("string").alias("lowest"),
        F.max("last_updated").cast("string").alias("highest"),
    )
    observed.write.mode("errorifexists").parquet(address)
    figures: dict[str, Any] = written.get
    return figures


def _batch(attempt: _Attempt, sequence: int, tables: dict[str, IngestedTable]) -> IngestedBatch:
    return IngestedBatch(
        sequence=sequence,
        batch_id=attempt.batch_id,
        full=attempt.since == EVERYTHING,
        snapshot=attempt.source.snapshot,
        tables=tables,
        run_id=attempt.run.id,
        code_version=attempt.run.code_version,
        committed_at=lake.now(),
    )


def _fingerprint(rows: DataFrame) -> str:
    """Return a short digest of the names and types of the columns."""
    return hashlib.sha256(rows.schema.simpleString().encode()).hexdigest()[:16]
