"""What commit records say, and when one snapshot continues another."""

import json
from dataclasses import replace

import pytest

from totelake.batches import IngestedBatch, IngestedTable, ProcessedBatch, ProcessedTable, Snapshot

SNAPSHOT = Snapshot(
    system_identifier=7_300_000_000_000_000_001,
    timeline=1,
    database_oid=16_384,
    xmin=900,
    xmax=910,
    xip=(900, 905),
    taken_at="2024-11-21T09:00:00.000Z",
)
PREVIOUS = replace(SNAPSHOT, xmin=800, xmax=850, xip=())


def test_an_ingested_batch_comes_back_from_its_record():
    """Nothing is lost on the way through JSON, 64-bit numbers included."""
    table = IngestedTable("tables/staff/batch_id=b/", 20, 0, 4096, None, None, "abc")
    batch = IngestedBatch(3, "b", False, SNAPSHOT, {"staff": table}, "jr_1", "v1", "2024-11-21T09:00:05.000Z")

    assert IngestedBatch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_a_processed_batch_comes_back_from_its_record():
    """Months and quarantine included."""
    table = ProcessedTable("tables/fact_payment/batch_id=b/", 2, 100, ("2024-10", "2024-11"))
    batch = ProcessedBatch(
        1, "b", 1, 3, SNAPSHOT.taken_at, {"fact_payment": table}, "jr_1", "v1", "now", {"fact_payment": 1}
    )

    assert ProcessedBatch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_a_later_snapshot_of_the_same_database_continues_the_chain():
    """Then the transaction ids alone tell what changed."""
    assert SNAPSHOT.continues(PREVIOUS)


@pytest.mark.parametrize(
    "change",
    [
        {"system_identifier": 1},
        {"timeline": 2},
        {"database_oid": 1},
        {"xmin": 799},
        {"xmax": 849},
        {"xmin": 2**31 + 800, "xmax": 2**31 + 800},
    ],
    ids=["another cluster", "a restore", "another database", "xmin behind", "xmax behind", "half the ids passed"],
)
def test_a_broken_chain_is_noticed(change):
    """Another database, a restore or too many transactions leave nothing to compare with."""
    assert not replace(SNAPSHOT, **change).continues(PREVIOUS)
