"""The changes of one source table: new row versions and tombstones, written as files of an ingested batch."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyarrow import compute
from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.ingest.baseline import Baseline
from totelake.ingest.extract import Extract
from totelake.ingest.source import TRANSACTION_ID_RANGE, Count
from totelake.ingest.source_checks import ResolvedTable
from totelake.lake import objects
from totelake.lake.batches import IngestedBatch, IngestedTable
from totelake.lake.frames import conform, same_row, schema
from totelake.lake.scan import Scan
from totelake.lake.versions import latest_versions
from totelake.runtime.errors import MassDeletionError
from totelake.tables import RAW_LINEAGE, SourceTable

_ROWS_BETWEEN_CHECKS = 100  # parquet.page.size.row.check.min
_UNCHECKED_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class IngestAttempt:
    """One attempt at an ingested batch: its extract, baseline and batch id.

    `deletable_share` is the permitted fraction of deletions, None for each table's own; `s3` is a client of
    `s3_for_readers`.
    """

    extract: Extract
    baseline: Baseline
    batch_id: str
    deletable_share: float | None
    s3: Any

    @property
    def bucket(self) -> str:
        """The ingested bucket."""
        return self.baseline.log.bucket


def write_changes(
    attempt: IngestAttempt, table: ResolvedTable, count: Count, *, compare_keys: bool
) -> IngestedTable | None:
    """Write the new row versions and, with `compare_keys`, the tombstones of `table`; return None when there are none.

    Raises `MassDeletionError` when more rows were deleted than permitted.
    """
    baseline = attempt.baseline
    rows = attempt.extract.changes(table, baseline.since(table.name))
    may_repeat_versions = baseline.previous is not None and _may_repeat_versions(attempt, table)
    if may_repeat_versions:
        rows = _without_known(attempt, table, rows)
    deletes, tombstones = _tombstones(attempt, table) if compare_keys else (0, None)
    if tombstones:
        rows = rows.unionByName(tombstones, allowMissingColumns=True)
    path = objects.table_path(table.declared.name, attempt.batch_id)
    if attempt.extract.are_few(table, count.changed + deletes):
        written = _write_in_driver(attempt, rows, path)
        files = written["files"]
    else:
        if may_repeat_versions or (baseline.previous and not count.changed):
            rows = rows.persist(StorageLevel.DISK_ONLY)
            if rows.isEmpty():
                return None
        written = _write(rows, f"s3://{attempt.bucket}/{path}", attempt.extract.max_row_bytes.get(table.name, 0))
        files = objects.files_below(attempt.bucket, path, attempt.s3)
    if not written["rows"]:
        return None
    return IngestedTable(
        path=path,
        rows=written["rows"],
        deletes=written["deletes"],
        bytes=sum(file.bytes for file in files),
        lowest_last_updated=written["lowest"],
        highest_last_updated=written["highest"],
        schema=_fingerprint(rows),
        undeclared=table.undeclared,
        files=files,
    )


def _may_repeat_versions(attempt: IngestAttempt, table: ResolvedTable) -> bool:
    """Return whether a row that counts as changed may already be in a previous batch."""
    baseline = attempt.baseline
    return bool(baseline.reload_of(table.name) or baseline.overlap(table.name) or _ids_wrapped_around(attempt))


def _ids_wrapped_around(attempt: IngestAttempt) -> bool:
    return attempt.extract.source.snapshot.xmax >= TRANSACTION_ID_RANGE


def _without_known(attempt: IngestAttempt, table: ResolvedTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without the versions that previous batches have."""
    baseline, declared = attempt.baseline, table.declared
    if baseline.reload_of(table.name):
        return _with_new_content(attempt, table, rows)
    overlap = baseline.overlap(table.name)
    rows = _without_known_versions(attempt, declared, overlap, rows)
    if overlap and overlap[-1].reload_of(table.name):
        # A reload skips rows with known content, whatever their transaction id: compare those by content here too.
        visible = rows["_source_version"] < overlap[-1].snapshot.xmax
        known = _live_rows(attempt, table)
        same = same_row(rows, known, (*declared.column_names, *table.undeclared))
        rows = rows.join(known, same & visible, "left_anti")
    if _ids_wrapped_around(attempt):
        rows = _without_frozen(attempt, table, rows)
    return rows


def _with_new_content(attempt: IngestAttempt, table: ResolvedTable, rows: DataFrame) -> DataFrame:
    """Return those of `rows` whose content is not in the lake.

    Undeclared columns are only compared for rows written since the last batch: otherwise adding a column with a default
    would ingest every row again.
    """
    baseline, known = attempt.baseline, _live_rows(attempt, table)
    same = same_row(rows, known, table.declared.column_names)
    if table.undeclared and baseline.previous and not baseline.reload:
        unwritten = rows["_source_version"] < baseline.previous.snapshot.xmin
        same_version = rows["_source_version"] == known["_source_version"]
        same &= unwritten | same_version | same_row(rows, known, table.undeclared)
    return rows.join(known, same, "left_anti")


