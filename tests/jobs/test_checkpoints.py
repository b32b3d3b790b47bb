"""Checkpoints: readers start with the newest one, and do without when it cannot be read."""

import json
from collections import Counter
from dataclasses import replace

import boto3
import pytest

from totelake.lake.batches import IngestedBatch, IngestedTable, Snapshot
from totelake.lake.checkpoints import INTERVAL, Checkpoint, Checkpoints, key
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import LiveFiles
from totelake.runtime.errors import LogError

SNAPSHOT = Snapshot(1, 1, 1, 10, 10, (), "2026-11-30T12:00:00.000Z")


def batch(sequence):
    """Return a batch with rows of one table."""
    path = f"tables/payment/batch_id=b{sequence}/"
    table = IngestedTable(path, 3, 0, 10, None, None, "schema")
    return IngestedBatch(
        sequence, f"b{sequence}", False, SNAPSHOT, {"payment": table}, "jr_1", "v1", "2026-11-30T12:00:00.000Z", {}
    )


class CountingClients:
    """A factory of clients that counts their requests by operation."""

    def __init__(self):
        """Start at zero."""
        self.requests = Counter()

    def client(self, service, *, config=None):
        """Return a client of `service`."""
        client = boto3.client(service, config=config)
        client.meta.events.register("before-send", self._count)
        return client

    def _count(self, event_name, **_):
        self.requests[event_name.rpartition(".")[2]] += 1


@pytest.fixture
def bucket(lake_root):
    """Return an empty bucket."""
    name = f"checkpoints-{len(list(lake_root.iterdir()))}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    return name


def committed(bucket, batches):
    """Commit batches up to the number `batches`, each by a log of its own; return a new one."""
    for sequence in range(1, batches + 1):
        CommitLog(bucket, IngestedBatch).commit(batch(sequence))
    return CommitLog(bucket, IngestedBatch)


def test_requests_do_not_grow_with_the_number_of_batches(bucket):
    """To find the last batch and all live files."""
    requests = []
    for batches in range(1, 5 * INTERVAL):
        CommitLog(bucket, IngestedBatch).commit(batch(batches))
        counted = CountingClients()
        log = CommitLog(bucket, IngestedBatch, counted)
        assert len(log.live_files().of("payment")) == log.last_sequence() == batches
        requests.append(sum(counted.requests.values()))

    assert max(requests[2 * INTERVAL :]) == max(requests[INTERVAL : 2 * INTERVAL]) <= INTERVAL + 5


def test_newest_checkpoint_is_found_in_short_lists(bucket, lake_root):
    """Of hundreds of checkpoints, those in one folder and the names of the other folders are listed."""
    checkpoint = Checkpoint(1, LiveFiles(), "jr_1", "v1", "2026-11-30T12:00:00.000Z")
    for number in range(1, 451):
        path = lake_root / bucket / key(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(replace(checkpoint, number=number).to_json()))
    listed = []
    s3 = boto3.client("s3")
    s3.meta.events.register("after-call.s3.ListObjectsV2", lambda parsed, **_: listed.append(parsed["KeyCount"]))

    newest, following = Checkpoints(bucket, s3).newest()

    assert (newest.number, following) == (450, 451)
    assert sum(listed) < 110


def test_live_files_are_the_same_with_and_without_checkpoints(bucket):
    """They can be deleted, and are made again."""
    log, s3 = committed(bucket, 2 * INTERVAL + 1), boto3.client("s3")
    assert log.checkpoint.number == 2
    assert log.checkpoint.files.sequence == 2 * INTERVAL
    expected = LiveFiles().after(log.between(0, 2 * INTERVAL + 1))
    assert log.live_files() == expected

    for number in (1, 2):
        s3.delete_object(Bucket=bucket, Key=key(number))

    without = CommitLog(bucket, IngestedBatch)
    assert without.live_files() == expected
    without.commit(batch(2 * INTERVAL + 2))
    again = CommitLog(bucket, IngestedBatch)
    assert (again.checkpoint.number, again.checkpoint.files.sequence) == (1, 2 * INTERVAL + 2)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"number": 2, "files": {"sequence": 1, "tables": 3}}', b"\xff"])
def test_unreadable_checkpoint_is_skipped_with_a_warning(bucket, body, capsys):
    """The one before it and the records since are read; the next one gets the number after it."""
    expected = committed(bucket, 2 * INTERVAL).live_files()
    boto3.client("s3").put_object(Bucket=bucket, Key=key(2), Body=body)

    log = CommitLog(bucket, IngestedBatch)

    assert log.live_files() == expected
    assert (log.checkpoint.number, log.next_checkpoint) == (1, 3)
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "unreadable" in line]
    assert line["url"] == f"s3://{bucket}/{key(2)}"


def test_one_of_two_checkpoints_with_the_same_number_is_written(bucket):
    """A stage that lost to a compaction leaves it at that."""
    log = committed(bucket, INTERVAL - 1)
    compaction = Checkpoint(1, log.live_files(), "jr_2", "v1", "2026-11-30T12:00:00.000Z", compaction="c1")
    assert log.checkpoint.number == 0
    assert CommitLog(bucket, IngestedBatch).checkpoints.write(compaction)

    log.commit(batch(INTERVAL))

    assert CommitLog(bucket, IngestedBatch).checkpoint == compaction
    assert log.checkpoints.write(compaction)  # a request that was sent again
    assert not log.checkpoints.write(replace(compaction, run_id="jr_3"))


def test_missing_record_after_the_checkpoint_is_reported(bucket):
    """Those before it are not listed."""
    committed(bucket, INTERVAL + 2)
    s3 = boto3.client("s3")
    s3.delete_object(Bucket=bucket, Key=f"log/{INTERVAL + 1:08d}.json")

    with pytest.raises(LogError, match=f"not numbered {INTERVAL} to .* without gaps"):
        CommitLog(bucket, IngestedBatch).last_sequence()


def test_log_that_ends_before_its_checkpoint_is_reported(bucket):
    """Records were removed."""
    committed(bucket, INTERVAL)
    s3 = boto3.client("s3")
    for sequence in (INTERVAL - 1, INTERVAL):
        s3.delete_object(Bucket=bucket, Key=f"log/{sequence:08d}.json")

    with pytest.raises(LogError, match="without gaps"):
        CommitLog(bucket, IngestedBatch).last_sequence()
