"""Why a record may differ and nothing is wrong: what shows that a run to come will bring it.

The batch that the warehouse loaded last knows which transactions its snapshot saw, and the raw zone which version of
each record was the last to land. What neither has seen is what the next ingest finds.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from totelake.lake.batches import IngestedBatch, ProcessedBatch, Snapshot
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import expected
from totelake.reconcile.compare import Difference, Version, What
from totelake.reconcile.lake_state import held_back, last_landed


class Reason(StrEnum):
    """Why a difference is none that counts."""

    NEWER = "newer than the last batch"
    DELETED = "deleted in totesys since the last batch"
    HELD = "held in quarantine"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the warehouse was last loaded from: a batch of each zone."""

    processed: ProcessedBatch
    ingested: IngestedBatch


def last_loaded(
    entry: tuple[int, int] | None, ingested: CommitLog[IngestedBatch], processed: CommitLog[ProcessedBatch]
) -> Loaded | None:
    """Return what a warehouse shows whose ledger ends with this `entry`, a processed sequence and an ingested one."""
    return Loaded(processed.read(entry[0]), ingested.read(entry[1])) if entry else None


class Evidence:
    """What the lake says of records that differ between what was loaded and totesys as it is now."""

    def __init__(self, ingested: str, processed: str, loaded: Loaded, now: Snapshot) -> None:
        """Look for it in the buckets `ingested` and `processed`; `now` is the snapshot at which totesys is read."""
        self._bucket, self._batch, self._now = ingested, loaded.ingested, now
        self._held = held_back(processed, loaded.processed)
        # After a restore transaction ids say nothing: then no row is known to be newer, and each one counts.
        self._ids_go_on = now.break_after(loaded.ingested.snapshot) is None

    def at_once(self, table: str, difference: Difference) -> Reason | None:
        """Return the reason that shows without a look at the raw zone, None where none does."""
        if any(self._was_not_seen(version) for version in difference.versions):
            return Reason.NEWER
        if difference.what in {What.MISSING, What.DIFFERENT} and difference.key in self._held.get(table, ()):
            return Reason.HELD
        return None

    def from_raw_zone(self, table: str, differences: Collection[Difference]) -> dict[int, Reason]:
        """Return, by their keys, the reasons that the raw zone gives for `differences` that have none at once.

        A record that is gone from totesys, or that another one refers to and is gone, has still to be found gone while
        the last of it that landed is no tombstone.
        A row of totesys may also have been unseen when its transaction is older than others that were seen, since a
        snapshot does not name the subtransactions of those that it found open. It was if it has not landed.
        """
        driving = expected.ORIGINS[table].tables[0]
        gone = {difference.key for difference in differences if difference.what == What.EXTRA}
        asked: dict[str, set[int]] = defaultdict(set, {driving: set(gone)})
        for version in (version for difference in differences for version in difference.versions):
            if version.xmin is None or self._may_be_unseen(version):
                asked[version.table].add(version.key)
        landed = {name: last_landed(self._bucket, name, keys, self._batch.sequence) for name, keys in asked.items()}

        def is_newer(version: Version) -> bool:
            last = landed[version.table].get(version.key) if self._may_be_unseen(version) else None
            return self._may_be_unseen(version) and (last is None or last.version != self._widened(version))

        def lives(table: str, key: int) -> bool:
            return key in landed[table] and not landed[table][key].is_tombstone

        newer = {difference.key for difference in differences if any(map(is_newer, difference.versions))}
        deleted = {key for key in gone if lives(driving, key)} | {
            difference.key
            for difference in differences
            if any(version.xmin is None and lives(version.table, version.key) for version in difference.versions)
        }
        return dict.fromkeys(newer, Reason.NEWER) | dict.fromkeys(deleted, Reason.DELETED)

    def _was_not_seen(self, version: Version) -> bool:
        """Whether the snapshot of the last batch says that it did not see `version`."""
        seen, transaction = self._batch.snapshot, self._widened(version)
        return self._ids_go_on and transaction is not None and (transaction >= seen.xmax or transaction in seen.xip)

    def _may_be_unseen(self, version: Version) -> bool:
        """Whether the next ingest would take `version`, had it not landed."""
        transaction = self._widened(version)
        return self._ids_go_on and transaction is not None and transaction >= self._batch.snapshot.xmin

    def _widened(self, version: Version) -> int | None:
        """Return the transaction that wrote `version` in 64 bits, as `_source_version` has it; None of no row."""
        if version.xmin is None:
            return None
        return self._now.xmax - ((self._now.xmax - version.xmin) & 0xFFFFFFFF)
