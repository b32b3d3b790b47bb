"""What facts refer to and is not there: looked for once in a batch, for all facts and all that they refer to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.versions import written_versions
from totelake.tables import STAR_TABLES
from totelake.tables.stars import CALENDAR_TABLE
from totelake.transform.attempt import Attempt, TableResult
from totelake.transform.rules import REFERRED

_DIMENSION = "dimension"


@contextmanager
def missing_references(
    attempt: Attempt, versions: Mapping[str, DataFrame], dimensions: Mapping[str, TableResult]
) -> Iterator[dict[str, DataFrame]]:
    """Yield, for each dimension that lacks some, the keys that the `versions` of the facts refer to in vain.

    `dimensions` are the parts that this attempt has written already. A frame has one column, `_referred`, and each key
    once. As a rule nothing is missing, and then the facts need no join.
    """
    referring = [
        (column.references, frame.select(F.col(column.name).alias(REFERRED)))
        for fact, frame in versions.items()
        for column in STAR_TABLES[fact].stored_columns
        if column.references and column.references != CALENDAR_TABLE
    ]
    if not referring:
        yield {}
        return
    known = [(name, _keys(attempt, name, dimensions[name])) for name in sorted({name for name, _ in referring})]
    asked = _together(referring).where(F.col(REFERRED).isNotNull()).distinct()
    missing = asked.join(_together(known), [_DIMENSION, REFERRED], "left_anti").persist()
    names = [row[_DIMENSION] for row in missing.select(_DIMENSION).distinct().collect()]
    yield {name: missing.where(F.col(_DIMENSION) == name).select(REFERRED) for name in names}
    missing.unpersist()


def _together(frames: list[tuple[str, DataFrame]]) -> DataFrame:
    return reduce(DataFrame.union, (frame.select(F.lit(name).alias(_DIMENSION), REFERRED) for name, frame in frames))


def _keys(attempt: Attempt, dimension: str, part: TableResult) -> DataFrame:
    table = STAR_TABLES[dimension]
    written = [*(batch.tables.get(dimension) for batch in attempt.written), part.table]
    paths = [found.path for found in written if found]
    [key] = table.key
    return written_versions(attempt.spark, attempt.processed, table, paths).select(F.col(key).alias(REFERRED))
