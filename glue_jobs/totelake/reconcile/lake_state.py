"""The state of single records in the lake: their last ingested version, and which are in quarantine."""

from collections.abc import Collection
from dataclasses import dataclass

from totelake.lake import objects, quarantine
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.tables import SOURCE_TABLES, STAR_TABLES


@dataclass(frozen=True, slots=True)
class IngestedState:
    """The last ingested version of a record, and whether it is a tombstone."""

    is_tombstone: bool
    version: int


def last_ingested(bucket: str, table: str, keys: Collection[int], up_to: int) -> dict[int, IngestedState]:
    """Return the last ingested versions of the records of a source table with these `keys`, up to the batch `up_to`.

    `bucket` is the ingested one. The batches are read backwards, until there is a version of every key.
    """
    (key,) = SOURCE_TABLES[table].key
    log = CommitLog(bucket, IngestedBatch)
    states: dict[int, IngestedState] = {}
    for sequence in range(up_to, 0, -1):
        missing = keys - states.keys()
        if not missing:
            break
        ingested = log.read(sequence).tables.get(table)
        if ingested:
            rows = objects.rows_below(bucket, ingested.path, (key, missing))
            states |= {row[key]: IngestedState(row["_op"] == "D", row["_source_version"]) for row in rows}
    return states


def quarantined_keys(bucket: str, batch: ProcessedBatch) -> dict[str, frozenset[int]]:
    """Return for each star table the keys of the records that are in quarantine after `batch`.

    `bucket` is the processed one.
    """
    return {
        table: frozenset(row[STAR_TABLES[table].natural_key[0]] for row in quarantine.open_rows(bucket, rows))
        for table, rows in batch.held.items()
    }
