"""Checks rows against the declared rules of their table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce

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
_VIOLATIONS = "array<struct<rule: string, column: string, value: string>>"


def check_rules(rows: DataFrame, table: StarTable, missing: Mapping[str, DataFrame]) -> DataFrame:
    """Return `rows` with the column `_broken`: the array of each row's violations, empty if there are none.

    A violation has the rule, the column and its value as text. Rules: a column is not NULL unless nullable; text is a
    date yyyy-mm-dd where a date is declared, and any other value fits its type exactly; a value is an accepted one, and
    in its range, which for a date is the calendar's; a reference exists. `missing` are the missing keys by dimension:
    each once, in a frame with the column `_referred`. A lookup without a match is a violation by the foreign key, not
    by the columns that are NULL because of it.

    Text that declares a date is parsed once, into a column that `typed` refers to.
    """
    kinds = dict(rows.dtypes)
    dates = [column for column in table.stored_columns if _is_date_as_text(column, kinds[column.name])]
    rows = rows.withColumns({_parsed(column): F.try_to_date(column.name, _DAY) for column in dates})
    violations = [violation for lookup in LOOKUPS[table.name] for violation in _violations_of_lookup(lookup)]
    for column in table.stored_columns:
        kind, lookup = kinds[column.name], LINEAGE[f"{table.name}.{column.name}"].lookup
        of_value = _violations_of_value(column, kind)
        violations += [each.only_if(_has_match(lookup)) for each in of_value] if lookup else of_value
        if column.references == CALENDAR_TABLE:
            outside = ~typed(column, kind).between(FIRST_DAY, LAST_DAY)
            violations.append(_Violation(outside, RANGE, column))
        elif column.references and column.references in missing:
            missing_column = f"_{column.name}_lacks"
            missing_keys = missing[column.references].withColumnRenamed(REFERRED, missing_column)
            rows = rows.join(missing_keys, rows[column.name] == missing_keys[missing_column], "left")
            violations.append(_Violation(F.col(missing_column).isNotNull(), REFERENCE, column))
    # Nearly every row is valid: the array is made only for the others.
    is_invalid = reduce(SparkColumn.__or__, (violation.condition for violation in violations))
    described = F.array_compact(F.array(*(violation.described for violation in violations)))
    return rows.withColumn(BROKEN, F.when(is_invalid, described).otherwise(F.array().cast(_VIOLATIONS)))


def breaks_rules() -> SparkColumn:
    """Return the condition that a checked row breaks a rule."""
    return F.size(BROKEN) > 0


def lacks_only_references() -> SparkColumn:
    """Return the condition that missing references are the only violations of a row."""
    return F.forall(BROKEN, lambda violation: violation["rule"] == REFERENCE)


def typed(column: Column, kind: str) -> SparkColumn:
    """Return the value of `column` of checked rows, of the Spark type `kind`, in its declared type.

    It is NULL if the value does not fit the declared type.
    """
    if _is_date_as_text(column, kind):
        return F.col(_parsed(column))
    value = F.col(column.name)
    return value if kind == column.type.spark else value.try_cast(column.type.spark)


def _is_date_as_text(column: Column, kind: str) -> bool:
    return column.type == DATE and kind == "string"


def _parsed(column: Column) -> str:
    """Return the name of the column with the parsed text of `column`."""
    return f"_{column.name}_parsed"


def _has_match(lookup: Lookup) -> SparkColumn:
    """Return the condition that the lookup of a row has a match, or that its foreign key is NULL."""
    reference = lookup.reference.column
    has_match = F.col(lookup.matched_key).isNotNull()
    return has_match | F.col(reference.name).isNull() if reference.nullable else has_match


@dataclass(frozen=True, slots=True)
class _Violation:
    """A possible violation of a rule: the `condition` under which the value of `column` breaks the `rule`."""

    condition: SparkColumn
    rule: str
    column: Column

    def only_if(self, condition: SparkColumn) -> "_Violation":
        """Return the violation restricted to rows that meet `condition`."""
        return replace(self, condition=condition & self.condition)

    @property
    def described(self) -> SparkColumn:
        """The violation as an element of `_broken`, NULL if the row keeps the rule."""
        # As a SQL expression it is one call to the JVM; as column functions it is a dozen.
        name = self.column.name
        details = F.expr(f"struct('{self.rule}' AS rule, '{name}' AS column, string({name}) AS value)")
        return F.when(self.condition, details)


def _violations_of_lookup(lookup: Lookup) -> list[_Violation]:
    reference = lookup.reference.column
    unmatched = F.col(reference.name).isNotNull() & F.col(lookup.matched_key).isNull()
    violations = [] if reference.nullable else [_Violation(F.col(reference.name).isNull(), NOT_NULL, reference)]
    return [*violations, _Violation(unmatched, REFERENCE, reference)]


def _violations_of_value(column: Column, kind: str) -> list[_Violation]:
    value, converted = F.col(column.name), typed(column, kind)
    violations = [] if column.nullable else [_Violation(value.isNull(), NOT_NULL, column)]
    if _is_date_as_text(column, kind):
        violations.append(_Violation(value.isNotNull() & converted.isNull(), PARSES, column))
    elif kind != column.type.spark:
        violations.append(_Violation(value.isNotNull() & ~converted.eqNullSafe(value), FITS, column))
    if column.accepted:
        violations.append(_Violation(~value.isin(*column.accepted), ACCEPTED, column))
    if column.between:
        violations.append(_Violation(~value.between(*column.between), RANGE, column))
    return violations
