"""Frames held to the schema of their table."""

from collections.abc import Iterable
from functools import cache, reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from totelake.runtime.errors import SchemaError
from totelake.tables import Column


def schema(columns: Iterable[Column]) -> StructType:
    """Return the Spark schema of `columns`; every field is nullable, as Parquet readers see it."""
    return _schema(tuple(columns))


@cache
def _schema(columns: tuple[Column, ...]) -> StructType:
    return StructType.fromDDL(", ".join(f"{quoted(column.name)} {column.type.spark}" for column in columns))


def conform(frame: DataFrame, table: str, columns: Iterable[Column], *, keep: tuple[str, ...] = ()) -> DataFrame:
    """Return `frame` with exactly `columns`, in their order and types, and after them the columns called `keep`.

    Raises `SchemaError` when the frame lacks one. A value that does not fit its type fails the query: ANSI mode.
    """
    wanted, found = schema(columns), frame.schema
    missing = [name for name in (*wanted.names, *keep) if name not in found.names]
    if missing:
        raise SchemaError(table, missing)
    return frame.to(StructType([*wanted, *(found[name] for name in keep)]))


def quoted(name: str) -> str:
    """Return the `name` of a column as Spark takes it for one name, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def same_row(left: DataFrame, right: DataFrame, columns: Iterable[str]) -> SparkColumn:
    """Return the condition that two rows agree in all of `columns`, NULL being equal to NULL."""
    return reduce(SparkColumn.__and__, (left[name].eqNullSafe(right[name]) for name in map(quoted, columns)))
