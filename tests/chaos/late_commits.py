"""The result of the proof for late commits: its figures and errors."""

from dataclasses import dataclass

from tests.chaos.audited_pipeline import RowVersion
from tests.chaos.schedules import Interleaving, owner


@dataclass(frozen=True, slots=True)
class LateCommits:
    """What the proof ran and found.

    `late` transactions wrote before a batch and committed after it; `forgotten` changes did not update
    `last_updated`. `versions` had to be ingested, `deletions` of them as tombstones; `watermark_lost` of the others
    are not selected by `last_updated > watermark`, in `watermark_losers` of the interleavings.

    `compared` tables had to be compared by content, and `rejected` runs had to fail. `events` counts the changes of
    restructured tables.
    """

    interleavings: int
    transactions: int
    savepoints: int
    prepared: int
    late: int
    rollbacks: int
    forgotten: int
    key_changes: int
    compared: int
    rejected: int
    batches: int
    versions: int
    deletions: int
    lost: int
    duplicated: int
    watermark_lost: int
    watermark_losers: int
    seconds: float
    events: dict[str, int]

    def __str__(self) -> str:
        """Return the figures in a few lines."""
        events = ", ".join(f"{count:,} times {name}" for name, count in self.events.items())
        return (
            f"{self.interleavings:,} interleavings: {self.transactions:,} transactions ({self.prepared:,} prepared,"
            f" {self.late:,} committed after a batch that did not see them), {self.savepoints:,} savepoints,"
            f" {self.rollbacks:,} rollbacks, {self.forgotten:,} changes without a new last_updated,"
            f" {self.key_changes:,} changes of a key\n"
            f"Restructured: {events}; {self.compared:,} tables compared by content, {self.rejected:,} runs rejected\n"
            f"{self.batches:,} batches, {self.versions:,} versions due ({self.deletions:,} of them deletions):"
            f" {self.lost:,} lost, {self.duplicated:,} duplicated, in {self.seconds:,.0f} s\n"
            f"last_updated > watermark, at the same moments: {self.watermark_lost:,} versions lost,"
            f" in {self.watermark_losers:,} interleavings"
        )


class LateCommitsError(AssertionError):
    """A batch does not have the visible changes; the message has the schedule of an interleaving that shows it."""

    def __init__(
        self,
        seed: int,
        group: list[Interleaving],
        batch: int,
        *,
        lost: list[RowVersion],
        duplicated: list[RowVersion],
        changes: list[str],
    ) -> None:
        """Report the versions lost and duplicated by batch number `batch` of the interleavings of `group`.

        `changes` are those of the restructured table.
        """
        self.seed, self.batch, self.lost, self.duplicated = seed, batch, lost, duplicated
        wrong = [("lost", version) for version in lost] + [("duplicated", version) for version in duplicated]
        first = owner(wrong[0][1].row)
        lines = [f"seed {seed}, interleavings {group[0].number} to {group[-1].number}, batch {batch}:"]
        lines.append(f"{len(lost)} versions lost, {len(duplicated)} duplicated")
        lines += [f"{what}: {version}" for what, version in wrong if owner(version.row) == first]
        if first is None:
            lines += changes
        for interleaving in group:
            if interleaving.number == first:
                lines += [f"interleaving {first}, replay with prove(…, seed={seed}, only={first}):", str(interleaving)]
        super().__init__("\n".join(lines))


class NotRejectedError(AssertionError):
    """A run that could not read all rows of a table did not fail, or failed for another reason."""

    def __init__(self, table: str, outcome: str) -> None:
        """Name the `table` with hidden rows and the `outcome` of the run."""
        super().__init__(f"{table}: half of its rows were hidden from the reader; the run was not rejected: {outcome}")
