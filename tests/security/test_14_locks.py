"""S3 object locks: retention, legal hold, and default retention of every kind of upload."""

import errno
import json
import os
import threading
import time
from typing import Any

import pytest

from local_aws.address import REGION
from local_aws.s3.records import ObjectRecords
from tests.security.conftest import AttackTarget
from tests.security.signed_requests import error_code, send_signed


@pytest.fixture(scope="module")
def bucket(target: AttackTarget) -> str:
    """Create a bucket with object lock and one object; return its name."""
    s3, name = target.client("s3"), f"objects-{target.port}"
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    return name


@pytest.fixture
def s3(target: AttackTarget) -> Any:
    """Return the owner's client."""
    return target.client("s3")


def retention(mode: str, until: str) -> str:
    """Return the XML of an object lock retention."""
    return f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"


@pytest.fixture
def retain(target: AttackTarget, s3: Any, bucket: str):
    """Put an object that is locked until 2099; yield a function that puts a retention and returns the error code."""
    version = s3.put_object(Bucket=bucket, Key="locked", Body=b"1")["VersionId"]
    path = f"/{bucket}/locked?retention=&versionId={version}"

    def put(xml: str) -> str:
        response = send_signed(target, target.key, "s3", "PUT", path, xml.encode())
        return response.partition("<Code>")[2].partition("</Code>")[0]

    assert put(retention("COMPLIANCE", "2099-01-01T00:00:00Z")) == ""
    yield put
    assert f"{s3.head_object(Bucket=bucket, Key='locked')['ObjectLockRetainUntilDate']:%Y}" == "2099"
    assert error_code(s3.delete_object, Bucket=bucket, Key="locked", VersionId=version) == "AccessDenied"


