"""One pure function for each star table, named for it; its parameters are named for the tables that it reads."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from totelake.tables import STAR_TABLES
from totelake.transform.star_tables import dimensions, facts

CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Transform:
    """How a star table is built; the first of its `sources` drives it, the others are joined to that one."""

    table: str
    function: Callable[..., DataFrame]
    sources: tuple[str, ...]


def _transform(table: str) -> Transform:
    function = getattr(facts, table, None) or getattr(dimensions, table)
    return Transform(table, function, tuple(inspect.signature(function).parameters))


TRANSFORMS = {table: _transform(table) for table in STAR_TABLES}
