"""Keys that cannot be files, symlinks, full disks and interrupted requests."""

import errno
import os
import socket
from pathlib import Path
from typing import BinaryIO

import pytest

from local_aws.s3 import storage
from tests.local_aws.s3_bucket import S3Bucket, bucket, endpoint, error_of

__all__ = ["bucket", "endpoint"]


@pytest.mark.parametrize(
    "key",
    ["../x", "/x", "a//b", "a/../../x", "./x", "a/./b", "..", "nul\0", "z" * 256, "é" * 128, "t/.part.crc", "..//"],
)
def test_key_that_cannot_be_a_file_is_rejected(bucket: S3Bucket, key: str) -> None:
    """No path outside the bucket's folder is written, and reading returns 404."""
    bucket.put_object(Key="good", Body=b"")
    before = sorted(bucket.state.root.rglob("*"))
    for error in (
        error_of(bucket.put_object, Key=key, Body=b""),
        error_of(bucket.create_multipart_upload, Key=key),
        error_of(bucket.copy_object, Key=key, CopySource={"Bucket": bucket.name, "Key": "good"}),
    ):
        assert error[:2] == (400, "InvalidRequest")
    assert "stores objects as files" in error_of(bucket.put_object, Key=key, Body=b"", IfNoneMatch="*")[2]
    assert error_of(bucket.get_object, Key=key)[0] == 404
    bucket.delete_object(Key=key)
    assert bucket.keys(Prefix=key) == []
    assert sorted(bucket.state.root.rglob("*")) == before


def test_key_below_another_key_is_rejected(bucket: S3Bucket) -> None:
    """A path cannot be both file and folder; an empty folder is replaced."""
    bucket.put_object(Key="a/b", Body=b"x")
    for key in ("a", "a/b/c", "a/b/c/d", "a/b/"):
        for condition in ({}, {"IfNoneMatch": "*"}):
            status, code, message = error_of(bucket.put_object, Key=key, Body=b"", **condition)
            assert (status, code) == (400, "InvalidRequest")
            assert "stores objects as files" in message
    (bucket.folder / "empty/below").mkdir(parents=True)
    bucket.put_object(Key="empty", Body=b"x", IfNoneMatch="*")
    assert bucket.keys() == ["a/b", "empty"]


def test_symlinks_are_not_followed(bucket: S3Bucket, tmp_path: Path) -> None:
    """Neither for reading nor for writing."""
    (tmp_path / "secret").write_text("secret")
    (bucket.folder / "link").symlink_to(tmp_path)
    (bucket.folder / "file").symlink_to(tmp_path / "secret")
    assert error_of(bucket.put_object, Key="link/x", Body=b"")[:2] == (400, "InvalidRequest")
    assert error_of(bucket.get_object, Key="link/secret")[0] == 404
    assert error_of(bucket.get_object, Key="file")[0] == 404
    assert bucket.keys() == bucket.keys(Prefix="link/") == []
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_full_disk_leaves_the_object_unchanged(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is InsufficientStorage, and no partial file is left."""
    bucket.put_object(Key="x", Body=b"old")

    def fill(_: bytes, file: BinaryIO) -> str:
        file.write(b"n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "_copy", fill)
    status, code, message = error_of(bucket.put_object, Key="x", Body=b"new")
    assert (status, code) == (507, "InsufficientStorage")
    assert "disk of the lake is full" in message
    assert bucket.read("x") == b"old"
    assert not list((bucket.state.s3_meta / "incoming").iterdir())


def test_interrupted_put_writes_no_object(bucket: S3Bucket) -> None:
    """As when the client is killed."""
    with socket.create_connection(("127.0.0.1", bucket.port)) as connection:
        connection.sendall(
            f"PUT /{bucket.name}/x HTTP/1.1\r\nHost: 127.0.0.1:{bucket.port}\r\nContent-Length: 1000\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-2/s3/aws4_request\r\n\r\nhalf".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert bucket.keys() == []
