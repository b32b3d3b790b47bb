"""One source table's part in an ingested batch, from the rows of totesys to the files in the bucket."""

import hashlib
from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.ingest.baseline import Baseline
from totelake.ingest.extract import Extract
from totelake.ingest.source import TRANSACTION_IDS, Count
from totelake.ingest.source_checks import FoundTable
from totelake.lake import objects
from totelake.lake.batches import IngestedBatch, IngestedTable
from totelake.lake.frames import conform, same_row, schema
from totelake.lake.versions import latest_of
from totelake.runtime.errors import MassDeletionError
from totelake.tables import RAW_LINEAGE, SourceTable

_ROWS_BETWEEN_CHECKS = 100  # parquet.page.size.row.check.min
_UNCHECKED_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a batch: how it reads, what it goes on from, and where it writes.

    `deletable_share` is the share of any table that may vanish, where the table's own is not to count.
    """

    extract: Extract
    chain: Baseline
    batch_id: str
    deletable_share: float | None

    @property
    def bucket(self) -> str:
        """The ingested bucket."""
        return self.chain.log.bucket


def may_differ(chain: Baseline, table: FoundTable, count: Count) -> bool:
    """Return whether a row of `table` may be new or gone."""
    return bool(count.changed) or _may_lack_rows(chain, table, count)


def land(attempt: Attempt, table: FoundTable, count: Count) -> IngestedTable | None:
    """Write what is new in `table` and what is gone from it; return None when nothing is.

    Raises `MassDeletionError` when more rows are gone than may be.
    """
    chain = attempt.chain
    rows = attempt.extract.changes(table, chain.since(table.name))
    may_be_known = chain.previous is not None and _may_be_known(attempt, table)
    if may_be_known:
        rows = _unknown(attempt, table, rows)
    tombstones = _gone(attempt, table) if _may_lack_rows(chain, table, count) else None
    if tombstones:
        rows = rows.unionByName(tombstones, allowMissingColumns=True)
    if may_be_known or (chain.previous and not count.changed):
        rows = rows.persist(StorageLevel.DISK_ONLY)
        if rows.isEmpty():
            return None
    path = objects.table_path(table.declared.name, attempt.batch_id)
    written = _write(rows, f"s3://{attempt.bucket}/{path}", attempt.extract.widest.get(table.name, 0))
    return IngestedTable(
        path=path,
        rows=written["rows"],
        deletes=written["deletes"],
        bytes=sum(objects.files_below(attempt.bucket, path).values()),
        lowest_last_updated=written["lowest"],
        highest_last_updated=written["highest"],
        schema=_fingerprint(rows),
        undeclared=table.extra,
    )


def _may_be_known(attempt: Attempt, table: FoundTable) -> bool:
    """Return whether a row that counts as changed may be one that a batch has brought."""
    chain = attempt.chain
    return bool(chain.reload_of(table.name) or chain.overlap(table.name) or _ids_came_round(attempt))


def _ids_came_round(attempt: Attempt) -> bool:
    return attempt.extract.source.snapshot.xmax >= TRANSACTION_IDS


def _unknown(attempt: Attempt, table: FoundTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without the versions that the batches before have brought."""
    chain, declared = attempt.chain, table.declared
    if chain.reload_of(table.name):
        return _with_other_content(attempt, table, rows)
    overlap = chain.overlap(table.name)
    rows = _without_landed(attempt, declared, overlap, rows)
    if overlap and overlap[-1].reload_of(table.name):
        # A reload leaves out what it knows by its content, under whatever transaction it finds it.
        seen = rows["_source_version"] < overlap[-1].snapshot.xmax
        known = _alive(attempt, table)
        same = same_row(rows, known, (*declared.column_names, *table.extra))
        rows = rows.join(known, same & seen, "left_anti")
    if _ids_came_round(attempt):
        rows = _without_frozen(attempt, table, rows)
    return rows


def _with_other_content(attempt: Attempt, table: FoundTable, rows: DataFrame) -> DataFrame:
    """Return those of `rows` that differ from what the lake knows, in a declared column or as a whole.

    An undeclared column counts for a row that was written since the last batch: a new column with a default would
    otherwise bring every row once more.
    """
    chain, known = attempt.chain, _alive(attempt, table)
    same = same_row(rows, known, table.declared.column_names)
    if table.extra and chain.previous and not chain.reload:
        unwritten = rows["_source_version"] < chain.previous.snapshot.xmin
        landed = rows["_source_version"] == known["_source_version"]
        same &= unwritten | landed | same_row(rows, known, table.extra)
    return rows.join(known, same, "left_anti")


