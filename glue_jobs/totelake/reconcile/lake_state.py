"""What the lake holds of single records: what was last landed of them, and which of them are held back."""

from collections.abc import Collection
from dataclasses import dataclass

from totelake.lake import objects, quarantine
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.tables import SOURCE_TABLES, STAR_TABLES


@dataclass(frozen=True, slots=True)
class LakeState:
    """What was last landed of a record: a row, or the tombstone of one, and its version."""

    is_tombstone: bool
    version: int


def last_landed(bucket: str, table: str, keys: Collection[int], up_to: int) -> dict[int, LakeState]:
    """Return what was last landed of the records of a source table with these `keys`, up to the batch `up_to`.

    `bucket` is the ingested one. The batches are read backwards, until every key has been met.
    """
    (key,) = SOURCE_TABLES[table].key
    log = CommitLog(bucket, IngestedBatch)
    found: dict[int, LakeState] = {}
    for sequence in range(up_to, 0, -1):
        missing = keys - found.keys()
        if not missing:
            break
        part = log.read(sequence).tables.get(table)
        if part:
            rows = objects.rows_below(bucket, part.path, key, missing)
            found |= {row[key]: LakeState(row["_op"] == "D", row["_source_version"]) for row in rows}
    return found


def held_back(bucket: str, batch: ProcessedBatch) -> dict[str, frozenset[int]]:
    """Return for each star table the keys of the records of which `batch` holds back the latest row.

    `bucket` is the processed one.
    """
    return {
        table: frozenset(row[STAR_TABLES[table].natural_key[0]] for row in quarantine.open_rows(bucket, rows))
        for table, rows in batch.held.items()
    }
