"""The row versions in a zone, and the latest version of each record."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.frames import quoted
from totelake.lake.scan import Scan, local_frame
from totelake.tables import BATCH_ID, RAW_LINEAGE, Column, SourceTable, StarTable
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, VARCHAR

SEQUENCE = INGESTED_SEQUENCE.name
_TAKEN_AT = "_taken_at"
_EXACT_DECIMAL = r"^-?\d{1,20}(\.\d{1,18}0*)?$"


def all_versions(
    scan: Scan, table: SourceTable, batches: Iterable[IngestedBatch], *, undeclared: tuple[str, ...] = ()
) -> DataFrame:
    """Return every row version of `table` in `batches`; `scan` reads the ingested bucket.

    Columns: the declared ones, those of `undeclared` as text, `_op`, `_source_version`, `_ingested_sequence` of the
    batch, and `_deleted_at`, which for a tombstone is the time of the batch's snapshot.
    """
    containing = _containing(table.name, batches)
    columns = (*table.columns, *(Column(name, VARCHAR, "") for name in undeclared))
    if not containing:
        return scan.rows([], (*columns, *RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT))
    groups = _grouped_by_format(table.name, [column.name for column in columns], containing)
    rows = reduce(DataFrame.unionByName, (_read(scan, table, columns, group) for group in groups))
    if len(containing) == 1:
        numbered = rows.withColumn(SEQUENCE, F.lit(containing[0].sequence)).withColumn(
            _TAKEN_AT, F.lit(_taken_at(containing[0]))
        )
    else:
        # createDataFrame from an Arrow table starts no Python worker.
        by_batch = {
            BATCH_ID.name: [batch.batch_id for batch in containing],
            SEQUENCE: pa.array([batch.sequence for batch in containing], pa.int32()),
            _TAKEN_AT: pa.array([_taken_at(batch) for batch in containing], pa.timestamp("us")),
        }
        numbered = rows.join(F.broadcast(local_frame(scan.spark, pa.table(by_batch))), BATCH_ID.name, "inner")
    deleted_at = F.when(F.col("_op") == "D", F.col(_TAKEN_AT).cast(DELETED_AT.type.spark))
    return numbered.withColumn(DELETED_AT.name, deleted_at).drop(BATCH_ID.name, _TAKEN_AT)


def _grouped_by_format(table: str, names: list[str], batches: list[IngestedBatch]) -> list[list[IngestedBatch]]:
    """Return the batches in groups whose files are read in the same way.

    The batches of a group wrote the same subset of the columns `names` as text, because it was not declared then, and
    either all or none of them had their keys checked.
    """
    groups: dict[tuple[frozenset[str], bool], list[IngestedBatch]] = {}
    for batch in batches:
        as_text = frozenset(batch.tables[table].undeclared).intersection(names)
        groups.setdefault((as_text, bool(batch.identities)), []).append(batch)
    return list(groups.values())


def _read(scan: Scan, table: SourceTable, columns: tuple[Column, ...], batches: list[IngestedBatch]) -> DataFrame:
    """Return the rows of `table` in `batches`, a group of `_grouped_by_format`, with `columns`.

    An undeclared column is NULL if the batches did not write it as text. A text is NULL if it does not fit the type
    with which its column was declared later.
    """
    as_text = batches[0].tables[table.name].undeclared
    written = [
        replace(column, type=VARCHAR) if column.name in as_text else column
        for column in columns
        if column.name in as_text or column.name in table.column_names
    ]
    paths = [batch.tables[table.name].path for batch in batches]
    rows = scan.rows_with_batch(paths, (*written, *RAW_LINEAGE))
    present = {column.name for column in written}
    others = {
        column.name: _from_text(column) if column.name in present else F.lit(None).cast(column.type.spark)
        for column in columns
        if column.name in as_text or column.name not in present
    }
    read = rows.withColumns(others)
    return read if batches[0].identities else _without_duplicates(read, table)


def _from_text(column: Column) -> SparkColumn:
    """Return the value of a `column` that is stored as text, NULL if it does not fit its type exactly."""
    text = F.col(quoted(column.name))
    value = text.try_cast(column.type.spark)
    return F.when(text.rlike(_EXACT_DECIMAL), value) if column.type.spark.startswith("decimal") else value


def _without_duplicates(rows: DataFrame, table: SourceTable) -> DataFrame:
    """Return one version of each record per batch.

    Older versions of totelake committed batches in which a key occurs more than once, and batches are immutable.
    """
    chosen = Window.partitionBy(*table.key, BATCH_ID.name).orderBy(
        F.col("_op").desc(), F.col("_source_version").desc(), F.xxhash64(*table.column_names)
    )
    return rows.withColumn("_copy", F.row_number().over(chosen)).where("_copy = 1").drop("_copy")


def is_deleted() -> SparkColumn:
    """Return the condition that a row version is a deletion."""
    return F.col(DELETED_AT.name).isNotNull()


def _taken_at(batch: IngestedBatch) -> datetime:
    return datetime.fromisoformat(batch.snapshot.taken_at).replace(tzinfo=None)


def latest_versions(
    scan: Scan, table: SourceTable, batches: Iterable[IngestedBatch], *, undeclared: tuple[str, ...] = ()
) -> DataFrame:
    """Return the latest version of every row of `table` in `batches`, with the columns of `all_versions`."""
    containing = _containing(table.name, batches)
    rows = all_versions(scan, table, containing, undeclared=undeclared)
    return rows if len(containing) == 1 else latest(rows, table.key)


def _containing[B: (IngestedBatch, ProcessedBatch)](table: str, batches: Iterable[B]) -> list[B]:
    return [batch for batch in batches if table in batch.tables]


def latest_written(
    scan: Scan, table: StarTable, batches: Iterable[ProcessedBatch], *, keys: DataFrame | None = None
) -> DataFrame:
    """Return the latest row of each record of a dimension in `batches`, of all or of the `keys`.

    `scan` reads the processed bucket.
    """
    paths = [batch.tables[table.name].path for batch in _containing(table.name, batches)]
    rows = scan.rows(paths, table.stored_columns)
    if keys is not None:
        rows = rows.join(keys, list(table.key), "left_semi")
    return rows if len(paths) == 1 else latest(rows, table.key)


def latest(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Return for each `key` the row of the latest batch.

    Versions of a record are ordered by batch, not by transaction id: the transaction with the lower id can be the later
    one to write the row. Within a batch, a snapshot, a record has one version.
    """
    newest_first = Window.partitionBy(*key).orderBy(F.col(SEQUENCE).desc())
    return rows.withColumn("_age", F.row_number().over(newest_first)).where("_age = 1").drop("_age")
