"""Checks rows against the declared rules of their table."""

from collections.abc import Mapping

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables import Column, StarTable
from totelake.tables.lineage import LINEAGE, LOOKUPS, Lookup
from totelake.tables.model import DATE
from totelake.tables.rules import ACCEPTED, FITS, NOT_NULL, PARSES, RANGE, REFERENCE
from totelake.tables.stars import CALENDAR_TABLE, FIRST_DAY, LAST_DAY

BROKEN = "_broken"
REFERRED = "_referred"
_DAY = "yyyy-MM-dd"


def check_rules(rows: DataFrame, table: StarTable, missing: Mapping[str, DataFrame]) -> DataFrame:
    """Return `rows` with the column `_broken`: the array of each row's violations, empty if there are none.

    A violation has the rule, the column and its value as text. Rules: a column is not NULL unless nullable; text is a
    date yyyy-mm-dd where a date is declared, and any other value fits its type exactly; a value is an accepted one, and
    in its range, which for a date is the calendar's; a reference exists. `missing` are the missing keys by dimension:
    each once, in a frame with the column `_referred`. A lookup without a match is a violation by the foreign key, not
    by the columns that are NULL because of it.
    """
    kinds = dict(rows.dtypes)
    violations = [violation for lookup in LOOKUPS[table.name] for violation in _violations_of_lookup(lookup)]
    for column in table.stored_columns:
        kind, lookup = kinds[column.name], LINEAGE[f"{table.name}.{column.name}"].lookup
        violations += [
            F.when(_has_match(lookup), violation) if lookup else violation
            for violation in _violations_of_value(column, kind)
        ]
        if column.references == CALENDAR_TABLE:
            outside = ~typed(column, kind).between(FIRST_DAY, LAST_DAY)
            violations.append(_violation(outside, RANGE, column))
        elif column.references and column.references in missing:
            missing_column = f"_{column.name}_lacks"
            missing_keys = missing[column.references].withColumnRenamed(REFERRED, missing_column)
            rows = rows.join(missing_keys, rows[column.name] == missing_keys[missing_column], "left")
            violations.append(_violation(F.col(missing_column).isNotNull(), REFERENCE, column))
    return rows.withColumn(BROKEN, F.array_compact(F.array(*violations)))


def breaks_rules() -> SparkColumn:
    """Return the condition that a checked row breaks a rule."""
    return F.size(BROKEN) > 0


def lacks_only_references() -> SparkColumn:
    """Return the condition that missing references are the only violations of a row."""
    return F.forall(BROKEN, lambda violation: violation["rule"] == REFERENCE)


def typed(column: Column, kind: str) -> SparkColumn:
    """Return the value of `column`, which has the Spark type `kind`, in its declared type; NULL if it does not fit."""
    value = F.col(column.name)
    if column.type == DATE and kind == "string":
        return F.try_to_date(value, _DAY)
    return value if kind == column.type.spark else value.try_cast(column.type.spark)


def _has_match(lookup: Lookup) -> SparkColumn:
    """Return the condition that the lookup of a row has a match, or that its foreign key is NULL."""
    reference = lookup.reference.column
    has_match = F.col(lookup.matched_key).isNotNull()
    return has_match | F.col(reference.name).isNull() if reference.nullable else has_match


def _violations_of_lookup(lookup: Lookup) -> list[SparkColumn]:
    reference = lookup.reference.column
    unmatched = F.col(reference.name).isNotNull() & F.col(lookup.matched_key).isNull()
    violations = [] if reference.nullable else [_violation(F.col(reference.name).isNull(), NOT_NULL, reference)]
    return [*violations, _violation(unmatched, REFERENCE, reference)]


def _violations_of_value(column: Column, kind: str) -> list[SparkColumn]:
    value, converted = F.col(column.name), typed(column, kind)
    violations = [] if column.nullable else [_violation(value.isNull(), NOT_NULL, column)]
    if column.type == DATE and kind == "string":
        violations.append(_violation(value.isNotNull() & converted.isNull(), PARSES, column))
    elif kind != column.type.spark:
        violations.append(_violation(value.isNotNull() & ~converted.eqNullSafe(value), FITS, column))
    if column.accepted:
        violations.append(_violation(~value.isin(*column.accepted), ACCEPTED, column))
    if column.between:
        violations.append(_violation(~value.between(*column.between), RANGE, column))
    return violations


def _violation(broken: SparkColumn, rule: str, column: Column) -> SparkColumn:
    # As a SQL expression it is one call to the JVM; as column functions it is a dozen.
    details = F.expr(f"struct('{rule}' AS rule, '{column.name}' AS column, string({column.name}) AS value)")
    return F.when(broken, details)
