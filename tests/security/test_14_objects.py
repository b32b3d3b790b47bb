"""S3 objects: the permissions that requests need, information about objects, and object locks."""

from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from tests import roles
from tests.security.conftest import AttackTarget
from tests.security.signed_requests import assume_role, error_code, send_signed


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


@contextmanager
def denied(s3: Any, bucket: str, action: str, resource: str = ""):
    """Deny an action to all principals by the bucket's policy during the block."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": action}
    deny["Resource"] = [resource] if resource else [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        yield
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


INVENTORY = {
    "Id": "i",
    "IsEnabled": True,
    "IncludedObjectVersions": "All",
    "Schedule": {"Frequency": "Daily"},
    "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::b", "Format": "CSV"}},
}
VERSION_ACTIONS = {
    "s3:GetObjectVersionTagging": ("get_object_tagging", {}),
    "s3:PutObjectVersionTagging": ("put_object_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    "s3:DeleteObjectVersionTagging": ("delete_object_tagging", {}),
    "s3:GetObjectVersionAcl": ("get_object_acl", {}),
    "s3:GetObjectVersionAttributes": ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
    "s3:GetObjectVersion": ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
}


@pytest.mark.parametrize("action", VERSION_ACTIONS)
def test_settings_of_a_version_require_version_permissions(s3, bucket, action):
    """They differ from those of the current object."""
    operation, parameters = VERSION_ACTIONS[action]
    version = s3.head_object(Bucket=bucket, Key="x")["VersionId"]
    call = getattr(s3, operation)

    with denied(s3, bucket, action):
        assert error_code(call, Bucket=bucket, Key="x", VersionId=version, **parameters) == "AccessDenied"
        assert error_code(call, Bucket=bucket, Key="x", **parameters) == ""
    with denied(s3, bucket, action.replace("Version", "")):
        assert error_code(call, Bucket=bucket, Key="x", VersionId=version, **parameters) == ""
        assert error_code(call, Bucket=bucket, Key="x", **parameters) == "AccessDenied"


@pytest.mark.parametrize(
    ("action", "operation", "parameters"),
    [
        ("s3:GetInventoryConfiguration", "get_bucket_inventory_configuration", {"Id": "i"}),
        (
            "s3:PutInventoryConfiguration",
            "put_bucket_inventory_configuration",
            {"Id": "i", "InventoryConfiguration": INVENTORY},
        ),
        ("s3:GetInventoryConfiguration", "list_bucket_inventory_configurations", {}),
    ],
)
def test_inventory_settings_require_the_permissions_of_aws(s3, bucket, action, operation, parameters):
    """Their names have no `Bucket`, unlike the operations."""
    with denied(s3, bucket, action):
        assert error_code(getattr(s3, operation), Bucket=bucket, **parameters) == "AccessDenied"


@pytest.mark.parametrize("query", ["session=", "analytics=", "metrics=", "intelligent-tiering=", "metadataTable="])
def test_unsupported_bucket_subresource_is_an_error(target, bucket, query):
    """Not a listing of the bucket's objects."""
    response = send_signed(target, target.key, "s3", "GET", f"/{bucket}?{query}")
    assert "is not implemented by this endpoint" in response


def test_request_payer_is_the_bucket_owner(s3, bucket):
    """Terraform reads this for every bucket."""
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("put_object_acl", {"VersionId": "v", "ACL": "private"}),
        ("restore_object", {"VersionId": "v", "RestoreRequest": {"Days": 1}}),
        ("delete_object", {"IfMatchSize": 99}),
        ("create_multipart_upload", {"ObjectLockLegalHoldStatus": "ON"}),
    ],
)
def test_unsupported_parameter_is_rejected(s3, bucket, operation, parameters):
    """Ignoring it would change or delete the current object, or leave it unlocked."""
    assert error_code(getattr(s3, operation), Bucket=bucket, Key="x", **parameters) == "NotImplemented"
    assert error_code(s3.head_object, Bucket=bucket, Key="x") == ""


def test_write_permission_alone_does_not_reveal_the_etag(target, s3, bucket):
    """`If-Match` also requires the permission to read, in every operation."""
    objects = f"arn:aws:s3:::{bucket}/*"
    etag = s3.put_object(Bucket=bucket, Key="guessed", Body=b"1")["ETag"]
    writes = ["s3:PutObject", "s3:DeleteObject"]
    writer = target.client("s3", assume_role(target, "writer", writes, objects))
    upload = writer.create_multipart_upload(Bucket=bucket, Key="guessed")["UploadId"]
    part = writer.upload_part(Bucket=bucket, Key="guessed", UploadId=upload, PartNumber=1, Body=b"2")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}

    for condition in (etag, '"0"', "*"):
        request = {"Bucket": bucket, "Key": "guessed", "IfMatch": condition}
        assert error_code(writer.put_object, **request, Body=b"2") == "AccessDenied"
        assert (
            error_code(writer.complete_multipart_upload, **request, UploadId=upload, MultipartUpload=parts)
            == "AccessDenied"
        )
    assert error_code(writer.delete_object, Bucket=bucket, Key="guessed", IfMatch=etag) == "AccessDenied"
    assert error_code(writer.put_object, Bucket=bucket, Key="guessed", IfNoneMatch="*") == "PreconditionFailed"

    reader = target.client("s3", assume_role(target, "reader", [*writes, "s3:GetObject"], objects))
    assert error_code(reader.put_object, Bucket=bucket, Key="guessed", IfMatch='"0"') == "PreconditionFailed"
    assert error_code(reader.delete_object, Bucket=bucket, Key="guessed", IfMatch=etag) == ""


