"""One interpretation of each request: authorization and execution agree on operation, key, version and region."""

import http.client
import json
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from local_aws.schedules.clock import SystemClock
from local_aws.schedules.invocation import Target as ScheduleTarget
from local_aws.schedules.invocation import invoke
from tests import roles
from tests.security.buckets import BUCKET, COMMITTED, bucket, files, read
from tests.security.conftest import AttackTarget
from tests.security.signed_requests import assume, assume_role, response_to, send_signed

__all__ = ["bucket", "files"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", '{"Name": "kept", "CatalogId": "&Action=DeleteDatabase&x="}'),
        ("/?Action=DeleteDatabase", '{"Name": "kept"}'),
    ],
)
def test_second_operation_in_a_request_is_not_executed(target, path, body):
    """It is hidden in the query string or in a string of the body, and was not authorized."""
    glue = target.client("glue")
    allowed = {"Effect": "Allow", "Action": "glue:GetDatabase", "Resource": "*"}
    roles.create(target.client("iam"), "reader", allowed)
    headers = {"X_Amz_Target": "AWSGlue.GetDatabase", "Content_Type": "application/x-amz-json-1.1"}

    def databases_after(port: int) -> list[str]:
        if "kept" not in [each["Name"] for each in glue.get_databases()["DatabaseList"]]:
            glue.create_database(DatabaseInput={"Name": "kept"})
        response_to(port, assume("reader"), "glue", "POST", path, body.encode(), **headers)
        return [each["Name"] for each in glue.get_databases()["DatabaseList"]]

    assert "kept" not in databases_after(target.bare_port)
    assert "kept" in databases_after(target.port)


def test_x_amz_target_does_not_determine_the_s3_operation(target, bucket):
    """S3 uses method and path, so a role that may only list buckets cannot write with `ListBuckets` as target."""
    allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    roles.create(target.client("iam"), "lister", allowed)
    response = send_signed(
        target, assume("lister"), "s3", "PUT", f"/{BUCKET}/tables/9", b"evil", X_Amz_Target="x.ListBuckets"
    )
    assert "not authorized to perform: s3:PutObject" in response


