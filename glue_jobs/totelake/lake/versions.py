"""The row versions in a zone, and the latest version of each record."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.file_sets import FileSet
from totelake.lake.frames import quoted
from totelake.lake.scan import Scan
from totelake.tables import RAW_LINEAGE, Column, SourceTable, StarTable
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, OPERATION, TAKEN_AT, VARCHAR, WRITTEN_BY

SEQUENCE = INGESTED_SEQUENCE.name
_EXACT_DECIMAL = r"^-?\d{1,20}(\.\d{1,18}0*)?$"


def all_versions(
    scan: Scan, table: SourceTable, sets: Sequence[FileSet], *, undeclared: tuple[str, ...] = ()
) -> DataFrame:
    """Return every row version of `table` in the file `sets`; `scan` reads the ingested bucket.

    Columns: the declared ones, those of `undeclared` as text, `_op`, `_source_version`, `_ingested_sequence` of the
    batch, and `_deleted_at`, which for a tombstone is the time of the batch's snapshot.
    """
    columns = (*table.columns, *(Column(name, VARCHAR, "") for name in undeclared))
    if not sets:
        return scan.rows([], (*columns, *RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT))
    groups = _grouped_by_format([column.name for column in columns], sets)
    rows = reduce(DataFrame.unionByName, (_read(scan, table, columns, group) for group in groups))
    deleted_at = F.when(F.col(OPERATION.name) == "D", F.col(TAKEN_AT.name).cast(DELETED_AT.type.spark))
    return rows.withColumn(DELETED_AT.name, deleted_at).drop(TAKEN_AT.name, WRITTEN_BY.name)


def _grouped_by_format(names: list[str], sets: Sequence[FileSet]) -> list[list[FileSet]]:
    """Return `sets` in groups whose files are read in the same way.

    The files of a group have the same subset of the columns `names` as text, because it was not declared then, and
    either all or none of them had their keys checked.
    """
    groups: dict[tuple[frozenset[str], bool], list[FileSet]] = {}
    for files in sets:
        as_text = frozenset(files.undeclared).intersection(names)
        groups.setdefault((as_text, files.keys_checked), []).append(files)
    return list(groups.values())


def _read(scan: Scan, table: SourceTable, columns: tuple[Column, ...], sets: list[FileSet]) -> DataFrame:
    """Return the rows of `table` in `sets`, a group of `_grouped_by_format`, with `columns`.

    An undeclared column is NULL if the batches did not write it as text. A text is NULL if it does not fit the type
    with which its column was declared later.
    """
    as_text = sets[0].undeclared
    written = [
        replace(column, type=VARCHAR) if column.name in as_text else column
        for column in columns
        if column.name in as_text or column.name in table.column_names
    ]
    rows = scan.ingested_rows(sets, (*written, *RAW_LINEAGE))
    present = {column.name for column in written}
    others = {
        column.name: _from_text(column) if column.name in present else F.lit(None).cast(column.type.spark)
        for column in columns
        if column.name in as_text or column.name not in present
    }
    read = rows.withColumns(others)
    return read if sets[0].keys_checked else _without_duplicates(read, table)


def _from_text(column: Column) -> SparkColumn:
    """Return the value of a `column` that is stored as text, NULL if it does not fit its type exactly."""
    text = F.col(quoted(column.name))
    value = text.try_cast(column.type.spark)
    return F.when(text.rlike(_EXACT_DECIMAL), value) if column.type.spark.startswith("decimal") else value


def _without_duplicates(rows: DataFrame, table: SourceTable) -> DataFrame:
    """Return one version of each record per batch.

    Older versions of totelake committed batches in which a key occurs more than once, and batches are immutable.
    """
    chosen = Window.partitionBy(*table.key, SEQUENCE).orderBy(
        F.col("_op").desc(), F.col("_source_version").desc(), F.xxhash64(*table.column_names)
    )
    return rows.withColumn("_copy", F.row_number().over(chosen)).where("_copy = 1").drop("_copy")


def is_deleted() -> SparkColumn:
    """Return the condition that a row version is a deletion."""
    return F.col(DELETED_AT.name).isNotNull()


def latest_versions(
    scan: Scan, table: SourceTable, sets: Sequence[FileSet], *, undeclared: tuple[str, ...] = ()
) -> DataFrame:
    """Return the latest version of every row of `table` in the file `sets`, with the columns of `all_versions`."""
    rows = all_versions(scan, table, sets, undeclared=undeclared)
    return rows if _has_each_once(sets) else latest(rows, table.key)


def latest_written(
    scan: Scan, table: StarTable, sets: Sequence[FileSet], *, keys: DataFrame | None = None
) -> DataFrame:
    """Return the latest row of each record of a dimension in the file `sets`, of all or of the `keys`.

    `scan` reads the processed bucket.
    """
    rows = scan.rows(sets, table.stored_columns)
    if keys is not None:
        rows = rows.join(keys, list(table.key), "left_semi")
    return rows if _has_each_once(sets) else latest(rows, table.key)


def _has_each_once(sets: Sequence[FileSet]) -> bool:
    """Return whether a record has at most one version in `sets`: those of one batch."""
    return len(sets) == 1 and not sets[0].compacted


def latest(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Return for each `key` the row of the latest batch.

    Versions of a record are ordered by batch, not by transaction id: the transaction with the lower id can be the later
    one to write the row. Within a batch, a snapshot, a record has one version.
    """
    newest_first = Window.partitionBy(*key).orderBy(F.col(SEQUENCE).desc())
    return rows.withColumn("_age", F.row_number().over(newest_first)).where("_age = 1").drop("_age")
