"""The baseline of a batch: the previous batches, and which totesys transactions they cover."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from totelake.ingest.source import ALL_TRANSACTIONS
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import LiveFiles


@dataclass(frozen=True)
class Baseline:
    """The baseline of a batch: the batches in `log`, of which `previous` is the last.

    `reload` is the reason why the transaction ids of `previous` cannot be used, `reloaded` the same for single tables;
    then all rows are read and compared by content.
    """

    log: CommitLog[IngestedBatch]
    previous: IngestedBatch | None
    reload: str | None = None
    reloaded: Mapping[str, str] = field(default_factory=dict)

    def reload_of(self, table: str) -> str | None:
        """Return why `table` is compared by content, None when its changes are found by transaction id."""
        return self.reload or self.reloaded.get(table)

    def since(self, table: str) -> int:
        """Return the lowest transaction id whose rows of `table` count as changed."""
        if self.previous is None or self.reload_of(table):
            return ALL_TRANSACTIONS
        return self.previous.snapshot.xmin

    @property
    def is_full(self) -> bool:
        """Whether every row of every table is read."""
        return self.previous is None or self.reload is not None

    def alive(self, table: str) -> int:
        """Return the number of rows of `table` at the last batch."""
        return self.previous.alive.get(table, 0) if self.previous else 0

    @cached_property
    def files(self) -> LiveFiles:
        """The files of all committed batches."""
        return self.log.live_files()

    def overlap(self, table: str) -> tuple[IngestedBatch, ...]:
        """Return the batches that may have a version of `table` from transaction `since` on, the newest first."""
        if self.since(table) == ALL_TRANSACTIONS:
            return ()
        reloads = (number for number, batch in enumerate(self._overlap, 1) if batch.reload_of(table))
        return self._overlap[: next(reloads, None)]

    @cached_property
    def _overlap(self) -> tuple[IngestedBatch, ...]:
        """The batches with transactions that may have been open at the last snapshot."""
        return tuple(self._overlapping())

    def _overlapping(self) -> Iterator[IngestedBatch]:
        """Yield them, back to the last full batch: transaction ids from before it are not comparable."""
        assert self.previous is not None  # noqa: S101 - without one all rows are read
        for batch in self.log.backwards():
            if batch.snapshot.xmax <= self.previous.snapshot.xmin:
                return
            yield batch
            if batch.full:
                return
