"""The ledger in Postgres: reads the last entry, inserts and deletes entries."""

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.tables.ledger import LEDGER
from totelake.warehouse import ledger
from totelake.warehouse.ledger import NOTHING_LOADED, LedgerEntry
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres.session import as_triggers_expect

_TABLE = sql.Identifier(SCHEMA, LEDGER)
_LAST = sql.SQL(
    "SELECT processed_sequence AS sequence, batch_id, last_ingested, (SELECT count(*) FROM {ledger}) AS entries,"
    " (SELECT min(processed_sequence) FROM {ledger} WHERE first_ingested = 1) AS first"
    " FROM {ledger} ORDER BY processed_sequence DESC LIMIT 1"
).format(ledger=_TABLE)
_INSERT = sql.SQL(
    "INSERT INTO {ledger} (processed_sequence, batch_id, first_ingested, last_ingested, snapshot_taken_at, rows,"
    " run_id, code_version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
).format(ledger=_TABLE)


def last_sequence(connection: psycopg.Connection) -> int:
    """Return the sequence of the last entry, 0 if there is none; raise `LedgerError` when entries are missing."""
    return _last(connection).sequence


def pending(connection: psycopg.Connection, commit_log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return the batches of `commit_log` that the ledger lacks, as `totelake.warehouse.ledger.pending` does."""
    return ledger.pending(_last(connection), commit_log)


def delete_entries(connection: psycopg.Connection) -> None:
    """Delete all entries, in the open transaction of `connection`."""
    with as_triggers_expect(connection):
        connection.execute(sql.SQL("DELETE FROM {}").format(_TABLE))


def insert(connection: psycopg.Connection, batch: ProcessedBatch, run_id: str, code_version: str) -> None:
    """Insert the entry of `batch`, in the open transaction of `connection`.

    Raises `LedgerError` when it does not follow the last entry.
    """
    _last(connection).check_follows(batch)
    ingested = (batch.first_ingested, batch.last_ingested)
    loaded = (batch.snapshot_taken_at, Jsonb(batch.rows), run_id, code_version)
    with as_triggers_expect(connection):
        connection.execute(_INSERT, (batch.sequence, batch.batch_id, *ingested, *loaded))


def _last(connection: psycopg.Connection) -> LedgerEntry:
    with connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
        last = cursor.execute(_LAST).fetchone() or NOTHING_LOADED
    last.check()
    return last
