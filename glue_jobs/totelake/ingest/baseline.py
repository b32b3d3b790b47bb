"""What a batch goes on from: the batches before it, and which transactions of totesys they have seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from totelake.ingest.source import EVERYTHING
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog


@dataclass(frozen=True)
class Baseline:
    """What a batch goes on from: the batches in `log`, of which `previous` is the last.

    `reload` says why the transaction ids of `previous` are of no use, `reloaded` the same of single tables; then every
    row is read, and its content tells whether it is new.
    """

    log: CommitLog[IngestedBatch]
    previous: IngestedBatch | None
    reload: str | None = None
    reloaded: Mapping[str, str] = field(default_factory=dict)

    def reload_of(self, table: str) -> str | None:
        """Return why `table` is compared by content, None where transaction ids tell what changed."""
        return self.reload or self.reloaded.get(table)

    def since(self, table: str) -> int:
        """Return the transaction from which on rows of `table` count as changed."""
        if self.previous is None or self.reload_of(table):
            return EVERYTHING
        return self.previous.snapshot.xmin

    @property
    def is_full(self) -> bool:
        """Whether every row of every table is read."""
        return self.previous is None or self.reload is not None

    def alive(self, table: str) -> int:
        """Return how many rows `table` had at the last batch."""
        return self.previous.alive.get(table, 0) if self.previous else 0

    @cached_property
    def known(self) -> tuple[IngestedBatch, ...]:
        """Every committed batch."""
        return tuple(self.log.since(0))

    def overlap(self, table: str) -> tuple[IngestedBatch, ...]:
        """Return the batches that may hold a version of `table` from `since` on, the newest first."""
        if self.since(table) == EVERYTHING:
            return ()
        reloads = (number for number, batch in enumerate(self._overlap, 1) if batch.reload_of(table))
        return self._overlap[: next(reloads, None)]

    @cached_property
    def _overlap(self) -> tuple[IngestedBatch, ...]:
        """The batches whose transactions the last snapshot may not have seen the end of."""
        return tuple(self._overlapping())

    def _overlapping(self) -> Iterator[IngestedBatch]:
        """Yield them; transaction ids before a full batch mean nothing."""
        assert self.previous is not None  # noqa: S101 - without one everything is read
        for batch in self.log.backwards():
            if batch.snapshot.xmax <= self.previous.snapshot.xmin:
                return
            yield batch
            if batch.full:
                return
