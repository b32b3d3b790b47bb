"""Whether a row keeps the rules that its table declares."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables import StarTable
from totelake.tables.stars import FIRST_DAY, LAST_DAY

BROKEN = "_broken"


def judge(rows: DataFrame, table: StarTable) -> DataFrame:
    """Return `rows` with the column `_broken`: what each row has wrong, an empty array where nothing is.

    A column that may not be NULL has to have a value, a value has to fit the declared type without losing a digit, and
    a day that refers to the calendar has to be in it.
    """
    faults: list[Column] = []
    for column in table.stored_columns:
        value = F.col(column.name)
        if not column.nullable:
            faults.append(F.when(value.isNull(), F.lit(f"{column.name} is missing or not of type {column.type.hive}")))
        if rows.schema[column.name].dataType.simpleString() != column.type.spark:
            loses = value.isNotNull() & ~value.try_cast(column.type.spark).eqNullSafe(value)
            faults.append(F.when(loses, F.lit(f"{column.name} does not fit {column.type.hive}")))
        if column.references == "dim_date":
            outside = ~value.between(FIRST_DAY, LAST_DAY)
            faults.append(F.when(outside, F.lit(f"{column.name} is not between {FIRST_DAY} and {LAST_DAY}")))
    return rows.withColumn(BROKEN, F.array_compact(F.array(*faults)))


def is_broken() -> Column:
    """Return the condition that a judged row breaks a rule."""
    return F.size(BROKEN) > 0
