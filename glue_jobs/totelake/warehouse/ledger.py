"""The ledger: which processed batches a warehouse holds, in order and each once."""

from dataclasses import dataclass, replace

from totelake.lake.batches import ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.runtime.errors import LedgerError
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA


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

    def check(self) -> None:
        """Raise `LedgerError` when entries are missing."""
        if self.first is None or self.entries != self.sequence - self.first + 1:
            raise LedgerError(
                f"The ledger has {self.entries} entries and ends with sequence {self.sequence}: entries were removed "
                f"by hand. Restore {SCHEMA}.{LEDGER}, or run the load once with --rebuild true."
            )

    def check_follows(self, batch: ProcessedBatch) -> None:
        """Raise `LedgerError` when `batch` does not follow this entry."""
        begins_anew = batch.first_ingested == 1 and batch.sequence > self.sequence
        if not begins_anew and (batch.sequence, batch.first_ingested) != (self.sequence + 1, self.last_ingested + 1):
            raise LedgerError(
                f"Batch {batch.batch_id} has sequence {batch.sequence} and begins with ingested batch "
                f"{batch.first_ingested}; the ledger goes on with sequence {self.sequence + 1} and ingested batch "
                f"{self.last_ingested + 1}. Nothing of it was loaded: load the batches in the order of their log."
            )


NOTHING_LOADED = Entry(sequence=0, batch_id="", last_ingested=0, entries=0, first=1)


def pending(last: Entry, log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return the batches of `log` after the `last` entry, in order; none that a later one puts out of force.

    Raises `LedgerError` when the entry is not what `log` says of it, or the log does not go on from it.
    """
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
    batches = active_batches(log.since(last.sequence))
    for batch in batches:
        last.check_follows(batch)
        last = replace(last, sequence=batch.sequence, last_ingested=batch.last_ingested)
    return batches
