"""What is kept beside the tables: which batches the warehouse holds, and which rows are held back."""

from totelake.tables.model import INGESTED_SEQUENCE

LEDGER_COLUMNS = {
    "processed_sequence": ("integer", "Number of the batch in the log of the processed bucket."),
    "batch_id": ("varchar", "Attempt that wrote the batch: snapshot time and run."),
    "first_ingested": ("integer", "Number of the first ingested batch that it covers; 1 begins the warehouse anew."),
    "last_ingested": ("integer", "Number of the last ingested batch that it covers."),
    "snapshot_taken_at": ("timestamptz", "When totesys was as the warehouse shows it after this batch."),
    "rows": ("jsonb", "Rows of each table in the batch."),
    "run_id": ("varchar", "Run that loaded it."),
    "code_version": ("varchar", "Version of the code that loaded it."),
    "loaded_at": ("timestamptz", "When it was loaded."),
}
"""The columns of the ledger: the type in Postgres, and what they hold."""

QUARANTINE_COLUMNS = {
    "rule": ("string", "Rule that the row breaks, by its name in the tables above."),
    "column": ("string", "Column whose rule it is: of the star, or of totesys where the star looks a row up by it."),
    "value": ("string", "Value of that column, as text."),
    INGESTED_SEQUENCE.name: ("int", INGESTED_SEQUENCE.description),
    "row": ("string", "The whole row as JSON, with the columns by which it looks rows up."),
    "superseded": ("boolean", "Whether nobody waits for the row any more, since a later version of the record came."),
}
"""The columns of what is held back, after the natural key of its table: the type in the lake, and what they hold."""
