"""Whether a row keeps the rules that its table declares."""

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


def judge(rows: DataFrame, table: StarTable, missing: Mapping[str, DataFrame]) -> DataFrame:
    """Return `rows` with the column `_broken`: what each row has wrong, an empty array where nothing is.

    A fault is the rule, the column and its value as text. A column that may not be NULL has to have a value; text has
    to be a day in the form yyyy-mm-dd where a date is declared, and any other value has to fit its type without losing
    a digit; it has to be one of those accepted, and in its range, which for a day is the calendar's; what it refers to
    has to be there. `missing` has those keys that are referred to in vain, by dimension: each once, in a frame with the
    column `_referred`. Where a table is looked up and has no such row, that is the fault, of the column that refers to
    it, and not what is NULL for it.
    """
    kinds = dict(rows.dtypes)
    faults = [fault for lookup in LOOKUPS[table.name] for fault in _faults_of_lookup(lookup)]
    for column in table.stored_columns:
        kind, lookup = kinds[column.name], LINEAGE[f"{table.name}.{column.name}"].lookup
        faults += [F.when(_finds(lookup), fault) if lookup else fault for fault in _faults_of_value(column, kind)]
        if column.references == CALENDAR_TABLE:
            outside = ~typed(column, kind).between(FIRST_DAY, LAST_DAY)
            faults.append(_fault(outside, RANGE, column))
        elif column.references and column.references in missing:
            lacks = f"_{column.name}_lacks"
            lacking = missing[column.references].withColumnRenamed(REFERRED, lacks)
            rows = rows.join(lacking, rows[column.name] == lacking[lacks], "left")
            faults.append(_fault(F.col(lacks).isNotNull(), REFERENCE, column))
    return rows.withColumn(BROKEN, F.array_compact(F.array(*faults)))


def is_broken() -> SparkColumn:
    """Return the condition that a judged row breaks a rule."""
    return F.size(BROKEN) > 0


def only_lacks_references() -> SparkColumn:
    """Return the condition that a broken row would keep the rules if what it refers to were there."""
    return F.forall(BROKEN, lambda fault: fault["rule"] == REFERENCE)


def typed(column: Column, kind: str) -> SparkColumn:
    """Return the value of `column`, which is of Spark's type `kind`, in its declared type; NULL where it is none."""
    value = F.col(column.name)
    if column.type == DATE and kind == "string":
        return F.try_to_date(value, _DAY)
    return value if kind == column.type.spark else value.try_cast(column.type.spark)


def _finds(lookup: Lookup) -> SparkColumn:
    """Return the condition that a row has found what it looks up, or that there is nothing to look up."""
    reference = lookup.reference.column
    finds = F.col(lookup.found).isNotNull()
    return finds | F.col(reference.name).isNull() if reference.nullable else finds


def _faults_of_lookup(lookup: Lookup) -> list[SparkColumn]:
    reference = lookup.reference.column
    lacks = F.col(reference.name).isNotNull() & F.col(lookup.found).isNull()
    faults = [] if reference.nullable else [_fault(F.col(reference.name).isNull(), NOT_NULL, reference)]
    return [*faults, _fault(lacks, REFERENCE, reference)]


def _faults_of_value(column: Column, kind: str) -> list[SparkColumn]:
    value, converted = F.col(column.name), typed(column, kind)
    faults = [] if column.nullable else [_fault(value.isNull(), NOT_NULL, column)]
    if column.type == DATE and kind == "string":
        faults.append(_fault(value.isNotNull() & converted.isNull(), PARSES, column))
    elif kind != column.type.spark:
        faults.append(_fault(value.isNotNull() & ~converted.eqNullSafe(value), FITS, column))
    if column.accepted:
        faults.append(_fault(~value.isin(*column.accepted), ACCEPTED, column))
    if column.between:
        faults.append(_fault(~value.between(*column.between), RANGE, column))
    return faults


def _fault(broken: SparkColumn, rule: str, column: Column) -> SparkColumn:
    # As text it is one request to Spark; put together from columns it is a dozen.
    said = F.expr(f"struct('{rule}' AS rule, '{column.name}' AS column, string({column.name}) AS value)")
    return F.when(broken, said)
