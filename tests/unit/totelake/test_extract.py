"""The split of a large table into ranges, and the id of a batch."""

from dataclasses import replace

from totelake.ingest.extract import PARTITION_BYTES, block_ranges
from totelake.lake.objects import batch_id
from totelake.runtime.glue import JobRun


def test_small_table_is_read_in_one_range():
    """An empty one too."""
    assert block_ranges(0, 8192) == ["_ctid >= '(0,0)'::tid"]
    assert block_ranges(PARTITION_BYTES, 8192) == ["_ctid >= '(0,0)'::tid"]


def test_ranges_have_no_gap_and_the_last_one_is_open():
    """Every row is in exactly one range, including rows after the measured end."""
    assert block_ranges(PARTITION_BYTES * 2 + 1, 8192) == [
        "_ctid >= '(0,0)'::tid AND _ctid < '(5461,0)'::tid",
        "_ctid >= '(5461,0)'::tid AND _ctid < '(10922,0)'::tid",
        "_ctid >= '(10922,0)'::tid",
    ]


def test_batch_id_has_the_snapshot_time_and_the_attempt():
    """So ids sort by time and are unique per attempt."""
    run = JobRun("jr_0123456789abcdef", "v1", {})
    names = [batch_id("2024-11-21T09:00:00.123Z", attempt.attempt_id) for attempt in (run, replace(run, attempt=2))]
    assert names == ["20241121T090000123Z-01234567", "20241121T090000123Z-01234567-2"]
