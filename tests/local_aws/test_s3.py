"""S3 whose objects are files: reads, conditional writes, deletions, restarts and memory."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from moto.s3.responses import S3Response

from local_aws import s3
from local_aws.s3.folder import BucketFolder
from local_aws.state import State
from tests.local_aws.s3_bucket import MIB, S3Bucket, bucket, endpoint, error_of, md5
from tests.local_aws.s3_endpoint import client, served, spawned

__all__ = ["bucket", "endpoint"]


def try_create(bucket: S3Bucket, key: str, content: bytes) -> bool:
    """Put an object with `If-None-Match: *`; return False when the key exists."""
    try:
        bucket.put_object(Key=key, Body=content, IfNoneMatch="*")
    except ClientError as error:
        response = error.response
        if (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) != (412, "PreconditionFailed"):
            raise
        return False
    return True


def test_put_object_writes_a_plain_file(bucket: S3Bucket) -> None:
    """There is no other file beside it; the ETag is the MD5, which Terraform compares."""
    put = bucket.put_object(Key="jobs/ingest.py", Body=b"print()", ContentType="text/x-python", Metadata={"by": "me"})
    assert (bucket.folder / "jobs/ingest.py").read_bytes() == b"print()"
    assert [path.name for path in bucket.folder.rglob("*") if path.is_file()] == ["ingest.py"]
    head = bucket.head_object(Key="jobs/ingest.py")
    assert put["ETag"] == head["ETag"] == f'"{md5(b"print()").hex()}"'
    assert (head["ContentType"], head["Metadata"], head["ContentLength"]) == ("text/x-python", {"by": "me"}, 7)
    assert not list((bucket.state.s3_meta / "incoming").iterdir())


def test_file_of_another_program_is_an_object(bucket: S3Bucket) -> None:
    """Listing, HeadObject and GetObject are consistent, and follow changes of the file."""
    path = bucket.write("tables/t/part-0.parquet")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    listed = bucket.list_objects_v2(Prefix="tables/")["Contents"][0]
    head, got = bucket.head_object(Key="tables/t/part-0.parquet"), bucket.get_object(Key="tables/t/part-0.parquet")
    assert got["Body"].read() == b"written by Spark"
    assert listed["Size"] == head["ContentLength"] == got["ContentLength"] == 16
    assert listed["ETag"] == head["ETag"] == got["ETag"]
    assert {each["LastModified"].timestamp() for each in (listed, head, got)} == {1_700_000_000}
    bucket.write("tables/t/part-0.parquet", b"written by Spark again")
    again = bucket.head_object(Key="tables/t/part-0.parquet")
    assert again["ETag"] != head["ETag"]
    assert again["ContentLength"] == 22
    path.unlink()
    assert error_of(bucket.head_object, Key="tables/t/part-0.parquet")[0] == 404
    assert bucket.keys() == []


def test_file_that_replaces_an_object_does_not_inherit_its_metadata(bucket: S3Bucket) -> None:
    """Metadata belongs to the content that was put."""
    bucket.put_object(Key="x", Body=b"aaa", ContentType="text/plain", Metadata={"by": "me"})
    bucket.write("x", b"bbb")
    head = bucket.head_object(Key="x")
    assert (head["ContentType"], head["Metadata"]) == ("binary/octet-stream", {})
    assert head["ETag"].endswith('-1"')


@pytest.mark.parametrize(
    ("range_", "content"),
    [("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=0-99", b"0123456789")],
)
def test_range_request_returns_the_range(bucket: S3Bucket, range_: str, content: bytes) -> None:
    """Parquet readers begin with the end of a file."""
    bucket.write("digits", b"0123456789")
    got = bucket.get_object(Key="digits", Range=range_)
    assert got["Body"].read() == content
    assert got["ContentLength"] == len(content)
    assert got["ContentRange"].endswith("/10")


def test_range_beyond_the_end_is_rejected(bucket: S3Bucket) -> None:
    """With the status and the code of S3."""
    bucket.write("digits", b"0123456789")
    assert error_of(bucket.get_object, Key="digits", Range="bytes=10-")[:2] == (416, "InvalidRange")


def test_only_one_of_twenty_concurrent_writers_creates_a_key(bucket: S3Bucket) -> None:
    """With `If-None-Match: *` one writer succeeds, and the others get 412."""
    start = threading.Barrier(20)

    def create(number: int) -> bool:
        start.wait()
        return try_create(bucket, "log/00000001.json", str(number).encode())

    with ThreadPoolExecutor(20) as pool:
        winners = [number for number, won in enumerate(pool.map(create, range(20))) if won]
    assert len(winners) == 1
    assert bucket.read("log/00000001.json") == str(winners[0]).encode()
    assert not list((bucket.state.s3_meta / "incoming").iterdir())


def test_conditional_put_does_not_overwrite_a_file_of_another_program(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if Spark creates it at the last moment, since the file system checks."""
    make_room = BucketFolder._make_room

    def make_room_and_lose_the_race(folder: BucketFolder, path: Path, key: str) -> None:
        make_room(folder, path, key)
        path.write_bytes(b"written by Spark")

    monkeypatch.setattr(BucketFolder, "_make_room", make_room_and_lose_the_race)
    assert not try_create(bucket, "log/00000001.json", b"{}")
    assert bucket.read("log/00000001.json") == b"written by Spark"


