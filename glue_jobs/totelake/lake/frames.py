"""DataFrames with the declared schema of their table."""

from collections.abc import Iterable
from functools import cache, reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from totelake.runtime.errors import SchemaError
from totelake.tables import Column


def schema(columns: Iterable[Column]) -> StructType:
    """Return the Spark schema of `columns`; every field is nullable, as Spark reads Parquet."""
    return _schema(tuple(columns))


@cache
def _schema(columns: tuple[Column, ...]) -> StructType:
    return StructType.fromDDL(", ".join(f"{quoted(column.name)} {column.type.spark}" for column in columns))


def conform(frame: DataFrame, table: str, columns: Iterable[Column], *, keep: tuple[str, ...] = ()) -> DataFrame:
    """Return `frame` with exactly `columns`, in their order and types, followed by the columns `keep`.

    Raises `SchemaError` when the frame lacks one. A value that does not fit its type fails the query: ANSI mode.
    """
    declared, actual = schema(columns), frame.schema
    missing = [name for name in (*declared.names, *keep) if name not in actual.names]
    if missing:
        raise SchemaError(table, missing)
    return frame.to(StructType([*declared, *(actual[name] for name in keep)]))


def quoted(name: str) -> str:
    """Return the `name` of a column as a quoted Spark identifier."""
    return "`" + name.replace("`", "``") + "`"


def same_row(left: DataFrame, right: DataFrame, columns: Iterable[str]) -> SparkColumn:
    """Return the condition that two rows are equal in all of `columns`, NULL being equal to NULL."""
    return reduce(SparkColumn.__and__, (left[name].eqNullSafe(right[name]) for name in map(quoted, columns)))
