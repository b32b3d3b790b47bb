"""One source table's part in an ingested batch, from the rows of totesys to the files in the bucket."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake import lake
from totelake.batches import IngestedBatch, IngestedTable
from totelake.errors import MassDeletionError
from totelake.extract import Extract
from totelake.frames import conform, same_row, schema
from totelake.log import CommitLog
from totelake.source import EVERYTHING, Count, FoundTable
from totelake.tables import RAW_LINEAGE, SourceTable
from totelake.versions import latest_of


@dataclass(frozen=True)
class Chain:
    """What a batch goes on from: the batches in `log`, of which `previous` is the last.

    `reload` says why the transaction ids of `previous` are of no use; then every row is read, and its content tells
    whether it is new.
    """

    log: CommitLog[IngestedBatch]
    previous: IngestedBatch | None
    reload: str | None

    @property
    def since(self) -> int:
        """The transaction from which on rows count as changed."""
        return EVERYTHING if self.previous is None or self.reload else self.previous.snapshot.xmin

    def alive(self, table: SourceTable) -> int:
        """Return how many rows `table` had at the last batch."""
        return self.previous.alive.get(table.name, 0) if self.previous else 0

    @cached_property
    def known(self) -> tuple[IngestedBatch, ...]:
        """Every committed batch."""
        return tuple(self.log.since(0))

    @cached_property
    def overlap(self) -> tuple[IngestedBatch, ...]:
        """The batches that may hold a version from `since` on, the newest first."""
        return () if self.since == EVERYTHING else tuple(self._overlapping())

    def _overlapping(self) -> Iterator[IngestedBatch]:
        """Yield them; transaction ids before a full batch mean nothing."""
        for batch in self.log.backwards():
            if batch.snapshot.xmax <= self.since:
                return
            yield batch
            if batch.full:
                return


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a batch: how it reads, what it goes on from, and where it writes.

    `deletable_share` is the share of any table that may vanish, where the table's own is not to count.
    """

    extract: Extract
    chain: Chain
    batch_id: str
    deletable_share: float | None

    @property
    def bucket(self) -> str:
        """The ingested bucket."""
        return self.chain.log.bucket


def may_differ(chain: Chain, table: FoundTable, count: Count) -> bool:
    """Return whether a row of `table` may be new or gone."""
    return bool(count.changed) or _may_lack_rows(chain, table, count)


def land(attempt: Attempt, table: FoundTable, count: Count) -> IngestedTable | None:
    """Write what is new in `table` and what is gone from it; return None when nothing is.

    Raises `MassDeletionError` when more rows are gone than may be.
    """
    rows, chain = attempt.extract.changes(table), attempt.chain
    if chain.overlap or chain.reload:
        rows = _unknown(attempt, table.declared, rows)
    if _may_lack_rows(chain, table, count):
        rows = rows.unionByName(_gone(attempt, table), allowMissingColumns=True)
    if chain.previous and (chain.overlap or chain.reload or not count.changed):
        rows = rows.persist(StorageLevel.DISK_ONLY)
        if rows.isEmpty():
            return None
    path = lake.table_path(table.declared.name, attempt.batch_id)
    written = _write(rows, f"s3://{attempt.bucket}/{path}")
    return IngestedTable(
        path=path,
        rows=written["rows"],
        deletes=written["deletes"],
        bytes=sum(lake.files_below(attempt.bucket, path).values()),
        lowest_last_updated=written["lowest"],
        highest_last_updated=written["highest"],
        schema=_fingerprint(rows),
    )


def _unknown(attempt: Attempt, table: SourceTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without the versions that the batches before have brought."""
    chain = attempt.chain
    if chain.reload:
        known = _alive(attempt, table)
        return rows.join(known, same_row(rows, known, table.column_names), "left_anti")
    rows = _without_landed(attempt, table, rows)
    if chain.overlap and chain.overlap[-1].reload:
        # A reload leaves out what it knows by its content, under whatever transaction it finds it.
        seen = rows["_source_version"] < chain.overlap[-1].snapshot.xmax
        known = _alive(attempt, table)
        rows = rows.join(known, same_row(rows, known, table.column_names) & seen, "left_anti")
    return rows


def _without_landed(attempt: Attempt, table: SourceTable, rows: DataFrame) -> DataFrame:
    """Return `rows` without those whose primary key and `_source_version` an overlapping batch has landed."""
    batches = [batch for batch in attempt.chain.overlap if table.name in batch.tables]
    if not batches:
        return rows
    identity = (*table.key, "_source_version")
    landed = (
        rows.sparkSession.read.schema(schema((*table.columns, *RAW_LINEAGE)))
        .parquet(*(f"s3://{attempt.bucket}/{batch.tables[table.name].path}" for batch in batches))
        .where(F.col("_source_version") >= attempt.chain.since)
        .select(*identity)
    )
    return rows.join(landed, same_row(rows, landed, identity), "left_anti")


def _may_lack_rows(chain: Chain, table: FoundTable, count: Count) -> bool:
    """Return whether a row of the last batch may be gone.

    When as many rows are unchanged as were alive then, those are the same rows: nothing has to be compared.
    """
    return chain.alive(table.declared) not in {0, count.unchanged}


def _gone(attempt: Attempt, table: FoundTable) -> DataFrame:
    """Return a tombstone for each row that was alive at the last batch and is not in the snapshot."""
    name, alive = table.declared.name, attempt.chain.alive(table.declared)
    last = _alive(attempt, table.declared)
    present = attempt.extract.keys(table)
    gone = last.join(present, same_row(last, present, table.declared.key), "left_anti")
    tombstones = gone.withColumn("_op", F.lit("D")).persist(StorageLevel.DISK_ONLY)
    deletes = tombstones.count()
    share = table.declared.deletable_share if attempt.deletable_share is None else attempt.deletable_share
    if deletes > share * alive:
        raise MassDeletionError(name, deletes, alive, share)
    return tombstones


def _alive(attempt: Attempt, table: SourceTable) -> DataFrame:
    """Return the last landed version of every row that is not gone, in the columns of a batch."""
    latest = latest_of(attempt.extract.spark, attempt.bucket, table, attempt.chain.known)
    return conform(latest.where("_op = 'U'"), table.name, (*table.columns, *RAW_LINEAGE))


def _write(rows: DataFrame, address: str) -> dict[str, Any]:
    written = Observation()
    observed = rows.observe(
        written,
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.col("_op") == "D").alias("deletes"),
        F.min("last_updated").cast("string").alias("lowest"),
        F.max("last_updated").cast("string").alias("highest"),
    )
    observed.write.mode("errorifexists").parquet(address)
    figures: dict[str, Any] = written.get
    return figures


def _fingerprint(rows: DataFrame) -> str:
    """Return a short digest of the names and types of the columns."""
    return hashlib.sha256(rows.schema.simpleString().encode()).hexdigest()[:16]