@pytest.mark.parametrize(
    "date",
    ["2098-9-9T00:00:00Z", "9", "2099-1-1T00:00:00Z", "2099-01-01", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", ""],
)
def test_invalid_retention_date_is_rejected(retain, date):
    """Compared as text, it might be later than the current date of the lock."""
    assert retain(retention("COMPLIANCE", date)) == "MalformedXML"


def test_retention_dates_are_compared_as_times(retain):
    """In any time zone."""
    assert retain(retention("COMPLIANCE", "2099-01-01T00:30:00+01:00")) == "AccessDenied"
    assert retain(retention("COMPLIANCE", "2020-01-01T00:00:00Z")) == "InvalidArgument"
    assert retain(retention("COMPLIANCE", "2098-12-31T23:30:00-01:00")) == ""
    assert retain(retention("COMPLIANCE", "2099-01-01T00:30:00.5Z")) == ""


@pytest.mark.parametrize(
    "xml",
    [
        "<Retention/>",
        retention("GOVERNANCE", "2099-12-31T00:00:00Z"),
    ],
)
def test_retention_cannot_be_removed_or_weakened(retain, xml):
    """By an empty retention or by another mode."""
    assert retain(xml) == "AccessDenied"


@pytest.mark.parametrize(
    "xml",
    [
        retention("compliance", "2099-01-01T00:00:00Z"),
        "<Retention><Mode>COMPLIANCE</Mode></Retention>",
        "<Retention>x<Mode/></Retention>",
        "<Hold/>",
        "<Retention",
    ],
)
def test_invalid_retention_is_rejected(retain, xml):
    """With MalformedXML, as on AWS."""
    assert retain(xml) == "MalformedXML"


@pytest.mark.parametrize(
    "headers",
    [
        {"mode": "COMPLIANCE", "retain-until-date": "2099-1-1T00:00:00Z"},
        {"mode": "COMPLIANCE", "retain-until-date": "2020-01-01T00:00:00Z"},
        {"mode": "compliance", "retain-until-date": "2099-01-01T00:00:00Z"},
        {"mode": "COMPLIANCE"},
        {"retain-until-date": "2099-01-01T00:00:00Z"},
        {"legal-hold": "on"},
    ],
    ids=str,
)
@pytest.mark.parametrize("source", [{}, {"x_amz_copy_source": "{}/x"}], ids=["put", "copy"])
def test_object_with_invalid_lock_headers_is_not_written(target, s3, bucket, headers, source):
    """The headers are validated like the XML elements."""
    fields = {f"x_amz_object_lock_{name.replace('-', '_')}": value for name, value in headers.items()}
    fields |= {name: value.format(bucket) for name, value in source.items()}
    response = send_signed(
        target, target.key, "s3", "PUT", f"/{bucket}/unlocked", b"", x_amz_sdk_checksum_algorithm="CRC32", **fields
    )
    assert "<Code>InvalidArgument</Code>" in response
    assert error_code(s3.head_object, Bucket=bucket, Key="unlocked") == "404"


@pytest.mark.parametrize("body", ["<LegalHold><Status>on</Status></LegalHold>", "<LegalHold/>", "<x/>"])
def test_invalid_legal_hold_is_rejected(target, bucket, body):
    """It would be stored without locking the object."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{bucket}/x?legal-hold=", body.encode())
    assert "<Code>MalformedXML</Code>" in response


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("PUT", "legal-hold=", "<LegalHold><Status>ON</Status></LegalHold>"),
        ("PUT", "retention=", retention("GOVERNANCE", "2099-01-01T00:00:00Z")),
        ("DELETE", "tagging=", ""),
    ],
)
def test_settings_of_a_missing_object_are_a_client_error(target, bucket, method, query, body):
    """With NoSuchKey, not a server error."""
    response = send_signed(target, target.key, "s3", method, f"/{bucket}/none?{query}", body.encode())
    assert "<Code>NoSuchKey</Code>" in response


def test_default_retention_applies_to_every_kind_of_upload(s3, post, target):
    """Multipart uploads, forms, and objects with a legal hold."""
    name = f"default-lock-{target.port}"
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)

    upload = s3.create_multipart_upload(Bucket=name, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="parts", UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object(Bucket=name, Key="held", Body=b"1", ObjectLockLegalHoldStatus="ON")
    assert post(s3.generate_presigned_post(name, "form")["fields"], path=name) == (204, "")

    for key in ("parts", "held", "form"):
        assert s3.head_object(Bucket=name, Key=key)["ObjectLockMode"] == "GOVERNANCE"


def test_form_with_a_lock_is_rejected(s3, post, bucket):
    """The object would not be locked."""
    lock = {"x-amz-object-lock-legal-hold": "ON"}
    form = s3.generate_presigned_post(bucket, "form", Fields=lock, Conditions=[lock])
    assert post(form["fields"], path=bucket) == (403, "AccessDenied")


def test_locked_folder_marker_is_neither_replaced_nor_deleted(s3, bucket):
    """It is a directory, of which there is no other version."""
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": "2099-01-01T00:00:00Z"}
    marker = {"Bucket": bucket, "Key": "folder/"}
    s3.put_object(**marker, **lock)
    for attack in (s3.put_object, s3.delete_object):
        assert error_code(attack, **marker) == "AccessDenied"
    response = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "folder/"}]})
    assert [each["Code"] for each in response["Errors"]] == ["AccessDenied"]
    s3.put_object(Bucket=bucket, Key="folder/x", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="folder/x")
    assert s3.head_object(**marker)["ObjectLockMode"] == "COMPLIANCE"


def test_locked_version_that_cannot_become_current_is_kept(s3, bucket):
    """Its path is now a folder, so its delete marker stays."""
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": "2099-01-01T00:00:00Z"}
    version = s3.put_object(Bucket=bucket, Key="path", Body=b"locked", **lock)["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="path")["VersionId"]
    below = s3.put_object(Bucket=bucket, Key="path/below", Body=b"1")["VersionId"]
    assert error_code(s3.delete_object, Bucket=bucket, Key="path", VersionId=marker) == "InvalidRequest"
    assert s3.get_object(Bucket=bucket, Key="path", VersionId=version)["Body"].read() == b"locked"
    s3.delete_object(Bucket=bucket, Key="path/below", VersionId=below)
    marker = s3.list_object_versions(Bucket=bucket, Prefix="path")["DeleteMarkers"][0]["VersionId"]
    s3.delete_object(Bucket=bucket, Key="path", VersionId=marker)
    assert s3.get_object(Bucket=bucket, Key="path")["Body"].read() == b"locked"


def stored_locks(target: AttackTarget, bucket: str, key: str) -> tuple[str, str, str]:
    """Return mode, end and legal hold of an object as a new endpoint would read them."""
    inode = (target.state.lake / bucket / key).stat().st_ino
    record = json.loads((target.state.s3_meta / "objects" / f"{inode}.json").read_bytes())["object"]
    return record["lock_mode"], record["lock_until"], record["lock_legal_status"]


def test_lock_that_was_not_stored_is_stored_by_the_next_request(target, s3, bucket, monkeypatch):
    """The response is 200 only if the object will still be locked after a restart of the endpoint."""
    s3.put_object(Bucket=bucket, Key="held", Body=b"1")
    hold = {"Bucket": bucket, "Key": "held", "LegalHold": {"Status": "ON"}}

    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(ObjectRecords, "write", fill)
        assert error_code(s3.put_object_legal_hold, **hold) == "InsufficientStorage"
    assert stored_locks(target, bucket, "held")[2] is None
    s3.put_object_legal_hold(**hold)
    assert stored_locks(target, bucket, "held")[2] == "ON"


@pytest.mark.parametrize("failing", [1, 2])
def test_retention_that_was_not_stored_is_stored_by_the_next_request(target, s3, bucket, monkeypatch, failing):
    """Its mode without its end would be no lock, and an error in every later request, also after a restart."""
    key = f"retained {failing}"
    version = s3.put_object(Bucket=bucket, Key=key, Body=b"1")["VersionId"]
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}
    write, writes = ObjectRecords.write, iter(range(1, 10))

    def fill(*arguments):
        if next(writes) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*arguments)

    with monkeypatch.context() as full:
        full.setattr(ObjectRecords, "write", fill)
        code = error_code(s3.put_object_retention, Bucket=bucket, Key=key, Retention=retention)
    assert code in {"InsufficientStorage", ""}
    assert stored_locks(target, bucket, key)[:2] in ((None, None), tuple(retention.values()))
    s3.put_object_retention(Bucket=bucket, Key=key, Retention=retention)
    assert stored_locks(target, bucket, key)[:2] == tuple(retention.values())
    assert error_code(s3.delete_object, Bucket=bucket, Key=key, VersionId=version) == "AccessDenied"


def test_concurrent_locks_are_both_stored(target, s3, bucket, monkeypatch):
    """Otherwise the record that is written last could lack the other lock."""
    s3.put_object(Bucket=bucket, Key="both", Body=b"1")
    writing = threading.Event()
    write = ObjectRecords.write

    def write_slowly(*arguments):
        if not writing.is_set():
            writing.set()
            time.sleep(0.5)
        write(*arguments)

    monkeypatch.setattr(ObjectRecords, "write", write_slowly)
    hold = {"Bucket": bucket, "Key": "both", "LegalHold": {"Status": "ON"}}
    first = threading.Thread(target=s3.put_object_legal_hold, kwargs=hold)
    first.start()
    assert writing.wait(10)
    s3.put_object_retention(
        Bucket=bucket, Key="both", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}
    )
    first.join()
    assert stored_locks(target, bucket, "both") == ("COMPLIANCE", "2099-01-01T00:00:00Z", "ON")