def _without_frozen(attempt: Attempt, table: FoundTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without those that were written under the same 32-bit transaction id in an earlier epoch.

    Postgres keeps the id of a row that it has frozen, and after 2^32 transactions it looks like a recent one.
    """
    known = _alive(attempt, table)
    same_id = rows["_source_version"] % TRANSACTION_IDS == F.pmod(known["_source_version"], F.lit(TRANSACTION_IDS))
    earlier = known["_source_version"] < rows["_source_version"]
    same = same_row(rows, known, table.declared.column_names)
    return rows.join(known, same & same_id & earlier, "left_anti")


def _without_landed(
    attempt: Attempt, table: SourceTable, overlap: tuple[IngestedBatch, ...], rows: DataFrame
) -> DataFrame:
    """Return `rows` without those whose primary key and `_source_version` a batch of the `overlap` has landed."""
    batches = [batch for batch in overlap if table.name in batch.tables]
    if not batches:
        return rows
    identity = (*table.key, "_source_version")
    landed = (
        rows.sparkSession.read.schema(schema((*table.columns, *RAW_LINEAGE)))
        .parquet(*(f"s3://{attempt.bucket}/{batch.tables[table.name].path}" for batch in batches))
        .where(F.col("_source_version") >= attempt.chain.since(table.name))
        .select(*identity)
    )
    return rows.join(landed, same_row(rows, landed, identity), "left_anti")


def _may_lack_rows(chain: Baseline, table: FoundTable, count: Count) -> bool:
    """Return whether a row of the last batch may be gone.

    When as many rows are unchanged as were alive then, those are the same rows: nothing has to be compared.
    """
    return chain.alive(table.name) not in {0, count.unchanged}


def _gone(attempt: Attempt, table: FoundTable) -> DataFrame | None:
    """Return a tombstone for each row that was alive at the last batch and is not in the snapshot; None without one.

    The keys are looked for first: of the rows themselves, which may be wide, only those are read that are gone.
    """
    alive, last, key = attempt.chain.alive(table.name), _alive(attempt, table), list(table.declared.key)
    present = attempt.extract.keys(table)
    gone = last.select(*key).join(present, same_row(last, present, key), "left_anti").persist(StorageLevel.DISK_ONLY)
    deletes = gone.count()
    share = table.declared.deletable_share if attempt.deletable_share is None else attempt.deletable_share
    if deletes > share * alive:
        raise MassDeletionError(table.name, deletes, alive, share)
    return last.join(gone, key, "left_semi").withColumn("_op", F.lit("D")) if deletes else None


def _alive(attempt: Attempt, table: FoundTable) -> DataFrame:
    """Return the last landed version of every row that is not gone, in the columns of a batch."""
    declared = table.declared
    latest = latest_of(attempt.extract.spark, attempt.bucket, declared, attempt.chain.known, undeclared=table.extra)
    alive = latest.where("_op = 'U'")
    return conform(alive, table.name, (*declared.columns, *RAW_LINEAGE), keep=table.extra)


def _write(rows: DataFrame, address: str, widest: int) -> dict[str, Any]:
    """Write `rows`, the widest of which has so many bytes, and return what was counted."""
    written = Observation()
    observed = rows.observe(
        written,
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.col("_op") == "D").alias("deletes"),
        F.min("last_updated").cast("string").alias("lowest"),
        F.max("last_updated").cast("string").alias("highest"),
    )
    observed.write.mode("errorifexists").options(**_checks_of_size(widest)).parquet(address)
    figures: dict[str, Any] = written.get
    return figures


def _checks_of_size(widest: int) -> dict[str, int]:
    """Return the options by which Parquet's writer looks often enough at how much it holds in memory.

    As a rule it looks after a hundred rows at the earliest; of wide rows that is too late.
    """
    rows = max(1, _UNCHECKED_BYTES // max(1, widest))
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
    """Return a short digest of the names and types of the columns."""
    return hashlib.sha256(rows.schema.simpleString().encode()).hexdigest()[:16]
