"""S3 buckets whose objects are files: versions, object lock, bucket policies and settings."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.state import State
from tests.local_aws.s3_endpoint import REGION, client, served


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, Any]]:
    """Serve a state folder; yield it and a client."""
    state = State(tmp_path_factory.mktemp("state"))
    with served(state) as port:
        yield state, client(port)


@pytest.fixture
def bucket(endpoint: tuple[State, Any]) -> tuple[Any, str, Path]:
    """Create a versioned bucket; return a client, its name and its folder."""
    state, s3 = endpoint
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3, name, state.lake / name


def versions(s3: Any, name: str) -> list[tuple[str, bool, int | None]]:
    """Return id, is-latest flag and size of each version of a bucket; the size of a delete marker is None."""
    listing = s3.list_object_versions(Bucket=name)
    objects = [(each["VersionId"], each["IsLatest"], each["Size"]) for each in listing.get("Versions", [])]
    return objects + [(each["VersionId"], each["IsLatest"], None) for each in listing.get("DeleteMarkers", [])]


def error_code(call: Any, **arguments: Any) -> str:
    """Return the error code of a call that fails."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def test_replaced_and_deleted_versions_can_be_listed_and_read(bucket: tuple[Any, str, Path]) -> None:
    """They are listed from the newest; the folder has the current one only."""
    s3, name, folder = bucket
    one = s3.put_object(Bucket=name, Key="a/x", Body=b"1", Metadata={"n": "one"})["VersionId"]
    two = s3.put_object(Bucket=name, Key="a/x", Body=b"22")["VersionId"]
    assert versions(s3, name) == [(two, True, 2), (one, False, 1)]
    marker = s3.delete_object(Bucket=name, Key="a/x")["VersionId"]
    assert list(folder.iterdir()) == []
    assert versions(s3, name) == [(two, False, 2), (one, False, 1), (marker, True, None)]
    assert error_code(s3.get_object, Bucket=name, Key="a/x") == "NoSuchKey"
    old = s3.get_object(Bucket=name, Key="a/x", VersionId=one)
    assert (old["Body"].read(), old["Metadata"]) == (b"1", {"n": "one"})
    s3.put_object(Bucket=name, Key="a/x", Body=b"333", IfNoneMatch="*")
    assert (folder / "a/x").read_bytes() == b"333"
    assert error_code(s3.delete_bucket, Bucket=name) == "BucketNotEmpty"


def test_deleting_the_latest_version_restores_the_previous_one(bucket: tuple[Any, str, Path]) -> None:
    """A delete marker or an object; with the last version, its empty folders are removed."""
    s3, name, folder = bucket
    one = s3.put_object(Bucket=name, Key="a/x", Body=b"1", ContentType="text/x")["VersionId"]
    two = s3.put_object(Bucket=name, Key="a/x", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=name, Key="a/x")["VersionId"]
    s3.delete_object(Bucket=name, Key="a/x", VersionId=marker)
    assert (folder / "a/x").read_bytes() == b"2"
    s3.delete_object(Bucket=name, Key="a/x", VersionId=two)
    assert (folder / "a/x").read_bytes() == b"1"
    head = s3.head_object(Bucket=name, Key="a/x")
    assert (head["VersionId"], head["ContentType"]) == (one, "text/x")
    s3.delete_object(Bucket=name, Key="a/x", VersionId=one)
    assert list(folder.iterdir()) == []
    assert versions(s3, name) == []
    s3.delete_bucket(Bucket=name)


def test_file_of_another_program_is_a_version(bucket: tuple[Any, str, Path]) -> None:
    """Its version id is stable, and is kept after it is replaced."""
    s3, name, folder = bucket
    (folder / "x").write_bytes(b"Spark")
    first = s3.head_object(Bucket=name, Key="x")["VersionId"]
    assert first == s3.head_object(Bucket=name, Key="x")["VersionId"] == versions(s3, name)[0][0]
    second = s3.put_object(Bucket=name, Key="x", Body=b"ours")["VersionId"]
    assert versions(s3, name) == [(second, True, 4), (first, False, 5)]
    assert s3.get_object(Bucket=name, Key="x", VersionId=first)["Body"].read() == b"Spark"
    (folder / "x").unlink()
    assert [latest for _, latest, size in versions(s3, name) if size is None] == [True]
    assert error_code(s3.head_object, Bucket=name, Key="x") == "404"


def test_all_versions_can_be_deleted_as_terraform_does(bucket: tuple[Any, str, Path]) -> None:
    """Versions and delete markers are listed in pages and deleted by id."""
    s3, name, folder = bucket
    for number in range(5):
        s3.put_object(Bucket=name, Key=f"k/{number}", Body=b"1")
        s3.put_object(Bucket=name, Key=f"k/{number}", Body=b"2")
    s3.delete_object(Bucket=name, Key="k/1")
    (folder / "spark").write_bytes(b"3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 3}):
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed]
        assert "Errors" not in s3.delete_objects(Bucket=name, Delete={"Objects": objects})
    assert versions(s3, name) == []
    s3.delete_bucket(Bucket=name)
    assert not folder.exists()


