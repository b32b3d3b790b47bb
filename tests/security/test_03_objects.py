"""S3 objects: a request accesses only the authorized key and version, under all conditions of the bucket's policy."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from local_aws.address import REGION
from tests import roles
from tests.security.buckets import BUCKET, COMMITTED, bucket, files, read
from tests.security.signed_requests import assume_role, send_signed

__all__ = ["bucket", "files"]


def test_delete_objects_with_a_version_requires_delete_object_version(bucket):
    """Like DeleteObject with a version."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket=BUCKET, Key=COMMITTED, VersionId=version["VersionId"])

    objects = [{"Key": COMMITTED, "VersionId": version["VersionId"]}]
    response = bucket.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    assert [each["Code"] for each in response["Errors"]] == ["AccessDenied"]
    assert read(bucket, COMMITTED) == b"committed"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_form_body_cannot_name_a_version(target, files, method):
    """A role that may access the current object cannot access its versions."""
    s3, bucket = files
    old = next(
        each for each in s3.list_object_versions(Bucket=bucket, Prefix="mine/")["Versions"] if not each["IsLatest"]
    )
    mine = assume_role(target, "mine", ["s3:GetObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/mine/*")
    body = f"versionId={old['VersionId']}".encode()
    assert send_signed(target, mine, "s3", method, f"/{bucket}/mine/x", body, Content_Type=FORM) in {"NEW", ""}
    assert s3.get_object(Bucket=bucket, Key="mine/x", VersionId=old["VersionId"])["Body"].read() == b"OLD"
    if method == "DELETE":
        s3.put_object(Bucket=bucket, Key="mine/x", Body=b"NEW")


def test_object_with_the_content_type_of_a_form_is_stored_unchanged(files):
    """Programs such as curl and urllib send this type by default."""
    s3, bucket = files
    for kind, content in ((FORM, b"key=1&file=XX"), ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--")):
        s3.put_object(Bucket=bucket, Key="form", Body=content, ContentType=kind)
        found = s3.get_object(Bucket=bucket, Key="form")
        assert (found["Body"].read(), found["ContentType"]) == (content, kind)


@pytest.mark.parametrize(
    "source",
    ["mine://x/{}/secret.key", "/{}/secret.key#.csv", "/{}/secret.key;.csv", "/{}/secret.key?.csv", "///{}/secret.key"],
)
def test_ambiguous_copy_source_is_not_copied(target, files, source):
    """The authorized key and the copied one are the same."""
    s3, bucket = files
    csv = assume_role(
        target, "csv", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::mine*", f"arn:aws:s3:::{bucket}/*.csv",
        f"arn:aws:s3:::{bucket}/mine/*",
    )  # fmt: skip
    send_signed(target, csv, "s3", "PUT", f"/{bucket}/mine/stolen", X_Amz_Copy_Source=source.format(bucket))
    assert "mine/stolen" not in [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_multipart_upload_belongs_to_its_key(target, files):
    """A role cannot use its id with another key to write or abort it."""
    s3, bucket = files
    upload = s3.create_multipart_upload(Bucket=bucket, Key="victim")["UploadId"]
    mine = assume_role(target, "parts", ["s3:PutObject", "s3:AbortMultipartUpload"], f"arn:aws:s3:::{bucket}/mine/*")
    path = f"/{bucket}/mine/x?uploadId={upload}"
    assert "NoSuchUpload" in send_signed(target, mine, "s3", "PUT", f"{path}&partNumber=1", b"evil")
    assert "NoSuchUpload" in send_signed(target, mine, "s3", "DELETE", path)
    assert s3.list_parts(Bucket=bucket, Key="victim", UploadId=upload).get("Parts", []) == []


def test_colon_in_a_key_does_not_change_the_bucket(target, bucket):
    """The bucket is the part before the first slash."""
    bucket.put_object(Bucket=BUCKET, Key="log/a:b", Body=b"committed", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.put_object(Bucket=BUCKET, Key="log/a:b", Body=b"evil")


@pytest.mark.parametrize("query", ["uploads=", "uploadId=x&uploads=", "tagging=&acl="])
def test_conflicting_parameters_cannot_replace_a_commit_record(target, bucket, query):
    """Not even with the owner's key."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil")
    assert "<Code>InvalidArgument</Code>" in response
    assert read(bucket, COMMITTED) == b"committed"


def test_bucket_policy_applies_to_the_source_of_a_copy_and_to_the_bucket(target, files):
    """GetObject of the source, and ListBucket."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"]}
    deny["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/secret*"]
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "secret.key"})
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=bucket)
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize("value", ['"abc"', '"*"', '*, "x"', ""])
def test_if_none_match_with_another_value_cannot_replace_a_commit_record(target, bucket, value):
    """The policy requires the header to be present, and S3 accepts only `*`."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}", b"evil", If_None_Match=value)
    assert "If-None-Match of a write must be *" in response
    assert read(bucket, COMMITTED) == b"committed"


@pytest.mark.parametrize("query", ["If-None-Match=%2A", "x-amz-storage-class=GLACIER&If-None-Match=%2A"])
def test_if_none_match_in_the_query_string_cannot_replace_a_commit_record(target, bucket, query):
    """It would fulfil the policy's condition without being executed."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil")
    assert "<Code>InvalidArgument</Code>" in response
    assert read(bucket, COMMITTED) == b"committed"


def test_headers_in_the_query_string_of_a_presigned_url_apply(target, files):
    """SDKs move headers to the query string; they are authorized and executed."""
    s3, bucket = files
    send_signed(
        target, target.key, "s3", "PUT", f"/{bucket}/hoisted?x-amz-meta-by=me&x-amz-storage-class=GLACIER", b"1"
    )
    found = s3.head_object(Bucket=bucket, Key="hoisted")
    assert (found["Metadata"], found["StorageClass"]) == ({"by": "me"}, "GLACIER")


def test_json_body_cannot_name_a_version(target, files):
    """The deletion creates a delete marker, and all versions are kept."""
    s3, bucket = files
    s3.put_object(Bucket=bucket, Key="json", Body=b"1")
    [version] = s3.list_object_versions(Bucket=bucket, Prefix="json")["Versions"]
    body = json.dumps({"versionId": version["VersionId"]}).encode()
    send_signed(target, target.key, "s3", "DELETE", f"/{bucket}/json", body)
    assert [each["VersionId"] for each in s3.list_object_versions(Bucket=bucket, Prefix="json")["Versions"]] == [
        version["VersionId"]
    ]


def test_delete_objects_with_bypass_requires_its_permission(target, files):
    """Like DeleteObject."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:BypassGovernanceRetention"}
    deny["Resource"] = f"arn:aws:s3:::{bucket}/*"
    s3.put_object(Bucket=bucket, Key="locked", Body=b"1")
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        objects = {"Objects": [{"Key": "locked"}]}
        response = s3.delete_objects(Bucket=bucket, Delete=objects, BypassGovernanceRetention=True)
        assert [each["Code"] for each in response["Errors"]] == ["AccessDenied"]
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    "policy",
    [
        "not json",
        "[]",
        "{}",
        '{"Statement": ["x"]}',
        '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": 5}}',
        '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": [1]}}',
        "\ufeff{}",
    ],
)
def test_invalid_bucket_policy_is_rejected(files, policy):
    """It would make the bucket inaccessible."""
    s3, bucket = files
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_bucket_policy_that_denies_everything_can_be_deleted_by_the_owner(files):
    """The bucket is accessible again."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}
    deny["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] > 0


def test_suspended_versioning_keeps_versions_and_is_rejected_with_object_lock(target):
    """A deletion creates a delete marker; locked versions cannot be deleted or their retention weakened."""
    s3, name = target.client("s3"), f"suspended-{target.port}"
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_object(Bucket=name, Key="x")
    [version] = s3.list_object_versions(Bucket=name)["Versions"]
    assert s3.get_object(Bucket=name, Key="x", VersionId=version["VersionId"])["Body"].read() == b"1"

    locked = f"locked-{target.port}"
    s3.create_bucket(Bucket=locked, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    with pytest.raises(ClientError, match="so the versioning state cannot be changed"):
        s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    version = s3.put_object(Bucket=locked, Key="x", Body=b"1")["VersionId"]
    long = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2099, 1, 1, tzinfo=UTC)}
    s3.put_object_retention(Bucket=locked, Key="x", VersionId=version, Retention=long)
    for weaker in ({**long, "Mode": "GOVERNANCE"}, {**long, "RetainUntilDate": datetime(2098, 1, 1, tzinfo=UTC)}):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object_retention(
                Bucket=locked, Key="x", VersionId=version, Retention=weaker, BypassGovernanceRetention=True
            )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=locked, Key="x", VersionId=version, BypassGovernanceRetention=False)


def test_invalid_grant_header_is_rejected(target, files):
    """ACLs require a separate permission, with any header."""
    _, bucket = files
    all_users = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    mine = assume_role(target, "grants", "s3:PutObject", f"arn:aws:s3:::{bucket}/mine/*")
    response = send_signed(target, mine, "s3", "PUT", f"/{bucket}/mine/g", b"1", x_amz_grant_write=all_users)
    assert "<Code>InvalidArgument</Code>" in response


def test_checksum_in_the_query_string_is_verified(target, files):
    """Like a checksum in a header."""
    _, bucket = files
    response = send_signed(target, target.key, "s3", "PUT", f"/{bucket}/sum?x-amz-checksum-sha256=AAAA", b"data")
    assert "<Code>BadDigest</Code>" in response


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("s3:PutLifecycleConfiguration", "delete_bucket_lifecycle"),
        ("s3:PutBucketTagging", "delete_bucket_tagging"),
        ("s3:GetEncryptionConfiguration", "get_bucket_encryption"),
    ],
)
def test_bucket_settings_require_the_permissions_of_aws(files, action, operation):
    """Their names differ from those of the operations."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        with pytest.raises(ClientError, match=action):
            getattr(s3, operation)(Bucket=bucket)
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


def test_upload_in_parts_to_a_key_with_a_final_slash_writes_no_other_object(target, files):
    """Its file would be that of the key without the slash, which has other permissions; old versions would be lost."""
    s3, bucket = files
    role = assume_role(target, "below", "s3:PutObject", f"arn:aws:s3:::{bucket}/secret.key/*")

    def upload(below, where):
        where["UploadId"] = below.create_multipart_upload(**where)["UploadId"]
        part = below.upload_part(**where, PartNumber=1, Body=b"evil")
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        below.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

    with pytest.raises(ClientError, match="a slash cannot have parts"):
        upload(target.client("s3", role), {"Bucket": bucket, "Key": "secret.key/"})
    assert s3.get_object(Bucket=bucket, Key="secret.key")["Body"].read() == b"SECRET"
