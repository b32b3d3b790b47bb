"""Writes the files of a star table, and counts the rows while writing."""

from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake import objects
from totelake.lake.batches import ProcessedTable
from totelake.lake.file_sets import DataFile
from totelake.lake.frames import conform
from totelake.lake.scan import arrow_schema
from totelake.tables import StarTable
from totelake.tables.model import MONTH, SEVERAL_MONTHS
from totelake.transform.attempt import TransformAttempt
from totelake.transform.rules import breaks_rules, typed

_ROWS_OF_ONE_TASK = 500_000
"""Up to this number of rows, one task writes a fact in less time than a shuffle of its rows by month takes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The number of `valid` rows, which were written, and of `broken` ones, which break a rule.

    `new` rows appear for the first time and are no deletions; `broken_new` are those of them that break a rule. `files`
    have the valid rows.
    """

    valid: int
    broken: int
    new: int
    broken_new: int
    files: tuple[DataFile, ...]


def write(checked: DataFrame, attempt: TransformAttempt, table: StarTable, *, is_new: Column) -> Figures:
    """Write the rows that satisfy the rules, and count them and the others."""
    if attempt.has_few_rows:
        return _write_in_driver(checked, attempt, table, is_new=is_new)
    counts = Observation()
    if table.is_fact:
        checked = checked.withColumn("month", _month())
        # Before the rows are counted: counts in the Spark stage that writes are right even if Spark retries tasks.
        checked = checked.coalesce(1) if attempt.rows(table) <= _ROWS_OF_ONE_TASK else checked.repartition("month")
    observed = checked.observe(
        counts,
        F.count_if(~breaks_rules()).alias("valid"),
        F.count_if(breaks_rules()).alias("broken"),
        F.count_if(is_new).alias("new"),
        F.count_if(is_new & breaks_rules()).alias("broken_new"),
    )
    _write(observed.where(~breaks_rules()), attempt, table, mode="errorifexists")
    return Figures(**counts.get, files=_files_below(attempt, table))


def _write_in_driver(checked: DataFrame, attempt: TransformAttempt, table: StarTable, *, is_new: Column) -> Figures:
    """Write few rows, as `write` does, without Spark's tasks."""
    flags = checked.select(breaks_rules().alias("breaks"), is_new.alias("new")).collect()
    valid, written = _write_few(checked.where(~breaks_rules()), attempt, table)
    of_broken = [flag.new for flag in flags if flag.breaks]
    new = sum(flag.new for flag in flags)
    return Figures(valid=valid, broken=len(of_broken), new=new, broken_new=sum(of_broken), files=written)


def _write_few(valid: DataFrame, attempt: TransformAttempt, table: StarTable) -> tuple[int, tuple[DataFile, ...]]:
    """Write the `valid` rows, which are few, as one file; return their number and the file."""
    rows = exact(valid, table).collect()
    written: tuple[DataFile, ...] = ()
    if rows:
        folder = f"{MONTH.name}={SEVERAL_MONTHS}/" if table.is_fact else ""
        values = pa.Table.from_pylist([row.asDict() for row in rows], arrow_schema(table.stored_columns))
        written = objects.write_tables(attempt.s3, attempt.processed, path(attempt, table), {folder: values})
    return len(rows), written


def append(
    rows: DataFrame, attempt: TransformAttempt, table: StarTable, files: tuple[DataFile, ...]
) -> tuple[DataFile, ...]:
    """Write `rows`, which are valid, in addition to the `files` that the attempt has written; return all its files."""
    if attempt.has_few_rows:
        return (*files, *_write_few(rows, attempt, table)[1])
    if table.is_fact:
        rows = rows.withColumn("month", _month())
    _write(rows, attempt, table, mode="append")
    return _files_below(attempt, table)


def deletion_marks(deletions: DataFrame, table: StarTable) -> DataFrame:
    """Return the natural keys of `deletions`, and their lineage in columns whose names begin with `_gone`."""
    lineage = (F.col(column.name).alias(f"_gone{column.name}") for column in table.lineage)
    return deletions.select(*table.natural_key, *lineage)


def as_tombstones(rows: DataFrame, table: StarTable) -> DataFrame:
    """Return `rows`, joined with `deletion_marks`, as tombstones: with the lineage of the deletions."""
    lineage = {column.name: F.col(f"_gone{column.name}") for column in table.lineage}
    return rows.withColumns(lineage).select(*(column.name for column in table.stored_columns))


def path(attempt: TransformAttempt, table: StarTable) -> str:
    """Return the path of the files, below the bucket."""
    return objects.table_path(table.name, attempt.batch_id)


def describe(
    attempt: TransformAttempt, table: StarTable, rows: int, files: tuple[DataFile, ...]
) -> ProcessedTable | None:
    """Return the entry of the commit record for `files` with `rows` rows, None without rows."""
    if not rows:
        return None
    folder = f"{MONTH.name}="
    months = sorted({file.name.split("/")[0].removeprefix(folder) for file in files if file.name.startswith(folder)})
    size = sum(file.bytes for file in files)
    return ProcessedTable(path(attempt, table), rows, size, months=tuple(months), files=files)


def _files_below(attempt: TransformAttempt, table: StarTable) -> tuple[DataFile, ...]:
    return objects.files_below(attempt.processed, path(attempt, table), attempt.s3)


def _month() -> Column:
    return F.date_format("created_date", "yyyy-MM")


def _write(rows: DataFrame, attempt: TransformAttempt, table: StarTable, *, mode: str) -> None:
    months = ("month",) if table.is_fact else ()
    exact(rows, table, keep=months).write.mode(mode).partitionBy(*months).parquet(attempt.url(path(attempt, table)))


def exact(rows: DataFrame, table: StarTable, *, keep: tuple[str, ...] = ()) -> DataFrame:
    """Return `rows`, which are valid, with the columns of `table` in their types, and the columns `keep`."""
    kinds = dict(rows.dtypes)
    others = [column for column in table.stored_columns if kinds[column.name] != column.type.spark]
    converted = rows.withColumns({column.name: F.expr(typed(column, kinds[column.name])) for column in others})
    return conform(converted, table.name, table.stored_columns, keep=keep)
