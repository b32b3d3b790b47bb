"""Versions, locks, policies and settings of buckets whose objects are files."""

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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, Any]]:
    """Serve one state folder; give it and a client."""
    state = State(tmp_path_factory.mktemp("world"))
    with served(state) as port:
        yield state, client(port)


@pytest.fixture
def bucket(world: tuple[State, Any]) -> tuple[Any, str, Path]:
    """Make a versioned bucket; give a client, its name and its folder."""
    state, s3 = world
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3, name, state.lake / name


def versions(s3: Any, name: str) -> list[tuple[str, bool, int | None]]:
    """Return the versions of a bucket: id, whether it is the latest, and its size, None for a delete marker."""
    found = s3.list_object_versions(Bucket=name)
    kept = [(each["VersionId"], each["IsLatest"], each["Size"]) for each in found.get("Versions", [])]
    return kept + [(each["VersionId"], each["IsLatest"], None) for each in found.get("DeleteMarkers", [])]


def code(call: Any, **arguments: Any) -> str:
    """Return the code by which S3 refuses a call."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def test_replaced_and_deleted_versions_can_be_read(bucket: tuple[Any, str, Path]) -> None:
    """They are listed in their order, and the folder holds the current one only."""
    s3, name, folder = bucket
    one = s3.put_object(Bucket=name, Key="a/x", Body=b"1", Metadata={"n": "one"})["VersionId"]
    two = s3.put_object(Bucket=name, Key="a/x", Body=b"22")["VersionId"]
    assert versions(s3, name) == [(two, True, 2), (one, False, 1)]
    marker = s3.delete_object(Bucket=name, Key="a/x")["VersionId"]
    assert list(folder.iterdir()) == []
    assert versions(s3, name) == [(two, False, 2), (one, False, 1), (marker, True, None)]
    assert code(s3.get_object, Bucket=name, Key="a/x") == "NoSuchKey"
    old = s3.get_object(Bucket=name, Key="a/x", VersionId=one)
    assert (old["Body"].read(), old["Metadata"]) == (b"1", {"n": "one"})
    s3.put_object(Bucket=name, Key="a/x", Body=b"333", IfNoneMatch="*")
    assert (folder / "a/x").read_bytes() == b"333"
    assert code(s3.delete_bucket, Bucket=name) == "BucketNotEmpty"


def test_deleting_the_latest_version_brings_back_the_one_below(bucket: tuple[Any, str, Path]) -> None:
    """Be it a delete marker or an object; the last one takes its folders with it."""
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


def test_another_programs_file_is_a_version(bucket: tuple[Any, str, Path]) -> None:
    """It has one id for as long as it is the same file, and keeps it when it is put aside."""
    s3, name, folder = bucket
    (folder / "x").write_bytes(b"Spark")
    first = s3.head_object(Bucket=name, Key="x")["VersionId"]
    assert first == s3.head_object(Bucket=name, Key="x")["VersionId"] == versions(s3, name)[0][0]
    second = s3.put_object(Bucket=name, Key="x", Body=b"ours")["VersionId"]
    assert versions(s3, name) == [(second, True, 4), (first, False, 5)]
    assert s3.get_object(Bucket=name, Key="x", VersionId=first)["Body"].read() == b"Spark"
    (folder / "x").unlink()
    assert [latest for _, latest, size in versions(s3, name) if size is None] == [True]
    assert code(s3.head_object, Bucket=name, Key="x") == "404"


def test_everything_is_removed_as_terraform_destroys_a_bucket(bucket: tuple[Any, str, Path]) -> None:
    """All versions and markers are listed in pages and deleted by id."""
    s3, name, folder = bucket
    for number in range(5):
        s3.put_object(Bucket=name, Key=f"k/{number}", Body=b"1")
        s3.put_object(Bucket=name, Key=f"k/{number}", Body=b"2")
    s3.delete_object(Bucket=name, Key="k/1")
    (folder / "spark").write_bytes(b"3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 3}):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        assert "Errors" not in s3.delete_objects(Bucket=name, Delete={"Objects": objects})
    assert versions(s3, name) == []
    s3.delete_bucket(Bucket=name)
    assert not folder.exists()


def test_a_file_of_another_program_keeps_its_version_when_versioning_is_suspended(
    bucket: tuple[Any, str, Path],
) -> None:
    """An object that replaces it, or a deletion, leaves it below; and what is put then has the version `null`."""
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


def test_object_lock_is_set_on_a_bucket_that_has_objects_and_holds(world: tuple[State, Any]) -> None:
    """After a restart the folder is full when Terraform sets the lock; a locked version stays, but for a bypass."""
    state, s3 = world
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
    assert code(s3.delete_object, Bucket=name, Key="x", VersionId=version) == "AccessDenied"
    assert s3.get_object(Bucket=name, Key="x")["Body"].read() == b"1"
    s3.delete_object(Bucket=name, Key="x", VersionId=version, BypassGovernanceRetention=True)
    assert not (state.lake / name / "x").exists()


def put_policy(s3: Any, name: str, *statements: dict[str, Any]) -> None:
    """Put a bucket policy of Deny statements for everybody."""
    common = {"Effect": "Deny", "Principal": "*"}
    document = {"Version": "2012-10-17", "Statement": [common | each for each in statements]}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))


def test_a_policy_against_plain_http_does_not_close_the_endpoint(bucket: tuple[Any, str, Path]) -> None:
    """What comes over the loopback device counts as safe."""
    s3, name, _ = bucket
    arns = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    put_policy(s3, name, {"Action": "s3:*", "Resource": arns, "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    assert s3.get_object(Bucket=name, Key="x")["Body"].read() == b"1"
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "x"}]})


def test_a_policy_demands_that_commits_are_created_only(bucket: tuple[Any, str, Path]) -> None:
    """Below `log/` a PUT without `If-None-Match` is refused, whole or in parts; other keys are free."""
    s3, name, _ = bucket
    condition = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    put_policy(s3, name, {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/log/*", "Condition": condition})
    assert code(s3.put_object, Bucket=name, Key="log/1", Body=b"") == "AccessDenied"
    s3.put_object(Bucket=name, Key="log/1", Body=b"", IfNoneMatch="*")
    assert code(s3.put_object, Bucket=name, Key="log/1", Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    s3.put_object(Bucket=name, Key="tables/x", Body=b"")
    upload = s3.create_multipart_upload(Bucket=name, Key="log/2")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="log/2", UploadId=upload, PartNumber=1, Body=b"")["ETag"]
    finish = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert code(s3.complete_multipart_upload, Bucket=name, Key="log/2", **finish) == "AccessDenied"
    s3.complete_multipart_upload(Bucket=name, Key="log/2", IfNoneMatch="*", **finish)


def test_a_policy_denies_what_it_names(bucket: tuple[Any, str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """Without conditions, one object or several at a time; a condition that cannot be judged denies nothing."""
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
    assert code(s3.delete_object, Bucket=name, Key="keep/x") == "AccessDenied"
    answer = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "keep/x"}, {"Key": "x"}]})
    assert [each["Key"] for each in answer["Errors"]] == ["keep/x"]
    assert [path.name for path in folder.rglob("*")] == ["keep", "x"]
    assert "OnlyFromHome is passed over" in caplog.text
    upload = s3.create_multipart_upload(Bucket=name, Key="keep/y")["UploadId"]
    s3.abort_multipart_upload(Bucket=name, Key="keep/y", UploadId=upload)


def test_the_settings_of_a_bucket_come_back_as_they_were_put(bucket: tuple[Any, str, Path]) -> None:
    """What Terraform sets on its buckets and objects, it reads again."""
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
