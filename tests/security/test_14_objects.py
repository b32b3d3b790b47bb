"""The permissions that S3 asks for, what a request may learn of an object, and the locks that keep a version."""

from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from tests import roles
from tests.security.conftest import Target
from tests.security.test_03_one_reading import acting, sent


@pytest.fixture(scope="module")
def bucket(target: Target) -> str:
    """Make a bucket whose objects can be locked, with one object; return its name."""
    s3, name = target.client("s3"), f"objects-{target.port}"
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    return name


@pytest.fixture
def s3(target: Target) -> Any:
    """Return a client of the owner."""
    return target.client("s3")


def code(call: Any, **parameters: Any) -> str:
    """Return the code of the error of a call, or nothing where there is none."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@contextmanager
def denied(s3: Any, bucket: str, action: str, resource: str = ""):
    """Let the policy of a bucket deny an action to everybody."""
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
OF_A_VERSION = {
    "s3:GetObjectVersionTagging": ("get_object_tagging", {}),
    "s3:PutObjectVersionTagging": ("put_object_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    "s3:DeleteObjectVersionTagging": ("delete_object_tagging", {}),
    "s3:GetObjectVersionAcl": ("get_object_acl", {}),
    "s3:GetObjectVersionAttributes": ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
    "s3:GetObjectVersion": ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
}


@pytest.mark.parametrize("action", OF_A_VERSION)
def test_the_settings_of_a_version_take_permissions_of_their_own(s3, bucket, action):
    """They are not those of the object as it is now."""
    operation, parameters = OF_A_VERSION[action]
    version = s3.head_object(Bucket=bucket, Key="x")["VersionId"]
    call = getattr(s3, operation)

    with denied(s3, bucket, action):
        assert code(call, Bucket=bucket, Key="x", VersionId=version, **parameters) == "AccessDenied"
        assert code(call, Bucket=bucket, Key="x", **parameters) == ""
    with denied(s3, bucket, action.replace("Version", "")):
        assert code(call, Bucket=bucket, Key="x", VersionId=version, **parameters) == ""
        assert code(call, Bucket=bucket, Key="x", **parameters) == "AccessDenied"


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
def test_the_settings_of_a_bucket_take_the_permissions_of_aws(s3, bucket, action, operation, parameters):
    """Inventories have no `Bucket` in the names of theirs."""
    with denied(s3, bucket, action):
        assert code(getattr(s3, operation), Bucket=bucket, **parameters) == "AccessDenied"


@pytest.mark.parametrize("query", ["session=", "analytics=", "metrics=", "intelligent-tiering=", "metadataTable="])
def test_what_a_bucket_does_not_have_is_not_answered_with_its_objects(target, bucket, query):
    """The endpoint would list them for whatever it does not know."""
    answer = sent(target, target.key, "s3", "GET", f"/{bucket}?{query}")
    assert "is not implemented by this endpoint" in answer


def test_the_owner_pays(s3, bucket):
    """Terraform asks this of every bucket."""
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
def test_a_parameter_that_would_be_left_out_is_refused(s3, bucket, operation, parameters):
    """Else the object as it is now is changed, or deleted, or not locked."""
    assert code(getattr(s3, operation), Bucket=bucket, Key="x", **parameters) == "NotImplemented"
    assert code(s3.head_object, Bucket=bucket, Key="x") == ""


def test_who_may_only_write_is_not_told_the_etag(target, s3, bucket):
    """A condition on it takes the permission to read, in each request that has one."""
    objects = f"arn:aws:s3:::{bucket}/*"
    etag = s3.put_object(Bucket=bucket, Key="guessed", Body=b"1")["ETag"]
    writes = ["s3:PutObject", "s3:DeleteObject"]
    writer = target.client("s3", acting(target, "writer", writes, objects))
    upload = writer.create_multipart_upload(Bucket=bucket, Key="guessed")["UploadId"]
    part = writer.upload_part(Bucket=bucket, Key="guessed", UploadId=upload, PartNumber=1, Body=b"2")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}

    for wanted in (etag, '"0"', "*"):
        where = {"Bucket": bucket, "Key": "guessed", "IfMatch": wanted}
        assert code(writer.put_object, **where, Body=b"2") == "AccessDenied"
        assert code(writer.complete_multipart_upload, **where, UploadId=upload, MultipartUpload=parts) == "AccessDenied"
    assert code(writer.delete_object, Bucket=bucket, Key="guessed", IfMatch=etag) == "AccessDenied"
    assert code(writer.put_object, Bucket=bucket, Key="guessed", IfNoneMatch="*") == "PreconditionFailed"

    reader = target.client("s3", acting(target, "reader", [*writes, "s3:GetObject"], objects))
    assert code(reader.put_object, Bucket=bucket, Key="guessed", IfMatch='"0"') == "PreconditionFailed"
    assert code(reader.delete_object, Bucket=bucket, Key="guessed", IfMatch=etag) == ""


def test_an_etag_is_asked_for_of_the_policy_of_the_bucket_too(s3, bucket):
    """A Deny of GetObject is one of `If-Match`."""
    with denied(s3, bucket, "s3:GetObject"):
        assert code(s3.put_object, Bucket=bucket, Key="x", Body=b"1", IfMatch='"0"') == "AccessDenied"
        assert code(s3.put_object, Bucket=bucket, Key="x", Body=b"1") == ""


def test_a_query_is_not_told_that_an_object_is_not_there(target, bucket):
    """As a GetObject is not, where the role may not list the bucket."""
    reader = target.client("s3", acting(target, "selecting", "s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    query = {
        "Expression": "SELECT * FROM s3object",
        "ExpressionType": "SQL",
        "InputSerialization": {"JSON": {"Type": "LINES"}},
        "OutputSerialization": {"JSON": {}},
    }
    assert code(reader.select_object_content, Bucket=bucket, Key="none", **query) == "AccessDenied"


@pytest.mark.parametrize("variable", ["${aws:PrincipalAccount}", "${aws:username}", "${aws:PrincipalTag/team}"])
def test_a_variable_in_a_bucket_policy_is_replaced_or_denies(s3, bucket, variable, caplog):
    """It does not stand for itself; where its value is not known, the log says so."""
    key = f"{roles.ACCOUNT}/secret"
    s3.put_object(Bucket=bucket, Key=key, Body=b"")

    with denied(s3, bucket, "s3:GetObject", f"arn:aws:s3:::{bucket}/{variable}/*"):
        assert code(s3.get_object, Bucket=bucket, Key=key) == "AccessDenied"
        is_known = "Account" in variable
        assert code(s3.get_object, Bucket=bucket, Key="x") == ("" if is_known else "AccessDenied")
    assert (variable in caplog.text) is not is_known


def test_a_policy_whose_language_has_no_variables_is_not_put_with_one(s3, bucket):
    """AWS would take it as it stands."""
    policy = roles.policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::a/${b}"})
    older = policy.replace("2012-10-17", "2008-10-17")
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=older) == "MalformedPolicy"


@pytest.mark.parametrize("query", ["prefix=a&prefix=", "list-type=2&list-type=1", "max-keys=1&Max-Keys=2"])
def test_a_query_string_with_a_parameter_twice_is_refused(target, bucket, query):
    """One reader takes the first, another the last."""
    answer = sent(target, target.key, "s3", "GET", f"/{bucket}?{query}")
    assert "is in the query string twice" in answer


def retention(mode: str, until: str) -> str:
    """Return the XML of a retention."""
    return f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"


@pytest.fixture
def retain(target: Target, s3: Any, bucket: str):
    """Put an object that is locked until 2099; return a function that puts another retention, whatever its XML."""
    version = s3.put_object(Bucket=bucket, Key="locked", Body=b"1")["VersionId"]
    path = f"/{bucket}/locked?retention=&versionId={version}"

    def put(xml: str) -> str:
        answer = sent(target, target.key, "s3", "PUT", path, xml.encode())
        return answer.partition("<Code>")[2].partition("</Code>")[0]

    assert put(retention("COMPLIANCE", "2099-01-01T00:00:00Z")) == ""
    yield put
    assert f"{s3.head_object(Bucket=bucket, Key='locked')['ObjectLockRetainUntilDate']:%Y}" == "2099"
    assert code(s3.delete_object, Bucket=bucket, Key="locked", VersionId=version) == "AccessDenied"


@pytest.mark.parametrize(
    "date",
    ["2098-9-9T00:00:00Z", "9", "2099-1-1T00:00:00Z", "2099-01-01", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", ""],
)
def test_a_lock_is_not_shortened_by_what_is_no_date(retain, date):
    """As a text it may come after the date that is there."""
    assert retain(retention("COMPLIANCE", date)) == "MalformedXML"


def test_dates_of_locks_are_compared_as_times(retain):
    """In whichever time zone they are."""
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
def test_a_lock_is_not_taken_away_by_another_one(retain, xml):
    """Nor by none."""
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
def test_a_retention_that_is_none_is_refused(retain, xml):
    """As on AWS."""
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
def test_an_object_is_not_written_with_a_lock_that_holds_nothing(target, s3, bucket, headers, source):
    """The header of a date, of a mode and of a legal hold are read as their elements are."""
    how = {f"x_amz_object_lock_{name.replace('-', '_')}": value for name, value in headers.items()}
    how |= {name: value.format(bucket) for name, value in source.items()}
    answer = sent(
        target, target.key, "s3", "PUT", f"/{bucket}/unlocked", b"", x_amz_sdk_checksum_algorithm="CRC32", **how
    )
    assert "<Code>InvalidArgument</Code>" in answer
    assert code(s3.head_object, Bucket=bucket, Key="unlocked") == "404"


@pytest.mark.parametrize("body", ["<LegalHold><Status>on</Status></LegalHold>", "<LegalHold/>", "<x/>"])
def test_a_legal_hold_that_is_none_is_refused(target, bucket, body):
    """It would hold nothing, and be told as one."""
    answer = sent(target, target.key, "s3", "PUT", f"/{bucket}/x?legal-hold=", body.encode())
    assert "<Code>MalformedXML</Code>" in answer


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("PUT", "legal-hold=", "<LegalHold><Status>ON</Status></LegalHold>"),
        ("PUT", "retention=", retention("GOVERNANCE", "2099-01-01T00:00:00Z")),
        ("DELETE", "tagging=", ""),
    ],
)
def test_an_object_that_is_not_there_has_no_settings(target, bucket, method, query, body):
    """Which is no failure of the endpoint."""
    answer = sent(target, target.key, "s3", method, f"/{bucket}/none?{query}", body.encode())
    assert "<Code>NoSuchKey</Code>" in answer


def test_every_way_to_write_locks_as_the_bucket_says(s3, post, target):
    """An upload in parts and a form have no headers for it; and a legal hold does not replace it."""
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


def test_a_form_with_a_lock_is_refused(s3, post, bucket):
    """It would not be locked."""
    lock = {"x-amz-object-lock-legal-hold": "ON"}
    form = s3.generate_presigned_post(bucket, "form", Fields=lock, Conditions=[lock])
    assert post(form["fields"], path=bucket) == (403, "AccessDenied")


def test_a_form_has_no_conditions(target, s3, bucket):
    """Its headers are not signed, and nobody is asked whether it may know an ETag."""
    fields = s3.generate_presigned_post(bucket, "x")["fields"]
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    body += '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n1\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "If-Match": '"0"'}
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{bucket}", data=body.encode(), headers=headers)
    assert URLLib3Session().send(request.prepare()).status_code == 204


@pytest.mark.parametrize("body", ["<Tagging/>", "<x/>", "<Tagging>text</Tagging>", "<Tagging><TagSet><Tag/></TagSet>"])
@pytest.mark.parametrize("path", ["", "/x"], ids=["bucket", "object"])
def test_xml_that_is_not_what_the_operation_takes_is_an_error_of_the_client(target, bucket, path, body):
    """`MalformedXML`, as on AWS."""
    answer = sent(target, target.key, "s3", "PUT", f"/{bucket}{path}?tagging=", body.encode())
    assert "<Code>MalformedXML</Code>" in answer
