"""The transforms: one pure function per star table, with its name; its parameters are named for the source tables."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from totelake.tables import STAR_TABLES
from totelake.transform.star_tables import dimensions, facts

CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Transform:
    """The transform of a star table; the first of its `sources` is the driving table, the others are joined to it."""

    table: str
    function: Callable[..., DataFrame]
    sources: tuple[str, ...]


def _transform(table: str) -> Transform:
    function = getattr(facts, table, None) or getattr(dimensions, table)
    return Transform(table, function, tuple(inspect.signature(function).parameters))


TRANSFORMS = {table: _transform(table) for table in STAR_TABLES}
