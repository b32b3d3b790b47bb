"""The columns of the quarantine."""

from totelake.tables.model import INGESTED_SEQUENCE

QUARANTINE_COLUMNS = {
    "rule": ("string", "Rule that the row breaks, by its name in the tables above."),
    "column": ("string", "Column whose rule it is: of the star, or of totesys where the star looks a row up by it."),
    "value": ("string", "Value of that column, as text."),
    INGESTED_SEQUENCE.name: ("int", INGESTED_SEQUENCE.description),
    "row": ("string", "The whole row as JSON, with the columns by which it looks rows up."),
    "superseded": ("boolean", "Whether nobody waits for the row any more, since a later version of the record came."),
}
"""The columns of what is held back, after the natural key of its table: the type in the lake, and what they hold."""
