"""The columns of the quarantine."""

from totelake.tables.model import INGESTED_SEQUENCE

QUARANTINE_COLUMNS = {
    "rule": ("string", "Rule that the row breaks, by its name in the tables above."),
    "column": ("string", "Column that breaks the rule: of the star, or of totesys if the star joins by it."),
    "value": ("string", "Value of that column, as text."),
    INGESTED_SEQUENCE.name: ("int", INGESTED_SEQUENCE.description),
    "row": ("string", "The whole row as JSON, with the columns by which it is joined."),
    "superseded": ("boolean", "Whether a later version of the record has replaced the row."),
}
"""The columns of quarantined rows after the natural key of their table: type in the lake, and description."""