def test_file_of_another_program_keeps_its_version_when_versioning_is_suspended(
    bucket: tuple[Any, str, Path],
) -> None:
    """It survives a replacement or a deletion; new objects have the version `null`."""
    s3, name, folder = bucket
    (folder / "spark").write_bytes(b"1")
    version = s3.head_object(Bucket=name, Key="spark")["VersionId"]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    assert versions(s3, name) == [(version, True, 1)]

    s3.put_object(Bucket=name, Key="spark", Body=b"22")
    assert versions(s3, name) == [("null", True, 2), (version, False, 1)]
    s3.delete_object(Bucket=name, Key="spark")
    assert s3.get_object(Bucket=name, Key="spark", VersionId=version)["Body"].read() == b"1"

    s3.put_object(Bucket=name, Key="folder/", Body=b"")
    assert versions(s3, name)[0] == ("null", True, 0)


def test_object_lock_can_be_set_on_a_bucket_with_objects(endpoint: tuple[State, Any]) -> None:
    """After a restart the bucket has objects when Terraform sets the lock; only a bypass deletes a locked version."""
    state, s3 = endpoint
    name = f"b-{uuid.uuid4().hex}"
    (state.lake / name).mkdir()
    (state.lake / name / "spark").write_bytes(b"")
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    lock = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
    }
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
    kept = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (kept["Mode"], kept["Days"]) == ("GOVERNANCE", 1)
    version = s3.put_object(Bucket=name, Key="x", Body=b"1")["VersionId"]
    assert error_code(s3.delete_object, Bucket=name, Key="x", VersionId=version) == "AccessDenied"
    assert s3.get_object(Bucket=name, Key="x")["Body"].read() == b"1"
    s3.delete_object(Bucket=name, Key="x", VersionId=version, BypassGovernanceRetention=True)
    assert not (state.lake / name / "x").exists()


def put_policy(s3: Any, name: str, *statements: dict[str, Any]) -> None:
    """Set a bucket policy of Deny statements for all principals."""
    common = {"Effect": "Deny", "Principal": "*"}
    document = {"Version": "2012-10-17", "Statement": [common | each for each in statements]}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))


def test_policy_that_requires_tls_allows_the_loopback_device(bucket: tuple[Any, str, Path]) -> None:
    """Requests over the loopback device count as secure transport."""
    s3, name, _ = bucket
    arns = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    put_policy(s3, name, {"Action": "s3:*", "Resource": arns, "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    assert s3.get_object(Bucket=name, Key="x")["Body"].read() == b"1"
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "x"}]})


def test_policy_requires_conditional_writes_below_log(bucket: tuple[Any, str, Path]) -> None:
    """A PUT without `If-None-Match` is denied, single or multipart; other keys are not affected."""
    s3, name, _ = bucket
    condition = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    put_policy(s3, name, {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/log/*", "Condition": condition})
    assert error_code(s3.put_object, Bucket=name, Key="log/1", Body=b"") == "AccessDenied"
    s3.put_object(Bucket=name, Key="log/1", Body=b"", IfNoneMatch="*")
    assert error_code(s3.put_object, Bucket=name, Key="log/1", Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    s3.put_object(Bucket=name, Key="tables/x", Body=b"")
    upload = s3.create_multipart_upload(Bucket=name, Key="log/2")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="log/2", UploadId=upload, PartNumber=1, Body=b"")["ETag"]
    finish = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert error_code(s3.complete_multipart_upload, Bucket=name, Key="log/2", **finish) == "AccessDenied"
    s3.complete_multipart_upload(Bucket=name, Key="log/2", IfNoneMatch="*", **finish)


def test_policy_denies_deletion_below_a_prefix(bucket: tuple[Any, str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """One object or several per request; a statement with an unsupported condition is ignored with a warning."""
    s3, name, folder = bucket
    put_policy(
        s3,
        name,
        {"Action": ["s3:DeleteObject*"], "Resource": f"arn:aws:s3:::{name}/keep/*"},
        {
            "Sid": "OnlyFromHome",
            "Action": "s3:*",
            "Resource": f"arn:aws:s3:::{name}/*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        },
    )
    s3.put_object(Bucket=name, Key="keep/x", Body=b"")
    s3.put_object(Bucket=name, Key="x", Body=b"")
    assert error_code(s3.delete_object, Bucket=name, Key="keep/x") == "AccessDenied"
    response = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "keep/x"}, {"Key": "x"}]})
    assert [each["Key"] for each in response["Errors"]] == ["keep/x"]
    assert [path.name for path in folder.rglob("*")] == ["keep", "x"]
    assert "OnlyFromHome is skipped" in caplog.text
    upload = s3.create_multipart_upload(Bucket=name, Key="keep/y")["UploadId"]
    s3.abort_multipart_upload(Bucket=name, Key="keep/y", UploadId=upload)


def test_settings_of_a_bucket_are_returned_unchanged(bucket: tuple[Any, str, Path]) -> None:
    """Those that Terraform sets on buckets and objects, and reads back."""
    s3, name, _ = bucket
    tags = [{"Key": "project", "Value": "totelake"}]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == block
    life = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [life]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == [life]
    owner = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owner)
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"] == owner
    s3.put_object(Bucket=name, Key="x", Body=b"", Tagging="a=b")
    assert s3.head_object(Bucket=name, Key="x")["ServerSideEncryption"] == "AES256"
    assert s3.get_object_tagging(Bucket=name, Key="x")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.put_object_tagging(Bucket=name, Key="x", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=name, Key="x")["TagSet"] == tags
