"""The ledger: the processed batches that were loaded into a warehouse, in order and each once."""

from dataclasses import dataclass, replace

from totelake.lake.batches import ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.runtime.errors import LedgerError
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The last entry of the ledger, and the number of `entries` up to it.

    The entries have no gaps from the `first` one, which is a full refresh.
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
                f"manually. Restore {SCHEMA}.{LEDGER}, or run the load once with --rebuild true."
            )

    def check_follows(self, batch: ProcessedBatch) -> None:
        """Raise `LedgerError` when `batch` does not follow this entry."""
        refreshes = batch.is_full_refresh and batch.sequence > self.sequence
        if not refreshes and (batch.sequence, batch.first_ingested) != (self.sequence + 1, self.last_ingested + 1):
            raise LedgerError(
                f"Batch {batch.batch_id} has sequence {batch.sequence} and starts with ingested batch "
                f"{batch.first_ingested}; the ledger expects sequence {self.sequence + 1} and ingested batch "
                f"{self.last_ingested + 1}. Nothing of it was loaded: load the batches in the order of their log."
            )


NOTHING_LOADED = LedgerEntry(sequence=0, batch_id="", last_ingested=0, entries=0, first=1)


def pending(last: LedgerEntry, commit_log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return the batches of `commit_log` after the `last` entry, in order, without superseded ones.

    Raises `LedgerError` when the entry does not match its record in `commit_log`, or the log does not continue it.
    """
    committed = commit_log.last_sequence()
    if last.sequence > committed:
        raise LedgerError(
            f"The ledger ends with sequence {last.sequence} (batch {last.batch_id}), the log of "
            f"s3://{commit_log.bucket} with {committed}. This warehouse was loaded from another bucket, or the bucket "
            f"lost records: restore them."
        )
    if last.sequence and (batch_id := commit_log.read(last.sequence).batch_id) != last.batch_id:
        raise LedgerError(
            f"Sequence {last.sequence} is batch {last.batch_id} in the ledger and batch {batch_id} in the log of "
            f"s3://{commit_log.bucket}. This warehouse was loaded from another bucket: configure the job to read that."
        )
    batches = active_batches(commit_log.since(last.sequence))
    for batch in batches:
        last.check_follows(batch)
        last = replace(last, sequence=batch.sequence, last_ingested=batch.last_ingested)
    return batches
