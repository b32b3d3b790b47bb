"""Checks rows against the declared rules of their table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

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


@dataclass(frozen=True, slots=True)
class _Violation:
    """A possible violation of a rule: the SQL `condition` under which the value of `column` breaks the `rule`."""

    condition: str
    rule: str
    column: Column

    def only_if(self, condition: str) -> Self:
        """Return the violation restricted to rows that meet `condition`."""
        return replace(self, condition=f"({condition}) AND ({self.condition})")

    @property
    def described(self) -> str:
        """The violation as an element of `_broken`, NULL if the row keeps the rule."""
        name = self.column.name
        details = f"struct('{self.rule}' AS rule, '{name}' AS column, string({name}) AS value)"
        return f"CASE WHEN {self.condition} THEN {details} END"


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
            days = f"DATE'{FIRST_DAY}' AND DATE'{LAST_DAY}'"
            violations.append(_Violation(f"{typed(column, kind)} NOT BETWEEN {days}", RANGE, column))
        elif column.references and column.references in missing:
            missing_column = f"_{column.name}_lacks"
            missing_keys = missing[column.references].withColumnRenamed(REFERRED, missing_column)
            rows = rows.join(missing_keys, rows[column.name] == missing_keys[missing_column], "left")
            violations.append(_Violation(f"{missing_column} IS NOT NULL", REFERENCE, column))
    # As SQL it is one call to the JVM; as column functions it is hundreds.
    return rows.withColumn(BROKEN, F.expr(_broken(violations)))


def _broken(violations: list[_Violation]) -> str:
    """Return the expression of the array of a row's violations."""
    # Nearly every row is valid: the array is made only for the others.
    is_invalid = " OR ".join(f"({violation.condition})" for violation in violations)
    described = ", ".join(violation.described for violation in violations)
    return f"CASE WHEN {is_invalid} THEN array_compact(array({described})) ELSE CAST(array() AS {_VIOLATIONS}) END"


def breaks_rules() -> SparkColumn:
    """Return the condition that a checked row breaks a rule."""
    return F.size(BROKEN) > 0


def lacks_only_references() -> SparkColumn:
    """Return the condition that missing references are the only violations of a row."""
    return F.forall(BROKEN, lambda violation: violation["rule"] == REFERENCE)


def typed(column: Column, kind: str) -> str:
    """Return the expression of the value of `column` of checked rows, of the Spark type `kind`, in its declared type.

    It is NULL if the value does not fit the declared type.
    """
    if _is_date_as_text(column, kind):
        return _parsed(column)
    return column.name if kind == column.type.spark else f"try_cast({column.name} AS {column.type.spark})"


def _is_date_as_text(column: Column, kind: str) -> bool:
    return column.type == DATE and kind == "string"


def _parsed(column: Column) -> str:
    """Return the name of the column with the parsed text of `column`."""
    return f"_{column.name}_parsed"


def _has_match(lookup: Lookup) -> str:
    """Return the condition that the lookup of a row has a match, or that its foreign key is NULL."""
    reference, has_match = lookup.reference.column, f"{lookup.matched_key} IS NOT NULL"
    return f"{has_match} OR {reference.name} IS NULL" if reference.nullable else has_match


def _violations_of_lookup(lookup: Lookup) -> list[_Violation]:
    reference = lookup.reference.column
    unmatched = f"{reference.name} IS NOT NULL AND {lookup.matched_key} IS NULL"
    violations = [] if reference.nullable else [_Violation(f"{reference.name} IS NULL", NOT_NULL, reference)]
    return [*violations, _Violation(unmatched, REFERENCE, reference)]


def _violations_of_value(column: Column, kind: str) -> list[_Violation]:
    value, converted = column.name, typed(column, kind)
    violations = [] if column.nullable else [_Violation(f"{value} IS NULL", NOT_NULL, column)]
    if _is_date_as_text(column, kind):
        violations.append(_Violation(f"{value} IS NOT NULL AND {converted} IS NULL", PARSES, column))
    elif kind != column.type.spark:
        violations.append(_Violation(f"{value} IS NOT NULL AND NOT {converted} <=> {value}", FITS, column))
    if column.accepted:
        accepted = ", ".join(map(_literal, column.accepted))
        violations.append(_Violation(f"{value} NOT IN ({accepted})", ACCEPTED, column))
    if column.between:
        lowest, highest = column.between
        violations.append(_Violation(f"{value} NOT BETWEEN {lowest} AND {highest}", RANGE, column))
    return violations


def _literal(text: str) -> str:
    r"""Return `text` as a literal of Spark SQL, in which \ escapes."""
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
