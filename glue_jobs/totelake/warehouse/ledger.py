"""The ledger: which processed batches the warehouse holds, in order and each once."""

from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from totelake.batches import ProcessedBatch, in_force
from totelake.errors import LedgerError
from totelake.log import CommitLog
from totelake.warehouse.definition import LEDGER, SCHEMA

_TABLE = sql.Identifier(SCHEMA, LEDGER)
_LAST = sql.SQL(
    "SELECT processed_sequence AS sequence, batch_id, last_ingested, (SELECT count(*) FROM {ledger}) AS entries,"
    " (SELECT min(processed_sequence) FROM {ledger} WHERE first_ingested = 1) AS first"
    " FROM {ledger} ORDER BY processed_sequence DESC LIMIT 1"
).format(ledger=_TABLE)
_ENTER = sql.SQL(
    "INSERT INTO {ledger} (processed_sequence, batch_id, first_ingested, last_ingested, snapshot_taken_at, rows,"
    " run_id, code_version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
).format(ledger=_TABLE)


@dataclass(frozen=True, slots=True)
class Entry:
    """The last batch in the ledger, and how many `entries` the ledger has up to it.

    They go on without a gap from the `first` one, which begins with the first ingested batch.
    """

    sequence: int
    batch_id: str
    last_ingested: int
    entries: int
    first: int | None


_NOTHING_LOADED = Entry(sequence=0, batch_id="", last_ingested=0, entries=0, first=1)


def pending(connection: psycopg.Connection, log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return the batches of `log` that are not in the ledger, in order; none that a later one puts out of force.

    Raises `LedgerError` when the ledger is not what `log` says up to its last entry, or the log does not go on from it.
    """
    last = _last(connection)
    committed = log.last_sequence()
    if last.sequence > committed:
        raise LedgerError(
            f"The ledger ends with sequence {last.sequence} (batch {last.batch_id}), the log of s3://{log.bucket} with "
            f"{committed}. This warehouse was loaded from another bucket, or the bucket lost records: restore them."
        )
    if last.sequence and (batch_id := log.read(last.sequence).batch_id) != last.batch_id:
        raise LedgerError(
            f"Sequence {last.sequence} is batch {last.batch_id} in the ledger and batch {batch_id} in the log of "
            f"s3://{log.bucket}. This warehouse was loaded from another bucket: point the job to that one."
        )
    batches = in_force(log.since(last.sequence))
    for batch in batches:
        _check_follows(last, batch)
        last = replace(last, sequence=batch.sequence, last_ingested=batch.last_ingested)
    return batches


def forget(connection: psycopg.Connection) -> None:
    """Remove all entries, in the transaction that `connection` has open."""
    connection.execute(sql.SQL("DELETE FROM {}").format(_TABLE))


def enter(connection: psycopg.Connection, batch: ProcessedBatch, run_id: str, code_version: str) -> None:
    """Write `batch` into the ledger, in the transaction that `connection` has open.

    Raises `LedgerError` when it does not follow the last entry.
    """
    _check_follows(_last(connection), batch)
    ingested = (batch.first_ingested, batch.last_ingested)
    told = (batch.snapshot_taken_at, Jsonb(batch.rows), run_id, code_version)
    connection.execute(_ENTER, (batch.sequence, batch.batch_id, *ingested, *told))


def _check_follows(last: Entry, batch: ProcessedBatch) -> None:
    begins_anew = batch.first_ingested == 1 and batch.sequence > last.sequence
    if not begins_anew and (batch.sequence, batch.first_ingested) != (last.sequence + 1, last.last_ingested + 1):
        raise LedgerError(
            f"Batch {batch.batch_id} has sequence {batch.sequence} and begins with ingested batch "
            f"{batch.first_ingested}; the ledger goes on with sequence {last.sequence + 1} and ingested batch "
            f"{last.last_ingested + 1}. Nothing of it was loaded: load the batches in the order of their log."
        )


def _last(connection: psycopg.Connection) -> Entry:
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        last = cursor.execute(_LAST).fetchone() or _NOTHING_LOADED
    if last.first is None or last.entries != last.sequence - last.first + 1:
        raise LedgerError(
            f"The ledger has {last.entries} entries and ends with sequence {last.sequence}: entries were removed by "
            f"hand. Restore {SCHEMA}.{LEDGER}, or run the load once with --rebuild true."
        )
    return last
