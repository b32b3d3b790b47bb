"""Explains differences that are no errors: changes that a later run will load, and quarantined rows.

The snapshot of the last loaded batch shows which transactions it includes, and the ingested zone has the last version
of each record up to it. Changes that are in neither will be ingested by the next run.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from totelake.lake.batches import IngestedBatch, ProcessedBatch, Snapshot
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import expected
from totelake.reconcile.compare import DifferenceKind, RowDifference, SourceVersion
from totelake.reconcile.lake_state import last_ingested, quarantined_keys


class Reason(StrEnum):
    """The reason why a difference is not an error."""

    NEWER = "newer than the last batch"
    DELETED = "deleted in totesys since the last batch"
    QUARANTINED = "held in quarantine"


@dataclass(frozen=True, slots=True)
class LoadedBatches:
    """The batches of both zones that the warehouse was last loaded from."""

    processed: ProcessedBatch
    ingested: IngestedBatch


def last_loaded(
    entry: tuple[int, int] | None, ingested: CommitLog[IngestedBatch], processed: CommitLog[ProcessedBatch]
) -> LoadedBatches | None:
    """Return the batches of the last ledger `entry`, a processed sequence and an ingested one; None without entry."""
    return LoadedBatches(processed.read(entry[0]), ingested.read(entry[1])) if entry else None


class Explainer:
    """Finds the reasons of differences between the loaded batches and the current totesys."""

    def __init__(self, ingested: str, processed: str, loaded: LoadedBatches, now: Snapshot) -> None:
        """Take the buckets `ingested` and `processed`, and `now`, the snapshot at which totesys is read."""
        self._bucket, self._batch, self._now = ingested, loaded.ingested, now
        self._quarantined = quarantined_keys(processed, loaded.processed)
        # After a restore transaction ids are not comparable: then no row is known to be newer, and each one counts.
        self._ids_are_comparable = now.break_after(loaded.ingested.snapshot) is None

    def reason_without_lake(self, table: str, difference: RowDifference) -> Reason | None:
        """Return the reason, if it is known without reading the ingested zone, else None."""
        if any(self._is_invisible(version) for version in difference.versions):
            return Reason.NEWER
        is_outdated = difference.kind in {DifferenceKind.MISSING, DifferenceKind.DIFFERENT}
        return Reason.QUARANTINED if is_outdated and difference.key in self._quarantined.get(table, ()) else None

    def reasons_from_lake(self, table: str, differences: Collection[RowDifference]) -> dict[int, Reason]:
        """Return, by key, the reasons from the ingested zone for `differences` without a reason so far.

        The deletion of a record, or of one that it references, is pending if its last ingested version is no tombstone.
        A row may also have been invisible although its transaction id is below visible ones, since a snapshot does not
        list the subtransactions of open transactions. It was if that version has not been ingested.
        """
        driving = expected.ORIGINS[table].tables[0]
        extra = {difference.key for difference in differences if difference.kind == DifferenceKind.EXTRA}
        keys_by_table: dict[str, set[int]] = defaultdict(set, {driving: set(extra)})
        for version in (version for difference in differences for version in difference.versions):
            if version.xmin is None or self._may_be_pending(version):
                keys_by_table[version.table].add(version.key)
        ingested = {
            name: last_ingested(self._bucket, name, keys, self._batch.sequence) for name, keys in keys_by_table.items()
        }

        def is_newer(version: SourceVersion) -> bool:
            last = ingested[version.table].get(version.key) if self._may_be_pending(version) else None
            return self._may_be_pending(version) and (last is None or last.version != self._extended(version))

        def is_ingested(table: str, key: int) -> bool:
            return key in ingested[table] and not ingested[table][key].is_tombstone

        newer = {difference.key for difference in differences if any(map(is_newer, difference.versions))}
        deleted = {key for key in extra if is_ingested(driving, key)} | {
            difference.key
            for difference in differences
            if any(version.xmin is None and is_ingested(version.table, version.key) for version in difference.versions)
        }
        return dict.fromkeys(newer, Reason.NEWER) | dict.fromkeys(deleted, Reason.DELETED)

    def _is_invisible(self, version: SourceVersion) -> bool:
        """Whether `version` is certainly not visible in the snapshot of the last batch."""
        last, transaction = self._batch.snapshot, self._extended(version)
        if not self._ids_are_comparable or transaction is None:
            return False
        return transaction >= last.xmax or transaction in last.xip

    def _may_be_pending(self, version: SourceVersion) -> bool:
        """Whether `version` counts as changed for the next ingest."""
        transaction = self._extended(version)
        return self._ids_are_comparable and transaction is not None and transaction >= self._batch.snapshot.xmin

    def _extended(self, version: SourceVersion) -> int | None:
        """Return the xmin of `version`, extended to 64 bits like `_source_version`; None without a row."""
        if version.xmin is None:
            return None
        return self._now.xmax - ((self._now.xmax - version.xmin) & 0xFFFFFFFF)