def test_request_with_parameters_of_two_s3_operations_is_rejected(target, bucket):
    """It would be ambiguous which of the two is executed."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    path = f"/{BUCKET}/mine/1?partNumber=1&uploadId=x&legal-hold="
    response = send_signed(
        target, assume("uploader"), "s3", "PUT", path, b"<LegalHold><Status>OFF</Status></LegalHold>"
    )
    assert "UploadPart has no query parameter legal-hold" in response


@pytest.mark.parametrize("source", [None, f"{BUCKET}/other"])
def test_schedule_replaces_no_commit_record(target, bucket, source):
    """The bucket policy applies to the calls of a schedule, whatever its role allows."""
    bucket.put_object(Bucket=BUCKET, Key="other", Body=b"evil")
    role = roles.create(target.client("iam"), "scheduled", service="scheduler.amazonaws.com")
    content = {"Body": "evil"} if source is None else {"CopySource": source}
    for key in (COMMITTED, "harmless"):
        settings = {
            "Arn": f"arn:aws:scheduler:::aws-sdk:s3:{'putObject' if source is None else 'copyObject'}",
            "Input": json.dumps({"Bucket": BUCKET, "Key": key, **content}),
            "RoleArn": role,
        }
        schedule = ScheduleTarget.of(f"arn:aws:scheduler:{REGION}:{roles.ACCOUNT}:schedule/default/nightly", settings)
        invoke(schedule, datetime.now(UTC), SystemClock())
    assert (read(bucket, COMMITTED), read(bucket, "harmless")) == (b"committed", b"evil")


def test_string_in_the_body_does_not_determine_the_operation(target):
    """Otherwise this schedule would be deleted instead of created."""
    scheduler = target.client("scheduler")
    role = roles.create(target.client("iam"), "scheduled", service="scheduler.amazonaws.com")
    schedule_target = {"Arn": "arn:aws:lambda:eu-west-2:123456789012:function:f", "RoleArn": role}
    scheduler.create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**schedule_target, "Input": "x&Action=DeleteSchedule&y=1"},
    )
    assert scheduler.get_schedule(Name="nightly")["Target"]["Input"] == "x&Action=DeleteSchedule&y=1"


@pytest.mark.parametrize("change", [{"X-Amz-Target": "AWSGlue.DeleteDatabase"}, {"X-Moto-Account-Id": "999999999999"}])
def test_unsigned_header_cannot_change_the_operation_or_the_account(target, change):
    """The operation's header must be signed; moto's header for another account is ignored."""
    target.client("glue").create_database(DatabaseInput={"Name": f"in-{next(iter(change)).lower()}"})
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/", data=b"{}")
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    request.headers["X-Amz-Target"] = "AWSGlue.GetDatabases"
    SigV4Auth(target.key, "glue", REGION).add_auth(request)
    for name, value in change.items():
        del request.headers[name]
        request.headers[name] = value
    response = URLLib3Session().send(request.prepare())
    if "X-Amz-Target" in change:
        assert "InvalidSignatureException" in response.text
    else:
        assert "in-x-moto-account-id" in response.text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_region_of_a_signature_cannot_select_another_service(target, method):
    """Otherwise `sts` in the region `s3` would reach S3 without a permission."""
    without_s3 = assume_role(target, "nobody", "logs:PutLogEvents", "*")
    response = send_signed(
        target, without_s3, "sts", method, f"/{BUCKET}/{COMMITTED}", region="s3", X_Amz_Target="x.GetCallerIdentity"
    )
    assert "AWS has no region s3" in response


def test_headers_determine_neither_operation_nor_region(target):
    """Moto would read `Action` as operation if there is no body, and `region/…` in the user agent as region."""
    target.client("secretsmanager").create_secret(Name="in-london", SecretString="x")
    reader = assume_role(target, "secrets", "secretsmanager:GetSecretValue", "*")
    headers = {"X_Amz_Target": "secretsmanager.GetSecretValue", "Content_Type": "application/x-amz-json-1.1"}
    listed = send_signed(target, reader, "secretsmanager", "POST", "/", Action="ListSecrets", **headers)
    assert "SecretId" in json.loads(listed)["message"]

    parameters = b'{"SecretId": "in-london"}'
    secret = send_signed(
        target, reader, "secretsmanager", "POST", "/", parameters, User_Agent="x region/us-east-1", **headers
    )
    assert ":eu-west-2:" in json.loads(secret)["ARN"]


def test_semicolon_is_part_of_the_bucket_name(target, files):
    """Otherwise the policy of another bucket would be evaluated."""
    _, bucket = files
    other = assume_role(target, "other", "s3:ListBucket", f"arn:aws:s3:::{bucket};*")
    assert "InvalidBucketName" in send_signed(target, other, "s3", "GET", f"/{bucket}%3Bx?list-type=2")


def test_idempotent_response_is_repeated_only_for_the_same_request(target):
    """Another operation with the same invocation id does not get the stored response."""
    target.client("secretsmanager").create_secret(Name="once", SecretString="hunter2")
    common = {"Content_Type": "application/x-amz-json-1.1", "Amz_Sdk_Invocation_Id": "the-same"}
    body = b'{"SecretId": "once"}'
    first = send_signed(
        target, target.key, "secretsmanager", "POST", "/", body, X_Amz_Target="secretsmanager.GetSecretValue", **common
    )
    second = send_signed(
        target, target.key, "secretsmanager", "POST", "/", body, X_Amz_Target="secretsmanager.DescribeSecret", **common
    )
    assert ("hunter2" in first, "hunter2" in second) == (True, False)


def test_path_of_another_s3_api_is_not_authorized_as_an_object(target):
    """The paths of S3 Control look like those of a bucket."""
    anything = assume_role(target, "objects", ["s3:GetObject", "s3:PutObject"], "*")
    response = send_signed(target, anything, "s3", "PUT", "/v20180820/configuration/publicAccessBlock", b"<x/>")
    assert "<Code>AccessDenied</Code>" in response


@pytest.mark.parametrize("service", ["s3express", "s3-object-lambda", "s3x"])
def test_s3_requires_its_own_name_in_the_signature(target, bucket, service):
    """With another service name, bucket policies would not be evaluated."""
    response = send_signed(target, target.key, service, "PUT", f"/{BUCKET}/log/9.json", b"evil")
    assert f"the signing name of S3 is s3, not {service}" in response


def test_lowercase_method_is_rejected(target, bucket):
    """Moto would accept it as PUT, and authorization would not."""
    request = AWSRequest("put", f"http://127.0.0.1:{target.port}/{BUCKET}/{COMMITTED}", data=b"evil")
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", target.port)
    connection.request("put", f"/{BUCKET}/{COMMITTED}", b"evil", dict(request.headers))
    assert "MethodNotAllowed" in connection.getresponse().read().decode()
    assert read(bucket, COMMITTED) == b"committed"


@pytest.mark.parametrize("query", ["renameObject=", "encryption="])
def test_unsupported_operation_is_not_executed_as_put_object(target, bucket, query):
    """Moto would do so, without the conditions of PutObject."""
    response = send_signed(
        target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil", x_amz_rename_source="/x/y"
    )
    assert "is not implemented by this endpoint" in response or "InvalidArgument" in response
    assert read(bucket, COMMITTED) == b"committed"


@pytest.mark.parametrize(
    "xml",
    [
        "<Delete xmlns:x='u'><Object><x:VersionId/><Key>{key}</Key><VersionId>{version}</VersionId></Object></Delete>",
        "<Delete xmlns:x='u'><Object><x:Key>tables/none</x:Key><Key>{key}</Key></Object></Delete>",
        "<Delete><Object><Key>{key}</Key><VersionId><x/>{version}</VersionId></Object></Delete>",
        "<Delete><Object><Key>tables/none</Key><Key>{key}</Key></Object></Delete>",
        "<Delete/>",
    ],
)
def test_ambiguous_list_of_keys_is_rejected(target, bucket, xml):
    """An entry may only have a key and a version, once each."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    body = xml.format(key=COMMITTED, version=version["VersionId"]).encode()
    assert "MalformedXML" in delete_objects(target, body)
    assert read(bucket, COMMITTED) == b"committed"


def delete_objects(target: AttackTarget, body: bytes) -> str:
    """Send a DeleteObjects request with a given body, and return the response."""
    return send_signed(target, target.key, "s3", "POST", f"/{BUCKET}?delete=", body)


def test_carriage_return_in_a_key_is_preserved(target, bucket):
    """Otherwise the authorized key and the deleted one would differ."""
    response = delete_objects(target, b"<Delete><Object><Key>tables/a&#13;b</Key></Object></Delete>")
    assert "<Key>tables/a&#13;b</Key>" in response or "tables/a\rb" in response


def test_role_cannot_use_glue_in_another_region(target):
    """The local Glue has the same jobs for every region."""
    anything = assume_role(target, "abroad", "glue:*", "*")
    headers = {"X_Amz_Target": "AWSGlue.GetDatabase", "Content_Type": "application/x-amz-json-1.1"}
    response = send_signed(target, anything, "glue", "POST", "/", b'{"Name": "x"}', region="us-east-1", **headers)
    assert "AccessDenied" in response


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_other_aws_partitions_are_rejected(target, region):
    """Bucket policies would not be evaluated there."""
    assert f"AWS has no region {region}" in send_signed(target, target.key, "s3", "GET", f"/{BUCKET}", region=region)
