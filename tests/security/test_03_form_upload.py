"""A rule that holds for one way into the local AWS holds for every other: forms, several keys, hidden operations."""

import base64
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws import iam
from local_aws.settings import REGION
from tests import roles
from tests.security.conftest import Target

BUCKET = "ingested"
COMMITTED = "log/000001.json"
WRITE_ONCE = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Resource": f"arn:aws:s3:::{BUCKET}/log/*",
    "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
}
KEEP_VERSIONS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
    "Resource": f"arn:aws:s3:::{BUCKET}/*",
}


@pytest.fixture(scope="module")
def bucket(target: Target) -> Any:
    """Make a bucket with a commit record, whose policy is that of the ingested zone; return a client."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=roles.policy(WRITE_ONCE, KEEP_VERSIONS))
    s3.put_object(Bucket=BUCKET, Key=COMMITTED, Body=b"committed", IfNoneMatch="*")
    return s3


@pytest.fixture
def post(target: Target):
    """Return a function that posts a form with these fields and returns the status and the error of the answer."""

    def send(fields: dict[str, str], content: str = "evil", path: str = BUCKET) -> tuple[int, str]:
        parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
        parts.append(f'name="file"; filename="x.json"\r\n\r\n{content}')
        body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
        request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{path}", data=body.encode())
        request.headers["Content-Type"] = "multipart/form-data; boundary=b"
        answer = URLLib3Session().send(request.prepare())
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        return answer.status_code, code

    return send


def taken(role: str) -> Credentials:
    """Take a role as Glue does for a job."""
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
    found = iam.assume(
        role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name="session"
    )
    return Credentials(found.access_key, found.secret_key, found.token)


def read(s3: Any, key: str) -> bytes:
    """Return an object."""
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def test_a_form_replaces_no_commit_record(bucket, post):
    """Its policy allows it; that of the bucket does not, since a form cannot carry `If-None-Match`."""
    form = bucket.generate_presigned_post(BUCKET, COMMITTED)
    assert post(form["fields"]) == (403, "AccessDenied")
    assert read(bucket, COMMITTED) == b"committed"


def test_a_form_uploads_what_its_policy_allows(bucket, post):
    """With metadata, a name that the file gives and a length."""
    conditions = [["starts-with", "$key", "tables/"], ["content-length-range", 1, 10], {"x-amz-meta-by": "form"}]
    form = bucket.generate_presigned_post(
        BUCKET, "tables/${filename}", Fields={"x-amz-meta-by": "form"}, Conditions=conditions
    )
    assert post(form["fields"], "rows") == (204, "")
    found = bucket.get_object(Bucket=BUCKET, Key="tables/x.json")
    assert (found["Body"].read(), found["Metadata"]) == (b"rows", {"by": "form"})


def changed(form: dict[str, Any], change: dict[str, str]) -> dict[str, str]:
    """Return the fields of a form with some of them changed."""
    return {**form["fields"], **change}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "tables/2"}, "AccessDenied"),
        ({"acl": "public-read"}, "AccessDenied"),
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"policy": base64.b64encode(b'{"expiration": "2099-01-01T00:00:00Z", "conditions": []}').decode()}, ""),
        ({"x-amz-credential": "AKIAMADEUP0000000000/20260101/eu-west-2/s3/aws4_request"}, "InvalidAccessKeyId"),
        ({"x-amz-date": "20200101T000000Z"}, "SignatureDoesNotMatch"),
        ({"x-amz-algorithm": "AWS4"}, "InvalidRequest"),
    ],
    ids=str,
)
def test_a_form_that_was_changed_is_refused(bucket, post, change, code):
    """The signature is that of the policy, and the policy says what may be in the form."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    status, found = post(changed(form, change))
    assert (status in {400, 403}, found) == (True, code or "SignatureDoesNotMatch")
    assert "tables/1" not in [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]


def test_a_form_for_another_bucket_or_after_its_time_is_refused(bucket, post):
    """Both are in the policy; so is the length of the file."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    assert post(form["fields"], path="artifacts") == (403, "AccessDenied")
    expired = bucket.generate_presigned_post(BUCKET, "tables/1", ExpiresIn=-1)
    assert post(expired["fields"]) == (403, "AccessDenied")
    short = bucket.generate_presigned_post(BUCKET, "tables/1", Conditions=[["content-length-range", 1, 3]])
    assert post(short["fields"]) == (403, "AccessDenied")


def test_a_role_uploads_by_a_form_only_what_it_may_put(target, bucket, post):
    """The form is judged as PutObject on its key, and its ACL as PutObjectAcl."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    s3 = target.client("s3", taken("uploader"))

    assert post(s3.generate_presigned_post(BUCKET, "mine/1")["fields"]) == (204, "")
    assert post(s3.generate_presigned_post(BUCKET, "tables/1")["fields"]) == (403, "AccessDenied")
    public = s3.generate_presigned_post(
        BUCKET, "mine/2", Fields={"acl": "public-read"}, Conditions=[{"acl": "public-read"}]
    )
    assert post(public["fields"]) == (403, "AccessDenied")


def test_a_version_is_not_deleted_among_several(bucket):
    """DeleteObjects with a version needs what DeleteObject with a version needs."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket=BUCKET, Key=COMMITTED, VersionId=version["VersionId"])

    objects = [{"Key": COMMITTED, "VersionId": version["VersionId"]}]
    answer = bucket.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    assert [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
    assert read(bucket, COMMITTED) == b"committed"


def asked(port: int, key: Credentials, service: str, path: str, body: str, **headers: str) -> str:
    """Return the answer to a signed request, whose operation is named in more than one place."""
    request = AWSRequest("PUT" if service == "s3" else "POST", f"http://127.0.0.1:{port}{path}", data=body.encode())
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
    return str(URLLib3Session().send(request.prepare()).text)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", '{"Name": "kept", "CatalogId": "&Action=DeleteDatabase&x="}'),
        ("/?Action=DeleteDatabase", '{"Name": "kept"}'),
    ],
)
def test_what_is_judged_is_what_is_done(target, path, body):
    """A second operation, hidden in the query string or in a text of the body, is not the one that is carried out."""
    glue = target.client("glue")
    allowed = {"Effect": "Allow", "Action": "glue:GetDatabase", "Resource": "*"}
    roles.create(target.client("iam"), "reader", allowed)
    headers = {"X_Amz_Target": "AWSGlue.GetDatabase", "Content_Type": "application/x-amz-json-1.1"}

    def left(port: int) -> list[str]:
        if "kept" not in [each["Name"] for each in glue.get_databases()["DatabaseList"]]:
            glue.create_database(DatabaseInput={"Name": "kept"})
        asked(port, taken("reader"), "glue", path, body, **headers)
        return [each["Name"] for each in glue.get_databases()["DatabaseList"]]

    assert "kept" not in left(target.bare_port)
    assert "kept" in left(target.port)


def test_an_operation_in_a_header_does_not_stand_for_that_of_s3(target, bucket):
    """S3 goes by method and path; a role that may list the buckets writes no object by saying that it lists them."""
    allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    roles.create(target.client("iam"), "lister", allowed)
    answer = asked(target.port, taken("lister"), "s3", f"/{BUCKET}/tables/9", "evil", X_Amz_Target="x.ListBuckets")
    assert "not authorized to perform: s3:PutObject" in answer


def test_two_operations_of_s3_in_one_request_are_refused_to_a_role(target, bucket):
    """Which of the two would be carried out is not for its sender to choose."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    path = f"/{BUCKET}/mine/1?partNumber=1&uploadId=x&legal-hold="
    answer = asked(target.port, taken("uploader"), "s3", path, "<LegalHold><Status>OFF</Status></LegalHold>")
    assert "<Code>AccessDenied</Code>" in answer


def test_a_text_in_the_body_does_not_choose_the_operation(target):
    """By its content alone a schedule that was to be made would be deleted."""
    scheduler = target.client("scheduler")
    role = roles.create(target.client("iam"), "scheduled", service="scheduler.amazonaws.com")
    goal = {"Arn": "arn:aws:lambda:eu-west-2:123456789012:function:f", "RoleArn": role}
    scheduler.create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**goal, "Input": "x&Action=DeleteSchedule&y=1"},
    )
    assert scheduler.get_schedule(Name="nightly")["Target"]["Input"] == "x&Action=DeleteSchedule&y=1"


@pytest.mark.parametrize("change", [{"X-Amz-Target": "AWSGlue.DeleteDatabase"}, {"X-Moto-Account-Id": "999999999999"}])
def test_a_header_that_is_not_signed_changes_nothing(target, change):
    """What decides on the operation is signed; what leads into another account is no header of AWS."""
    target.client("glue").create_database(DatabaseInput={"Name": f"in-{next(iter(change)).lower()}"})
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/", data=b"{}")
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    request.headers["X-Amz-Target"] = "AWSGlue.GetDatabases"
    SigV4Auth(target.key, "glue", REGION).add_auth(request)
    for name, value in change.items():
        del request.headers[name]
        request.headers[name] = value
    answer = URLLib3Session().send(request.prepare())
    if "X-Amz-Target" in change:
        assert "InvalidSignatureException" in answer.text
    else:
        assert "in-x-moto-account-id" in answer.text
