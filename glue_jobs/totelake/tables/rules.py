"""The rules of a star column, from its declaration; rows that break one are quarantined."""

from totelake.tables.model import DATE, VARCHAR, Column, Type
from totelake.tables.stars import CALENDAR_TABLE, FIRST_DAY, LAST_DAY

NOT_NULL, PARSES, FITS, ACCEPTED, RANGE, REFERENCE = (
    "not null",
    "date",
    "type",
    "accepted values",
    "range",
    "reference",
)


def declared(column: Column, input_type: Type) -> dict[str, str]:
    """Return the rules of `column` for values of the type `input_type`, each with its requirement."""
    rules = {} if column.nullable else {NOT_NULL: "has a value"}
    if input_type != column.type:
        is_text = (input_type, column.type) == (VARCHAR, DATE)
        rules |= {PARSES: "a day, yyyy-mm-dd"} if is_text else {FITS: f"fits {column.type.hive} exactly"}
    if column.accepted:
        rules[ACCEPTED] = f"one of {', '.join(column.accepted)}"
    if column.between:
        least, greatest = column.between
        rules[RANGE] = f"{least:,} to {greatest:,}"
    if column.references == CALENDAR_TABLE:
        rules[RANGE] = f"{FIRST_DAY} to {LAST_DAY}, as in {CALENDAR_TABLE}"
    elif column.references:
        rules[REFERENCE] = f"is in {column.references}"
    return rules
