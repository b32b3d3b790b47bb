"""How a large table is split, and what a batch is called."""

from dataclasses import replace

from totelake.ingest.extract import PARTITION_BYTES, block_ranges
from totelake.lake.objects import batch_id
from totelake.runtime.glue import JobRun


def test_a_small_table_is_read_in_one_go():
    """An empty one too."""
    assert block_ranges(0, 8192) == ["_ctid >= '(0,0)'::tid"]
    assert block_ranges(PARTITION_BYTES, 8192) == ["_ctid >= '(0,0)'::tid"]


def test_ranges_meet_without_gap_and_the_last_one_is_open():
    """A row is in exactly one range, also one beyond the end that was measured."""
    assert block_ranges(PARTITION_BYTES * 2 + 1, 8192) == [
        "_ctid >= '(0,0)'::tid AND _ctid < '(5461,0)'::tid",
        "_ctid >= '(5461,0)'::tid AND _ctid < '(10922,0)'::tid",
        "_ctid >= '(10922,0)'::tid",
    ]


def test_a_batch_is_named_for_its_snapshot_and_its_attempt():
    """So names sort by time, and no two attempts share one."""
    run = JobRun("jr_0123456789abcdef", "v1", {})
    names = [batch_id("2024-11-21T09:00:00.123Z", attempt.attempt_id) for attempt in (run, replace(run, attempt=2))]
    assert names == ["20241121T090000123Z-01234567", "20241121T090000123Z-01234567-2"]
