"""Few rows of large files, read in the driver."""

import random
from uuid import uuid4

import boto3
import pyarrow as pa
import pytest

from totelake.lake import objects, parquet_files
from totelake.lake.file_sets import FileSet

ROWS = 400_000


class CountingS3:
    """A client of S3 that counts the bytes and the requests of its reads."""

    def __init__(self):
        """Start at zero."""
        self._s3 = boto3.client("s3")
        self.bytes = self.requests = 0

    def get_object(self, **arguments):
        """Return the object, or the range of it, counted."""
        response = self._s3.get_object(**arguments)
        self.bytes += response["ContentLength"]
        self.requests += 1
        return response


@pytest.fixture(scope="module")
def large(lake_root):
    """Return a bucket, and a file set whose one file has `ROWS` rows sorted by key."""
    bucket, s3 = f"large-{uuid4().hex[:8]}", boto3.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    texts = random.Random(1)
    rows = pa.table(
        {"key": pa.array(range(ROWS), pa.int32()), "text": [f"{texts.getrandbits(64):x}" for _ in range(ROWS)]}
    )
    path = "tables/t/batch_id=a/"
    files = objects.write_tables(s3, bucket, path, {"": rows})
    return bucket, FileSet(path, ROWS, files[0].bytes, 1, 1, files=files), rows


def test_only_the_key_and_the_row_groups_with_wanted_rows_are_read(large):
    """Not the other texts, which are most of the file, and not the keys of the other row groups."""
    bucket, files, rows = large
    s3 = CountingS3()

    [[found]] = parquet_files.tables_of(s3, bucket, [files], ("key", {5, 399_999, -1}), columns=("text",))

    assert found["text"].to_pylist() == [rows["text"][5].as_py(), rows["text"][399_999].as_py()]
    assert s3.bytes < 0.2 * files.bytes
    assert s3.requests < 8


def test_rows_with_wanted_texts_are_found_in_every_row_group(large):
    """Whatever the minimum and maximum of its texts are."""
    bucket, files, rows = large
    wanted = [rows["text"][place].as_py() for place in (5, 200_000, 399_999)]

    [[found]] = parquet_files.tables_of(CountingS3(), bucket, [files], ("text", {*wanted, "none"}), columns=("key",))

    assert found["key"].to_pylist() == [5, 200_000, 399_999]


def test_whole_large_files_are_read_with_one_request(large):
    """All rows and columns."""
    bucket, files, rows = large
    s3 = CountingS3()

    [[found]] = parquet_files.tables_of(s3, bucket, [files])

    assert found.equals(rows)
    assert s3.requests == 1


def test_a_column_of_all_rows_is_read_alone(large):
    """With the types of the file."""
    bucket, files, rows = large
    s3 = CountingS3()

    [[found]] = parquet_files.tables_of(s3, bucket, [files], columns=("key", "other"))

    assert found.equals(rows.select(["key"]))
    assert s3.bytes < 0.5 * files.bytes


def test_reading_ends_with_the_newest_version_of_each_key(large):
    """Older sets are not opened once all keys have been found."""
    bucket, _, _ = large
    s3 = boto3.client("s3")
    sets = []
    for number in range(1, 31):
        path = f"tables/u/batch_id={number:02d}/"
        rows = pa.table({"key": pa.array([number % 3, 100 + number], pa.int32()), "version": pa.array([number] * 2)})
        files = objects.write_tables(s3, bucket, path, {"": rows})
        sets.append(FileSet(path, 2, files[0].bytes, number, number, files=files))
    counted = CountingS3()

    read = list(parquet_files.newest_tables(counted, bucket, sets, ("key", {0, 1, 2, 105}), columns=("key", "version")))

    newest = {}
    for _, tables in read:
        for row in tables[0].to_pylist():
            newest.setdefault(row["key"], row["version"])
    assert newest == {0: 30, 1: 28, 2: 29, 105: 5}
    assert list(parquet_files.newest_tables(counted, bucket, sets, ("key", set()), columns=("key",))) == []
    counted.requests = 0
    list(parquet_files.newest_tables(counted, bucket, sets, ("key", {0, 1, 2}), columns=("key",)))
    assert counted.requests <= 8
