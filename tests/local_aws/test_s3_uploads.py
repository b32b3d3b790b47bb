"""Multipart uploads and copies of the S3 whose objects are files."""

import os
from pathlib import Path
from typing import Any

import pytest

from local_aws.s3 import uploads
from tests.local_aws.s3_bucket import MIB, S3Bucket, bucket, endpoint, error_of, md5
from tests.local_aws.s3_endpoint import client

__all__ = ["bucket", "endpoint"]

PART = 5 * MIB


def test_conditional_completion_of_an_upload_does_not_overwrite(bucket: S3Bucket) -> None:
    """Also a file of another program; the upload can still be completed later."""
    finish = bucket.upload("x", b"parts")
    path = bucket.write("x")
    assert error_of(bucket.complete_multipart_upload, **finish, IfNoneMatch="*")[0] == 412
    path.unlink()
    bucket.complete_multipart_upload(**finish, IfNoneMatch="*")
    assert bucket.read("x") == b"parts"


def test_multipart_upload_becomes_one_file(bucket: S3Bucket) -> None:
    """Its ETag is that of a multipart upload; the parts are removed."""
    parts = [os.urandom(PART), os.urandom(PART), b"end"]
    bucket.complete_multipart_upload(**bucket.upload("big/object", *parts))
    assert (bucket.folder / "big/object").read_bytes() == b"".join(parts)
    digest = md5(b"".join(md5(part) for part in parts)).hex()
    assert bucket.head_object(Key="big/object")["ETag"] == f'"{digest}-3"'
    bucket.copy_object(Key="copy", CopySource={"Bucket": bucket.name, "Key": "big/object"})
    for key in ("big/object", "copy"):
        assert bucket.read(key) == b"".join(parts)  # boto3 verifies the checksum
    assert not any((bucket.state.s3_meta / "uploads").iterdir())


def test_boto3_uploads_and_downloads_large_files(bucket: S3Bucket, tmp_path: Path) -> None:
    """The transfer manager uploads parts in parallel and verifies checksums."""
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(20 * MIB))
    client(bucket.port).upload_file(str(source), bucket.name, "large", ExtraArgs={"Metadata": {"k": "v"}})
    client(bucket.port).download_file(bucket.name, "large", str(back))
    assert back.read_bytes() == source.read_bytes()
    assert bucket.head_object(Key="large")["Metadata"] == {"k": "v"}


def test_completing_an_upload_is_idempotent(bucket: S3Bucket) -> None:
    """As for a retry after a lost response."""
    finish = bucket.upload("x", b"parts")
    assert bucket.complete_multipart_upload(**finish)["ETag"] == bucket.complete_multipart_upload(**finish)["ETag"]


def test_invalid_multipart_upload_is_rejected(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown uploads, unknown parts, parts in the wrong order, and parts that are too small."""
    finish = bucket.upload("x", b"one", b"two")
    parts = finish["MultipartUpload"]["Parts"]

    def completion_error(listed: list[dict[str, Any]]) -> str:
        return error_of(bucket.complete_multipart_upload, **finish | {"MultipartUpload": {"Parts": listed}})[1]

    assert completion_error([{"PartNumber": 1, "ETag": '"0"'}]) == "InvalidPart"
    assert completion_error(parts[::-1]) == "InvalidPartOrder"
    assert completion_error(parts) == "EntityTooSmall"
    monkeypatch.setattr(uploads, "S3_UPLOAD_PART_MIN_SIZE", 1)
    bucket.abort_multipart_upload(Key="x", UploadId=finish["UploadId"])
    assert completion_error(parts) == "NoSuchUpload"
    assert error_of(bucket.upload_part, Key="x", UploadId="none", PartNumber=1, Body=b"")[1] == "NoSuchUpload"
    assert not any((bucket.state.s3_meta / "uploads").iterdir())
    assert bucket.keys() == []


def test_copy_is_an_independent_file(bucket: S3Bucket) -> None:
    """It has the metadata of the source, unless the request replaces it."""
    bucket.put_object(Key="a", Body=b"content", ContentType="text/plain", Metadata={"k": "v"})
    bucket.copy_object(Key="b/c", CopySource={"Bucket": bucket.name, "Key": "a"})
    bucket.write("a", b"changed")
    copied = bucket.get_object(Key="b/c")
    assert (copied["Body"].read(), copied["ContentType"], copied["Metadata"]) == (b"content", "text/plain", {"k": "v"})
    bucket.copy_object(
        Key="b/c", CopySource={"Bucket": bucket.name, "Key": "b/c"}, MetadataDirective="REPLACE", Metadata={"k": "w"}
    )
    assert bucket.head_object(Key="b/c")["Metadata"] == {"k": "w"}
    assert bucket.read("b/c") == b"content"


def test_upload_part_copy_copies_a_range(bucket: S3Bucket) -> None:
    """From a file of another program."""
    bucket.write("digits", b"0123456789")
    upload = bucket.create_multipart_upload(Key="x")["UploadId"]
    part = bucket.upload_part_copy(
        Key="x",
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": bucket.name, "Key": "digits"},
        CopySourceRange="bytes=2-4",
    )["CopyPartResult"]
    bucket.complete_multipart_upload(
        Key="x", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert bucket.read("x") == b"234"
