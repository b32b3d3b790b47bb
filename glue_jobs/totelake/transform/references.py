"""The missing references of facts, found once per batch for all facts and dimensions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.versions import written_versions
from totelake.tables import STAR_TABLES
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
    references = [
        (column.references, frame.select(F.col(column.name).alias(REFERRED)))
        for fact, frame in versions.items()
        for column in STAR_TABLES[fact].stored_columns
        if column.references and column.references != CALENDAR_TABLE
    ]
    if not references:
        yield {}
        return
    existing = [(name, _keys(attempt, name, dimensions[name])) for name in sorted({name for name, _ in references})]
    referenced = _union(references).where(F.col(REFERRED).isNotNull()).distinct().persist()
    # Usually far more keys exist than are referenced: those that are, are selected before the two are compared.
    matched = _union(existing).join(referenced, [_DIMENSION, REFERRED], "left_semi")
    missing = referenced.join(matched, [_DIMENSION, REFERRED], "left_anti").persist()
    names = [row[_DIMENSION] for row in missing.select(_DIMENSION).distinct().collect()]
    yield {name: missing.where(F.col(_DIMENSION) == name).select(REFERRED) for name in names}
    missing.unpersist()
    referenced.unpersist()


def _union(frames: list[tuple[str, DataFrame]]) -> DataFrame:
    return reduce(DataFrame.union, (frame.select(F.lit(name).alias(_DIMENSION), REFERRED) for name, frame in frames))


def _keys(attempt: TransformAttempt, dimension: str, result: TableResult) -> DataFrame:
    table = STAR_TABLES[dimension]
    written = [*(batch.tables.get(dimension) for batch in attempt.written), result.table]
    paths = [files.path for files in written if files]
    [key] = table.key
    return written_versions(attempt.spark, attempt.processed, table, paths).select(F.col(key).alias(REFERRED))
