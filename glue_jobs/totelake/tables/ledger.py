"""The declaration of the warehouse's ledger: one row per processed batch that was loaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerColumn:
    """A column of the ledger: its type in Postgres and in Redshift, and its constraints in Postgres."""

    name: str
    postgres: str
    redshift: str
    description: str
    constraints: str = "NOT NULL"


LEDGER = "load_ledger"
LEDGER_COMMENT = "One row per processed batch that was loaded, written in the same transaction as its rows."
# COPY maps the columns of a Parquet file by position, so this is the order everywhere.
LEDGER_COLUMNS = (
    LedgerColumn(
        "processed_sequence",
        "integer",
        "INTEGER",
        "Number of the batch in the log of the processed bucket.",
        "PRIMARY KEY",
    ),
    LedgerColumn(
        "batch_id",
        "varchar",
        "VARCHAR(256)",
        "Id of the attempt that wrote the batch: snapshot time and run.",
        "NOT NULL UNIQUE",
    ),
    LedgerColumn(
        "first_ingested",
        "integer",
        "INTEGER",
        "Number of the first ingested batch that it covers; 1 is a full refresh of the warehouse.",
    ),
    LedgerColumn("last_ingested", "integer", "INTEGER", "Number of the last ingested batch that it covers."),
    LedgerColumn(
        "snapshot_taken_at",
        "timestamptz",
        "TIMESTAMP",
        "Time of the totesys snapshot that the warehouse shows after this batch.",
    ),
    LedgerColumn("rows", "jsonb", "VARCHAR(65535)", "Rows of each table in the batch."),
    LedgerColumn("run_id", "varchar", "VARCHAR(256)", "Run that loaded it."),
    LedgerColumn("code_version", "varchar", "VARCHAR(256)", "Version of the code that loaded it."),
    LedgerColumn("loaded_at", "timestamptz", "TIMESTAMP", "When it was loaded.", "NOT NULL DEFAULT clock_timestamp()"),
)
