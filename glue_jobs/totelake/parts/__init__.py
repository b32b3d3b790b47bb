"""One star table's part in a processed batch, from the rows that were ingested to the files in the bucket."""

from collections.abc import Mapping

from pyspark.sql import DataFrame

from totelake.parts.attempt import Attempt, Part
from totelake.parts.dimension import build_dimension
from totelake.parts.fact import build_fact
from totelake.tables import STAR_TABLES
from totelake.transforms import Transform

__all__ = ["Attempt", "Part", "build"]


def build(attempt: Attempt, transform: Transform, keys: Mapping[str, DataFrame]) -> Part:
    """Write the part of `transform`'s table in `attempt`, which may be nothing.

    `keys` has the keys of each dimension that facts refer to. Raises `QuarantineError` when too many rows break a rule
    of the table.
    """
    table = STAR_TABLES[transform.table]
    return build_fact(attempt, transform, table, keys) if table.is_fact else build_dimension(attempt, transform, table)
