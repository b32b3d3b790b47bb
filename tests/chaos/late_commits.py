"""What the proof of late commits found: its figures, and the errors that it ends with."""

from dataclasses import dataclass

from tests.chaos.audited_world import Version
from tests.chaos.schedules import Interleaving, owner


@dataclass(frozen=True, slots=True)
class LateCommits:
    """What the proof went through, and what came out of it.

    `late` transactions changed something before a batch and committed it after that; the changes of `forgotten` left
    `last_updated` as it was. `versions` had to land, `deletions` of them as tombstones; `watermark_lost` of the others
    do not come by `last_updated > watermark`, and so many of the interleavings are `watermark_losers`.

    `compared` tables had to be compared by content, `refused` runs to end with an error. `events` counts what was done
    to tables that were restructured.
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
    refused: int
    batches: int
    versions: int
    deletions: int
    lost: int
    doubled: int
    watermark_lost: int
    watermark_losers: int
    seconds: float
    events: dict[str, int]

    def __str__(self) -> str:
        """Tell it in a few lines."""
        events = ", ".join(f"{count:,} times {name}" for name, count in self.events.items())
        return (
            f"{self.interleavings:,} interleavings: {self.transactions:,} transactions ({self.prepared:,} prepared,"
            f" {self.late:,} committed after a batch that had passed their changes), {self.savepoints:,} savepoints,"
            f" {self.rollbacks:,} rollbacks, {self.forgotten:,} changes without a new last_updated,"
            f" {self.key_changes:,} changes of a key\n"
            f"Restructured: {events}; {self.compared:,} tables compared by content, {self.refused:,} runs refused\n"
            f"{self.batches:,} batches, {self.versions:,} versions due ({self.deletions:,} of them deletions):"
            f" {self.lost:,} lost, {self.doubled:,} doubled, in {self.seconds:,.0f} s\n"
            f"last_updated > watermark, at the same moments: {self.watermark_lost:,} versions lost,"
            f" in {self.watermark_losers:,} interleavings"
        )


class LateCommitsError(AssertionError):
    """A batch is not what had become visible; the message has the schedule of an interleaving that shows it."""

    def __init__(
        self,
        seed: int,
        group: list[Interleaving],
        batch: int,
        *,
        lost: list[Version],
        doubled: list[Version],
        told: list[str],
    ) -> None:
        """Tell what the batch number `batch` among the interleavings of `group` has lost and doubled.

        `told` is what was done to the restructured table.
        """
        self.seed, self.batch, self.lost, self.doubled = seed, batch, lost, doubled
        wrong = [("lost", version) for version in lost] + [("doubled", version) for version in doubled]
        first = owner(wrong[0][1].row)
        lines = [f"seed {seed}, interleavings {group[0].number} to {group[-1].number}, batch {batch}:"]
        lines.append(f"{len(lost)} versions lost, {len(doubled)} doubled")
        lines += [f"{what}: {version}" for what, version in wrong if owner(version.row) == first]
        if first is None:
            lines += told
        for interleaving in group:
            if interleaving.number == first:
                lines += [f"interleaving {first}, again by prove(…, seed={seed}, only={first}):", str(interleaving)]
        super().__init__("\n".join(lines))


class NotRefusedError(AssertionError):
    """A run was not refused that could not see all rows of a table, or not for that."""

    def __init__(self, table: str, outcome: str) -> None:
        """Name the `table` of which rows were hidden, and the `outcome` of the run."""
        super().__init__(f"{table}: half of its rows were hidden from the reader; the run was not refused: {outcome}")
