"""The files of one star table in one attempt, and what is counted while they are written."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake import objects
from totelake.lake.batches import ProcessedTable
from totelake.lake.frames import conform
from totelake.tables import StarTable
from totelake.transform.attempt import Attempt
from totelake.transform.rules import is_broken, typed


@dataclass(frozen=True, slots=True)
class Figures:
    """How many rows kept the rules and were written, and how many are `broken`.

    `new` are those that are there for the first time and stand for a record that is there, `broken_new` those of them
    that are broken.
    """

    sound: int
    broken: int
    new: int
    broken_new: int


def write(judged: DataFrame, attempt: Attempt, table: StarTable, *, is_new: Column) -> Figures:
    """Write the rows that keep the rules, and count them and the others."""
    counts = Observation()
    if table.is_fact:
        # Before the rows are counted: what is counted in the stage that writes is counted once, whatever Spark repeats.
        judged = judged.withColumn("month", _month()).repartition("month")
    observed = judged.observe(
        counts,
        F.count_if(~is_broken()).alias("sound"),
        F.count_if(is_broken()).alias("broken"),
        F.count_if(is_new).alias("new"),
        F.count_if(is_new & is_broken()).alias("broken_new"),
    )
    _write(observed.where(~is_broken()), attempt, table, mode="errorifexists")
    return Figures(**counts.get)


def append(rows: DataFrame, attempt: Attempt, table: StarTable) -> None:
    """Write `rows`, which are sound, beside those that the attempt has written."""
    if table.is_fact:
        rows = rows.withColumn("month", _month())
    _write(rows, attempt, table, mode="append")


def marks(deletions: DataFrame, table: StarTable) -> DataFrame:
    """Return the natural keys of `deletions`, and their lineage as columns whose names begin with `_gone`."""
    lineage = (F.col(column.name).alias(f"_gone{column.name}") for column in table.lineage)
    return deletions.select(*table.natural_key, *lineage)


def marked(rows: DataFrame, table: StarTable) -> DataFrame:
    """Return `rows`, joined with `marks`, as the rows of deletions: with the lineage of those."""
    lineage = {column.name: F.col(f"_gone{column.name}") for column in table.lineage}
    return rows.withColumns(lineage).select(*(column.name for column in table.stored_columns))


def path(attempt: Attempt, table: StarTable) -> str:
    """Return the folder of the files, below the bucket."""
    return objects.table_path(table.name, attempt.batch_id)


def describe(attempt: Attempt, table: StarTable, rows: int) -> ProcessedTable | None:
    """Return what the record of the batch says of the files with `rows` rows, None where there is no row."""
    if not rows:
        return None
    files = objects.files_below(attempt.processed, path(attempt, table))
    months = sorted({name.split("/")[0].removeprefix("month=") for name in files if name.startswith("month=")})
    return ProcessedTable(path(attempt, table), rows, bytes=sum(files.values()), months=tuple(months))


def _month() -> Column:
    return F.date_format("created_date", "yyyy-MM")


def _write(rows: DataFrame, attempt: Attempt, table: StarTable, *, mode: str) -> None:
    months = ("month",) if table.is_fact else ()
    exact(rows, table, keep=months).write.mode(mode).partitionBy(*months).parquet(attempt.address(path(attempt, table)))


def exact(rows: DataFrame, table: StarTable, *, keep: tuple[str, ...] = ()) -> DataFrame:
    """Return `rows`, which keep the rules, with the columns of `table` in their types, and those called `keep`."""
    kinds = dict(rows.dtypes)
    others = [column for column in table.stored_columns if kinds[column.name] != column.type.spark]
    converted = rows.withColumns({column.name: typed(column, kinds[column.name]) for column in others})
    return conform(converted, table.name, table.stored_columns, keep=keep)