def test_if_match_requires_the_current_etag(bucket: S3Bucket) -> None:
    """Also of a file of another program."""
    bucket.write("x")
    seen = bucket.head_object(Key="x")["ETag"]
    bucket.put_object(Key="x", Body=b"mine", IfMatch=seen)
    assert error_of(bucket.put_object, Key="x", Body=b"late", IfMatch=seen)[:2] == (412, "PreconditionFailed")
    assert error_of(bucket.put_object, Key="none", Body=b"late", IfMatch=seen)[:2] == (404, "NoSuchKey")
    assert bucket.read("x") == b"mine"


def test_only_one_of_ten_concurrent_writers_replaces_an_object(bucket: S3Bucket) -> None:
    """`If-Match` is checked atomically with the write."""
    bucket.put_object(Key="x", Body=b"seen")
    seen = bucket.head_object(Key="x")["ETag"]
    start = threading.Barrier(10)

    def replace(number: int) -> bool:
        start.wait()
        try:
            bucket.put_object(Key="x", Body=str(number).encode(), IfMatch=seen)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(replace, range(10))) == 1


def test_headers_match_the_content_when_an_object_is_replaced_during_a_get(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Length and ETag are those of the new content."""
    bucket.put_object(Key="x", Body=b"old")
    (bucket.folder / "new").write_bytes(b"longer than old")
    find = S3Response._get_key

    def find_and_replace(*arguments: Any) -> Any:
        key = find(*arguments)
        if (bucket.folder / "new").exists():
            (bucket.folder / "new").replace(bucket.folder / "x")
        return key

    monkeypatch.setattr(S3Response, "_get_key", find_and_replace)
    got = bucket.get_object(Key="x")
    assert got["Body"].read() == b"longer than old"
    assert got["ETag"] == bucket.head_object(Key="x")["ETag"]


def test_reader_gets_one_complete_version_during_replacements(bucket: S3Bucket) -> None:
    """The content and the ETag belong to the same version."""
    contents = [letter * MIB for letter in (b"a", b"b")]
    etags = {md5(content).hex(): content for content in contents}
    bucket.put_object(Key="x", Body=contents[0])
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            for content in contents:
                bucket.put_object(Key="x", Body=content)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            for _ in range(15):
                got = bucket.get_object(Key="x")
                assert got["Body"].read() == etags[got["ETag"].strip('"')]
        finally:
            done.set()
        writer.result()


def test_delete_removes_the_file_and_empty_folders(bucket: S3Bucket) -> None:
    """The bucket's own folder is kept."""
    bucket.write("a/b/c/one")
    bucket.write("a/b/c/.one.crc")
    bucket.write("a/two")
    bucket.delete_object(Key="a/b/c/one")
    assert sorted(path.name for path in bucket.folder.rglob("*")) == ["a", "two"]
    response = bucket.delete_objects(Delete={"Objects": [{"Key": "a/two"}, {"Key": "never/there"}]})
    assert "Errors" not in response
    assert list(bucket.folder.iterdir()) == []


def test_replacing_a_file_removes_its_hadoop_checksum(bucket: S3Bucket) -> None:
    """Otherwise Hadoop would report the new content as corrupt."""
    bucket.write("t/part-0")
    crc = bucket.write("t/.part-0.crc")
    bucket.put_object(Key="t/part-0", Body=b"new")
    assert not crc.exists()


def test_objects_survive_a_restart(tmp_path: Path) -> None:
    """After a kill the bucket must be created again; then its objects have their content and metadata."""
    state = State(tmp_path)
    with spawned(state) as (port, process):
        before = S3Bucket(state, port, "lake").create()
        before.put_object(Key="a/put", Body=b"put", ContentType="text/x", Metadata={"k": "v"})
        before.put_object(Key="replaced", Body=b"put", ContentType="text/x")
        before.write("spark", b"s")
        etag = before.head_object(Key="spark")["ETag"]
        before.upload("unfinished", b"part")
        process.kill()
        process.wait()
    before.write("replaced", b"by Spark")
    with served(state) as port:
        after = S3Bucket(state, port, "lake")
        assert error_of(after.list_objects_v2)[1] == "NoSuchBucket"
        assert client(port).list_buckets()["Buckets"] == []
        after.create()
        assert after.keys() == ["a/put", "replaced", "spark"]
        head = after.head_object(Key="a/put")
        assert (head["ContentType"], head["Metadata"]) == ("text/x", {"k": "v"})
        assert head["ETag"] == f'"{md5(b"put").hex()}"'
        assert after.head_object(Key="replaced")["ContentType"] == "binary/octet-stream"
        assert after.head_object(Key="spark")["ETag"] == etag
        assert not any((state.s3_meta / "uploads").iterdir())
        assert len(list((state.s3_meta / "objects").iterdir())) == 1


def test_large_object_is_not_loaded_into_memory(tmp_path: Path) -> None:
    """Reading, copying and ranging 400 MiB adds less than 80 MiB to the process's memory."""
    state = State(tmp_path)
    with spawned(state) as (port, process):
        bucket = S3Bucket(state, port, "lake").create()
        with (bucket.folder / "large").open("wb") as file:
            file.truncate(400 * MIB)
        bucket.list_objects_v2()
        memory = psutil.Process(process.pid).memory_info
        before = peak = memory().rss
        for chunk in bucket.get_object(Key="large")["Body"].iter_chunks(16 * MIB):
            assert not any(chunk[:: 1 << 16])
            peak = max(peak, memory().rss)
        assert bucket.get_object(Key="large", Range="bytes=-4")["Body"].read() == bytes(4)
        bucket.copy_object(Key="copy", CopySource={"Bucket": "lake", "Key": "large"})
        peak = max(peak, memory().rss)
        assert (bucket.folder / "copy").stat().st_size == 400 * MIB
        assert peak - before < 80 * MIB


def test_second_install_starts_with_an_empty_state(tmp_path: Path) -> None:
    """Objects of the first state folder are not visible."""
    with served(State(tmp_path / "one")) as port:
        S3Bucket(State(tmp_path / "one"), port, "lake").create().put_object(Key="x", Body=b"")
        s3.mount(State(tmp_path / "two"))
        assert S3Bucket(State(tmp_path / "two"), port, "lake").create().keys() == []
