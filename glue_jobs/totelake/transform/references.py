"""The missing references of facts, found once per batch for all facts and dimensions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake import keys
from totelake.lake.file_sets import FileSet
from totelake.lake.scan import Scan, local_frame
from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.stars import CALENDAR_TABLE
from totelake.transform.attempt import TableResult, TransformAttempt
from totelake.transform.rules import REFERRED

_DIMENSION = "dimension"


@contextmanager
def missing_references(
    attempt: TransformAttempt, versions: Mapping[str, DataFrame], dimensions: Mapping[str, TableResult]
) -> Iterator[dict[str, DataFrame]]:
    """Yield, for each dimension that lacks some, the missing keys that the `versions` of the facts reference.

    `dimensions` are the results that this attempt has written. A frame has one column, `_referred`, with each key once.
    Usually no key is missing, and then the facts need no join.
    """
    references = {fact: columns for fact in versions if (columns := _references(STAR_TABLES[fact]))}
    if not references:
        yield {}
        return
    sets = {name: _sets(attempt, name, result) for name, result in dimensions.items()}
    if attempt.has_few_rows:
        yield _missing_in_files(attempt, [(versions[fact], columns) for fact, columns in references.items()], sets)
        return
    referenced = [_stacked(versions[fact], columns) for fact, columns in references.items()]
    existing = reduce(DataFrame.union, (_keys(attempt, name, sets[name]) for name in sets if name != CALENDAR_TABLE))
    missing = reduce(DataFrame.union, referenced).join(existing, [_DIMENSION, REFERRED], "left_anti")
    missing = missing.where(F.col(REFERRED).isNotNull()).distinct().persist()
    names = [row[_DIMENSION] for row in missing.select(_DIMENSION).distinct().collect()]
    yield {name: missing.where(F.col(_DIMENSION) == name).select(REFERRED) for name in names}
    missing.unpersist()


def _references(fact: StarTable) -> dict[str, str]:
    """Return the dimension that each column of `fact` references; all days of the calendar exist."""
    references = {column.name: column.references for column in fact.stored_columns if column.references}
    return {column: dimension for column, dimension in references.items() if dimension != CALENDAR_TABLE}


def _missing_in_files(
    attempt: TransformAttempt, references: list[tuple[DataFrame, dict[str, str]]], sets: Mapping[str, list[FileSet]]
) -> dict[str, DataFrame]:
    """Look up the keys, which are few, in the file `sets` of each dimension."""
    referenced: dict[str, set[int]] = defaultdict(set)
    for versions, names in references:
        for row in versions.select(*names).collect():
            for dimension, key in zip(names.values(), row, strict=True):
                if key is not None:
                    referenced[dimension].add(key)
    missing = {
        dimension: wanted - keys.newest_values(attempt.s3, attempt.processed, sets[dimension], key, (key, wanted))
        for dimension, wanted in referenced.items()
        for key in STAR_TABLES[dimension].key
    }
    return {
        dimension: local_frame(attempt.spark, pa.table({REFERRED: sorted(of_dimension)}))
        for dimension, of_dimension in missing.items()
        if of_dimension
    }


def _stacked(versions: DataFrame, references: dict[str, str]) -> DataFrame:
    """Return the references of `versions` as rows of dimension and key."""
    pairs = ", ".join(f"'{dimension}', {column}" for column, dimension in references.items())
    return versions.select(F.expr(f"stack({len(references)}, {pairs}) AS ({_DIMENSION}, {REFERRED})"))


def _keys(attempt: TransformAttempt, dimension: str, sets: list[FileSet]) -> DataFrame:
    table = STAR_TABLES[dimension]
    [key] = table.key
    rows = Scan(attempt.spark, attempt.processed).rows(sets, table.stored_columns)
    return rows.select(F.lit(dimension).alias(_DIMENSION), F.col(key).alias(REFERRED))


def _sets(attempt: TransformAttempt, dimension: str, result: TableResult) -> list[FileSet]:
    """Return the file sets of all rows of `dimension` that were written."""
    sets = list(attempt.written.of(dimension))
    return [*sets, result.table.file_set(attempt.written.sequence + 1)] if result.table else sets