def _without_frozen(attempt: IngestAttempt, table: ResolvedTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without those written under the same 32-bit transaction id in an earlier epoch.

    Postgres keeps the xmin of a frozen row, which after 2^32 transactions looks like a recent one.
    """
    known = _live_rows(attempt, table)
    same_id = rows["_source_version"] % TRANSACTION_ID_RANGE == F.pmod(
        known["_source_version"], F.lit(TRANSACTION_ID_RANGE)
    )
    earlier = known["_source_version"] < rows["_source_version"]
    same = same_row(rows, known, table.declared.column_names)
    return rows.join(known, same & same_id & earlier, "left_anti")


def _without_known_versions(
    attempt: IngestAttempt, table: SourceTable, overlap: tuple[IngestedBatch, ...], rows: DataFrame
) -> DataFrame:
    """Return `rows` without those whose primary key and `_source_version` are in a batch of the `overlap`."""
    batches = [batch for batch in overlap if table.name in batch.tables]
    if not batches:
        return rows
    identity = (*table.key, "_source_version")
    known_versions = (
        rows.sparkSession.read.schema(schema((*table.columns, *RAW_LINEAGE)))
        .parquet(*(f"s3://{attempt.bucket}/{batch.tables[table.name].path}" for batch in batches))
        .where(F.col("_source_version") >= attempt.baseline.since(table.name))
        .select(*identity)
    )
    return rows.join(known_versions, same_row(rows, known_versions, identity), "left_anti")


def _tombstones(attempt: IngestAttempt, table: ResolvedTable) -> tuple[int, DataFrame | None]:
    """Return the number of rows that existed at the last batch and are not in the snapshot, and their tombstones.

    Keys are compared first, so that of the rows, which may be wide, only the deleted ones are read.
    """
    alive, last, key = attempt.baseline.alive(table.name), _live_rows(attempt, table), list(table.declared.key)
    present = attempt.extract.keys(table)
    deleted = last.select(*key).join(present, same_row(last, present, key), "left_anti").persist(StorageLevel.DISK_ONLY)
    deletes = deleted.count()
    share = table.declared.deletable_share if attempt.deletable_share is None else attempt.deletable_share
    if deletes > share * alive:
        raise MassDeletionError(table.name, deletes, alive, share)
    return deletes, last.join(deleted, key, "left_semi").withColumn("_op", F.lit("D")) if deletes else None


def _live_rows(attempt: IngestAttempt, table: ResolvedTable) -> DataFrame:
    """Return the last ingested version of every row that is not deleted, with the columns of a batch."""
    declared = table.declared
    scan = Scan(attempt.extract.spark, attempt.bucket)
    latest = latest_versions(scan, declared, attempt.baseline.files.of(table.name), undeclared=table.undeclared)
    alive = latest.where("_op = 'U'")
    return conform(alive, table.name, (*declared.columns, *RAW_LINEAGE), keep=table.undeclared)


def _write_in_driver(attempt: IngestAttempt, rows: DataFrame, path: str) -> dict[str, Any]:
    """Write `rows`, which are few, as `_write` does; write no file if there are none."""
    read = rows.toArrow().combine_chunks()
    files = objects.write_tables(attempt.s3, attempt.bucket, path, {"": read} if read.num_rows else {})
    updated = compute.min_max(read["last_updated"])
    return {
        "files": files,
        "rows": read.num_rows,
        "deletes": compute.sum(compute.equal(read["_op"], "D")).as_py() or 0,
        "lowest": _as_text(updated["min"].as_py()),
        "highest": _as_text(updated["max"].as_py()),
    }


def _as_text(timestamp: datetime | None) -> str | None:
    """Return `timestamp` as Spark casts it to a string: with as many digits of the second as it needs."""
    if timestamp is None:
        return None
    text = timestamp.isoformat(sep=" ")
    return text.rstrip("0") if timestamp.microsecond else text


def _write(rows: DataFrame, address: str, max_row_bytes: int) -> dict[str, Any]:
    """Write `rows`, the widest of which has `max_row_bytes`, and return their counts and range of `last_updated`."""
    observation = Observation()
    observed = rows.observe(
        observation,
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.col("_op") == "D").alias("deletes"),
        F.min("last_updated").cast("string").alias("lowest"),
        F.max("last_updated").cast("string").alias("highest"),
    )
    observed.write.mode("errorifexists").options(**_size_check_options(max_row_bytes)).parquet(address)
    figures: dict[str, Any] = observation.get
    return figures


def _size_check_options(max_row_bytes: int) -> dict[str, int]:
    """Return the options that make the Parquet writer check its memory use often enough.

    By default it checks after a hundred rows at the earliest, which is too late for wide rows.
    """
    rows = max(1, _UNCHECKED_BYTES // max(1, max_row_bytes))
    if rows >= _ROWS_BETWEEN_CHECKS:
        return {}
    limits = (
        "page.size.row.check.min",
        "page.size.row.check.max",
        "block.size.row.check.min",
        "block.size.row.check.max",
    )
    return {f"parquet.{name}": rows for name in limits}


def _fingerprint(rows: DataFrame) -> str:
    """Return a short digest of the column names and types."""
    return hashlib.sha256(rows.schema.simpleString().encode()).hexdigest()[:16]
