"""One interpretation of each request: authorization and execution agree on operation, key, version and region."""

import base64
import http.client
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from tests import roles
from tests.security.conftest import AttackTarget
from tests.security.signed_requests import assume, assume_role, response_to, send_signed

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
def bucket(target: AttackTarget) -> Any:
    """Create a bucket with the policy of the ingested zone and a commit record; return a client."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=roles.policy(WRITE_ONCE, KEEP_VERSIONS))
    s3.put_object(Bucket=BUCKET, Key=COMMITTED, Body=b"committed", IfNoneMatch="*")
    return s3


def read(s3: Any, key: str) -> bytes:
    """Return the content of an object."""
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def test_form_cannot_replace_a_commit_record(bucket, post):
    """The form's policy allows it, but the bucket's policy does not, since a form has no `If-None-Match`."""
    form = bucket.generate_presigned_post(BUCKET, COMMITTED)
    assert post(form["fields"]) == (403, "AccessDenied")
    assert read(bucket, COMMITTED) == b"committed"


def test_form_upload_within_its_policy_is_accepted(bucket, post):
    """With metadata, the file's name in the key, and a range of lengths."""
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
def test_changed_form_is_rejected(bucket, post, change, code):
    """The policy limits the fields, and is signed."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    status, found = post(changed(form, change))
    assert (status in {400, 403}, found) == (True, code or "SignatureDoesNotMatch")
    assert "tables/1" not in [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]


def test_form_with_a_wrong_bucket_time_or_length_is_rejected(bucket, post):
    """All of them are in the policy."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    assert post(form["fields"], path="artifacts") == (403, "AccessDenied")
    expired = bucket.generate_presigned_post(BUCKET, "tables/1", ExpiresIn=-1)
    assert post(expired["fields"]) == (403, "AccessDenied")
    short = bucket.generate_presigned_post(BUCKET, "tables/1", Conditions=[["content-length-range", 1, 3]])
    assert post(short["fields"]) == (403, "AccessDenied")


def test_form_of_a_role_requires_its_permissions(target, bucket, post):
    """PutObject on the key, and PutObjectAcl for an ACL."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    s3 = target.client("s3", assume("uploader"))

    assert post(s3.generate_presigned_post(BUCKET, "mine/1")["fields"]) == (204, "")
    assert post(s3.generate_presigned_post(BUCKET, "tables/1")["fields"]) == (403, "AccessDenied")
    public = s3.generate_presigned_post(
        BUCKET, "mine/2", Fields={"acl": "public-read"}, Conditions=[{"acl": "public-read"}]
    )
    assert post(public["fields"]) == (403, "AccessDenied")


def test_delete_objects_with_a_version_requires_delete_object_version(bucket):
    """Like DeleteObject with a version."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket=BUCKET, Key=COMMITTED, VersionId=version["VersionId"])

    objects = [{"Key": COMMITTED, "VersionId": version["VersionId"]}]
    response = bucket.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    assert [each["Code"] for each in response["Errors"]] == ["AccessDenied"]
    assert read(bucket, COMMITTED) == b"committed"


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
    assert "UploadPart has no parameter legal-hold in its query string" in response


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


@pytest.fixture
def files(target):
    """Return a client and a bucket with two versions of an object below `mine/`, and a secret object."""
    s3 = target.client("s3")
    name = f"files-{target.port}"
    if name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for key, content in (("mine/x", b"OLD"), ("mine/x", b"NEW"), ("secret.key", b"SECRET")):
            s3.put_object(Bucket=name, Key=key, Body=content)
    return s3, name


FORM = "application/x-www-form-urlencoded"


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


def test_semicolon_is_part_of_the_bucket_name(target, files):
    """Otherwise the policy of another bucket would be evaluated."""
    _, bucket = files
    other = assume_role(target, "other", "s3:ListBucket", f"arn:aws:s3:::{bucket};*")
    assert "InvalidBucketName" in send_signed(target, other, "s3", "GET", f"/{bucket}%3Bx?list-type=2")


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


def test_file_name_in_a_form_cannot_change_the_prefix_of_the_key(files, post):
    """`${filename}` is replaced in the same way by authorization and by moto."""
    s3, bucket = files
    form = s3.generate_presigned_post(bucket, "public-a/${filename}")
    status, _ = post({**form["fields"], "key": "public${filename}/stolen"}, path=bucket)
    assert status == 403


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


@pytest.mark.parametrize("value", ['"abc"', '"*"', '*, "x"', ""])
def test_if_none_match_with_another_value_cannot_replace_a_commit_record(target, bucket, value):
    """The policy requires the header to be present, and S3 accepts only `*`."""
    response = send_signed(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}", b"evil", If_None_Match=value)
    assert "If-None-Match of an object that is written can only be *" in response
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


@pytest.mark.parametrize("service", ["s3express", "s3-object-lambda", "s3x"])
def test_s3_requires_its_own_name_in_the_signature(target, bucket, service):
    """With another service name, bucket policies would not be evaluated."""
    response = send_signed(target, target.key, service, "PUT", f"/{BUCKET}/log/9.json", b"evil")
    assert f"{service} is not the name by which S3 is signed for" in response


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
