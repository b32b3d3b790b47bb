"""Commit records, and whether one snapshot continues another."""

import json
from dataclasses import replace

import pytest

from totelake.lake.batches import (
    IngestedBatch,
    IngestedTable,
    ProcessedBatch,
    ProcessedTable,
    QuarantinedRows,
    Snapshot,
    active_batches,
)

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


def test_ingested_batch_round_trips_through_its_record():
    """JSON keeps every field, including 64-bit numbers."""
    table = IngestedTable("tables/staff/batch_id=b/", 20, 0, 4096, None, None, "abc")
    batch = IngestedBatch(3, "b", False, SNAPSHOT, {"staff": table}, "jr_1", "v1", "now", {"staff": 20}, "restored")

    assert IngestedBatch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_processed_batch_round_trips_through_its_record():
    """Including months, quarantine and replayed parts."""
    table = ProcessedTable("tables/fact_payment/batch_id=b/", 2, 100, ("2024-10", "2024-11"))
    held = {"fact_payment": QuarantinedRows("quarantine/fact_payment/batch_id=b/", 1, (2,))}
    part = replace(processed(1, first_ingested=1), tables={"fact_payment": table}, held=held)
    batch = replace(part, sequence=2, replayed=(part,))

    assert ProcessedBatch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_full_refresh_batch_deactivates_the_earlier_ones():
    """The last full refresh counts."""
    log = [processed(1, first_ingested=1), processed(2, first_ingested=2), processed(3, first_ingested=1)]
    log.append(processed(4, first_ingested=3))

    assert [batch.sequence for batch in active_batches(log)] == [3, 4]
    assert [batch.sequence for batch in active_batches(log[:2])] == [1, 2]
    assert active_batches([]) == []


def processed(sequence, *, first_ingested):
    """Return a processed batch without rows."""
    return ProcessedBatch(
        sequence, f"b{sequence}", first_ingested, sequence, SNAPSHOT.taken_at, {}, "jr_1", "v1", "now"
    )


def test_later_snapshot_of_the_same_database_continues():
    """Transaction ids are then enough to find changes."""
    assert SNAPSHOT.break_after(PREVIOUS) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"system_identifier": 1}, "another cluster"),
        ({"timeline": 2}, "restored"),
        ({"database_oid": 1}, "another cluster or database"),
        ({"xmin": 799}, "at an earlier point"),
        ({"xmax": 849}, "at an earlier point"),
        ({"xmin": 2**31 + 800, "xmax": 2**31 + 800}, "more than 2^31 transactions"),
    ],
    ids=["another cluster", "a restore", "another database", "xmin behind", "xmax behind", "half of the ids used"],
)
def test_snapshot_that_does_not_continue_has_a_reason(change, reason):
    """After another database, a restore or too many transactions, ids are not comparable."""
    assert reason in replace(SNAPSHOT, **change).break_after(PREVIOUS)