def test_if_match_requires_read_permission_by_the_bucket_policy_too(s3, bucket):
    """A Deny of GetObject also denies `If-Match`."""
    with denied(s3, bucket, "s3:GetObject"):
        assert error_code(s3.put_object, Bucket=bucket, Key="x", Body=b"1", IfMatch='"0"') == "AccessDenied"
        assert error_code(s3.put_object, Bucket=bucket, Key="x", Body=b"1") == ""


def test_select_on_a_missing_object_is_denied_without_list_permission(target, bucket):
    """Like GetObject."""
    reader = target.client("s3", assume_role(target, "selecting", "s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    query = {
        "Expression": "SELECT * FROM s3object",
        "ExpressionType": "SQL",
        "InputSerialization": {"JSON": {"Type": "LINES"}},
        "OutputSerialization": {"JSON": {}},
    }
    assert error_code(reader.select_object_content, Bucket=bucket, Key="none", **query) == "AccessDenied"


@pytest.mark.parametrize("variable", ["${aws:PrincipalAccount}", "${aws:username}", "${aws:PrincipalTag/team}"])
def test_policy_variable_in_a_bucket_policy_is_replaced_or_denies(s3, bucket, variable, caplog):
    """It is not used literally; an unknown value is logged."""
    key = f"{roles.ACCOUNT}/secret"
    s3.put_object(Bucket=bucket, Key=key, Body=b"")

    with denied(s3, bucket, "s3:GetObject", f"arn:aws:s3:::{bucket}/{variable}/*"):
        assert error_code(s3.get_object, Bucket=bucket, Key=key) == "AccessDenied"
        is_known = "Account" in variable
        assert error_code(s3.get_object, Bucket=bucket, Key="x") == ("" if is_known else "AccessDenied")
    assert (variable in caplog.text) is not is_known


def test_policy_of_the_older_version_with_a_variable_is_rejected(s3, bucket):
    """Version 2008-10-17 has no variables; AWS would use it literally."""
    policy = roles.policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::a/${b}"})
    older = policy.replace("2012-10-17", "2008-10-17")
    assert error_code(s3.put_bucket_policy, Bucket=bucket, Policy=older) == "MalformedPolicy"


@pytest.mark.parametrize("query", ["prefix=a&prefix=", "list-type=2&list-type=1", "max-keys=1&Max-Keys=2"])
def test_repeated_query_string_parameter_is_rejected(target, bucket, query):
    """Some parsers use the first value, others the last."""
    response = send_signed(target, target.key, "s3", "GET", f"/{bucket}?{query}")
    assert "is in the query string twice" in response


def test_conditional_headers_do_not_apply_to_a_form(target, s3, bucket):
    """They are not signed, and the permission for `If-Match` was not checked."""
    fields = s3.generate_presigned_post(bucket, "x")["fields"]
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    body += '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n1\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "If-Match": '"0"'}
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{bucket}", data=body.encode(), headers=headers)
    assert URLLib3Session().send(request.prepare()).status_code == 204


@pytest.mark.parametrize("body", ["<Tagging/>", "<x/>", "<Tagging>text</Tagging>", "<Tagging><TagSet><Tag/></TagSet>"])
@pytest.mark.parametrize("path", ["", "/x"], ids=["bucket", "object"])
def test_unexpected_xml_is_a_client_error(target, bucket, path, body):
    """`MalformedXML`, as on AWS."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{bucket}{path}?tagging=", body.encode())
    assert "<Code>MalformedXML</Code>" in response


def test_delete_permission_alone_does_not_reveal_whether_an_object_exists(target, s3, bucket):
    """With versions, the response to a deletion has the delete marker, as on AWS also without an object."""
    s3.put_object(Bucket=bucket, Key="deleted/exists", Body=b"1")
    role = assume_role(target, "deleter", "s3:DeleteObject", f"arn:aws:s3:::{bucket}/deleted/*")
    deleter = target.client("s3", role)
    for key in ("deleted/exists", "deleted/missing"):
        assert deleter.delete_object(Bucket=bucket, Key=key)["DeleteMarker"]
    markers = s3.list_object_versions(Bucket=bucket, Prefix="deleted/")["DeleteMarkers"]
    assert [(each["Key"], each["IsLatest"]) for each in markers] == [
        ("deleted/exists", True),
        ("deleted/missing", True),
    ]
    missing = {"Bucket": bucket, "Key": "deleted/missing"}
    s3.delete_object(**missing, VersionId=markers[1]["VersionId"])
    s3.put_object(**missing, Body=b"2")
    assert s3.get_object(**missing)["Body"].read() == b"2"
