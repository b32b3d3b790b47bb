"""A rule that holds for one way into the local AWS holds for every other: forms, several keys, hidden operations."""

import base64
import http.client
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws import iam
from local_aws.address import REGION
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


def answer_to(  # noqa: PLR0917 - in the order of a request
    port: int, key: Credentials, service: str, method: str, path: str, body: bytes = b"", **how: str
) -> str:
    """Return the answer to a request that is signed for a region of its own and has headers of its own."""
    region = how.pop("region", REGION)
    request = AWSRequest(method, f"http://127.0.0.1:{port}{path}", data=body)
    for name, value in how.items():
        request.headers[name.replace("_", "-")] = value
    (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, region).add_auth(request)
    return str(URLLib3Session().send(request.prepare()).text)


def sent(  # noqa: PLR0917 - in the order of a request
    target: Target, key: Credentials, service: str, method: str, path: str, body: bytes = b"", **how: str
) -> str:
    """Return what the gate answers to a request, see `answer_to`."""
    return answer_to(target.port, key, service, method, path, body, **how)


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
        answer_to(port, taken("reader"), "glue", "POST", path, body.encode(), **headers)
        return [each["Name"] for each in glue.get_databases()["DatabaseList"]]

    assert "kept" not in left(target.bare_port)
    assert "kept" in left(target.port)


def test_an_operation_in_a_header_does_not_stand_for_that_of_s3(target, bucket):
    """S3 goes by method and path; a role that may list the buckets writes no object by saying that it lists them."""
    allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    roles.create(target.client("iam"), "lister", allowed)
    answer = sent(target, taken("lister"), "s3", "PUT", f"/{BUCKET}/tables/9", b"evil", X_Amz_Target="x.ListBuckets")
    assert "not authorized to perform: s3:PutObject" in answer


def test_two_operations_of_s3_in_one_request_are_refused(target, bucket):
    """Which of the two would be carried out is not for its sender to choose."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    path = f"/{BUCKET}/mine/1?partNumber=1&uploadId=x&legal-hold="
    answer = sent(target, taken("uploader"), "s3", "PUT", path, b"<LegalHold><Status>OFF</Status></LegalHold>")
    assert "UploadPart has no parameter legal-hold in its query string" in answer


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


@pytest.fixture
def files(target):
    """Make a bucket with two versions of an object that a role may read and one that it may not; return a client."""
    s3 = target.client("s3")
    name = f"files-{target.port}"
    if name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for key, content in (("mine/x", b"OLD"), ("mine/x", b"NEW"), ("secret.key", b"SECRET")):
            s3.put_object(Bucket=name, Key=key, Body=content)
    return s3, name


def acting(target: Target, name: str, action: str | list[str], *resources: str) -> Credentials:
    """Return the credentials of a role that may do these actions on these resources."""
    roles.create(target.client("iam"), name, {"Effect": "Allow", "Action": action, "Resource": list(resources)})
    return taken(name)


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_region_of_a_signature_leads_to_no_other_service(target, method):
    """Else a role without any permission reaches S3 as `sts` in the region `s3`."""
    nobody = acting(target, "nobody", "logs:PutLogEvents", "*")
    answer = sent(
        target, nobody, "sts", method, f"/{BUCKET}/{COMMITTED}", region="s3", X_Amz_Target="x.GetCallerIdentity"
    )
    assert "AWS has no region s3" in answer


def test_a_header_names_neither_the_operation_nor_the_region(target):
    """`Action` would count for one where there is no body, `region/…` in the user agent for the other."""
    target.client("secretsmanager").create_secret(Name="in-london", SecretString="x")
    reader = acting(target, "secrets", "secretsmanager:GetSecretValue", "*")
    headers = {"X_Amz_Target": "secretsmanager.GetSecretValue", "Content_Type": "application/x-amz-json-1.1"}
    listed = sent(target, reader, "secretsmanager", "POST", "/", Action="ListSecrets", **headers)
    assert "SecretId" in json.loads(listed)["message"]

    asked_for = b'{"SecretId": "in-london"}'
    found = sent(target, reader, "secretsmanager", "POST", "/", asked_for, User_Agent="x region/us-east-1", **headers)
    assert ":eu-west-2:" in json.loads(found)["ARN"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_form_in_the_body_names_no_version(target, files, method):
    """Who may read or delete the object as it is does not reach its versions."""
    s3, bucket = files
    old = next(
        each for each in s3.list_object_versions(Bucket=bucket, Prefix="mine/")["Versions"] if not each["IsLatest"]
    )
    mine = acting(target, "mine", ["s3:GetObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/mine/*")
    body = f"versionId={old['VersionId']}".encode()
    assert sent(target, mine, "s3", method, f"/{bucket}/mine/x", body, Content_Type=FORM) in {"NEW", ""}
    assert s3.get_object(Bucket=bucket, Key="mine/x", VersionId=old["VersionId"])["Body"].read() == b"OLD"
    if method == "DELETE":
        s3.put_object(Bucket=bucket, Key="mine/x", Body=b"NEW")


def test_an_object_of_the_type_of_a_form_is_what_was_put(files):
    """Programs such as curl and urllib send this type with whatever they put."""
    s3, bucket = files
    for kind, content in ((FORM, b"key=1&file=XX"), ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--")):
        s3.put_object(Bucket=bucket, Key="form", Body=content, ContentType=kind)
        found = s3.get_object(Bucket=bucket, Key="form")
        assert (found["Body"].read(), found["ContentType"]) == (content, kind)


@pytest.mark.parametrize(
    "source",
    ["mine://x/{}/secret.key", "/{}/secret.key#.csv", "/{}/secret.key;.csv", "/{}/secret.key?.csv", "///{}/secret.key"],
)
def test_the_source_of_a_copy_is_read_in_one_way(target, files, source):
    """What is judged is one key, and what is copied is no other."""
    s3, bucket = files
    csv = acting(
        target, "csv", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::mine*", f"arn:aws:s3:::{bucket}/*.csv",
        f"arn:aws:s3:::{bucket}/mine/*",
    )  # fmt: skip
    sent(target, csv, "s3", "PUT", f"/{bucket}/mine/stolen", X_Amz_Copy_Source=source.format(bucket))
    assert "mine/stolen" not in [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_what_follows_a_semicolon_is_part_of_the_name(target, files):
    """Else a policy for another bucket would be asked."""
    _, bucket = files
    other = acting(target, "other", "s3:ListBucket", f"arn:aws:s3:::{bucket};*")
    assert "InvalidBucketName" in sent(target, other, "s3", "GET", f"/{bucket}%3Bx?list-type=2")


def test_an_upload_is_that_of_its_key(target, files):
    """Its id does not let a role write, finish or abort what belongs to another key."""
    s3, bucket = files
    upload = s3.create_multipart_upload(Bucket=bucket, Key="victim")["UploadId"]
    mine = acting(target, "parts", ["s3:PutObject", "s3:AbortMultipartUpload"], f"arn:aws:s3:::{bucket}/mine/*")
    path = f"/{bucket}/mine/x?uploadId={upload}"
    assert "NoSuchUpload" in sent(target, mine, "s3", "PUT", f"{path}&partNumber=1", b"evil")
    assert "NoSuchUpload" in sent(target, mine, "s3", "DELETE", path)
    assert s3.list_parts(Bucket=bucket, Key="victim", UploadId=upload).get("Parts", []) == []


def test_a_colon_in_a_key_takes_it_to_no_other_bucket(target, bucket):
    """The bucket is what stands before the first slash."""
    bucket.put_object(Bucket=BUCKET, Key="log/a:b", Body=b"committed", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.put_object(Bucket=BUCKET, Key="log/a:b", Body=b"evil")


@pytest.mark.parametrize("query", ["uploads=", "uploadId=x&uploads=", "tagging=&acl="])
def test_a_commit_record_is_not_replaced_by_parameters_that_do_not_go_together(target, bucket, query):
    """Neither by the owner, whom no role limits."""
    answer = sent(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil")
    assert "<Code>InvalidArgument</Code>" in answer
    assert read(bucket, COMMITTED) == b"committed"


def test_the_policy_of_a_bucket_is_asked_for_the_source_of_a_copy_too(target, files):
    """And for what is asked of the bucket itself."""
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


def test_the_name_of_the_file_makes_no_other_key(files, post):
    """It is what follows the last slash, to the judge as to moto."""
    s3, bucket = files
    form = s3.generate_presigned_post(bucket, "public-a/${filename}")
    status, _ = post({**form["fields"], "key": "public${filename}/stolen"}, path=bucket)
    assert status == 403


def test_an_answer_is_repeated_only_to_the_same_request(target):
    """An invocation id that was used for a secret does not fetch it again with another operation."""
    target.client("secretsmanager").create_secret(Name="once", SecretString="hunter2")
    common = {"Content_Type": "application/x-amz-json-1.1", "Amz_Sdk_Invocation_Id": "the-same"}
    body = b'{"SecretId": "once"}'
    first = sent(
        target, target.key, "secretsmanager", "POST", "/", body, X_Amz_Target="secretsmanager.GetSecretValue", **common
    )
    then = sent(
        target, target.key, "secretsmanager", "POST", "/", body, X_Amz_Target="secretsmanager.DescribeSecret", **common
    )
    assert ("hunter2" in first, "hunter2" in then) == (True, False)


def test_what_is_answered_by_another_api_is_not_judged_as_an_object(target):
    """Access points are made below a path that could be a bucket's."""
    anything = acting(target, "objects", ["s3:GetObject", "s3:PutObject"], "*")
    answer = sent(target, anything, "s3", "PUT", "/v20180820/configuration/publicAccessBlock", b"<x/>")
    assert "<Code>AccessDenied</Code>" in answer


@pytest.mark.parametrize("value", ['"abc"', '"*"', '*, "x"', ""])
def test_a_commit_record_is_not_replaced_by_another_condition(target, bucket, value):
    """The policy asks whether there is an `If-None-Match`, and S3 takes only `*` for one."""
    answer = sent(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}", b"evil", If_None_Match=value)
    assert "If-None-Match of an object that is written can only be *" in answer
    assert read(bucket, COMMITTED) == b"committed"


@pytest.mark.parametrize("query", ["If-None-Match=%2A", "x-amz-storage-class=GLACIER&If-None-Match=%2A"])
def test_a_condition_is_fulfilled_by_a_header_and_not_by_the_query_string(target, bucket, query):
    """Where it would be judged, and not be held to."""
    answer = sent(target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil")
    assert "<Code>InvalidArgument</Code>" in answer
    assert read(bucket, COMMITTED) == b"committed"


def test_the_headers_of_a_presigned_url_are_those_of_the_request(target, files):
    """SDKs write them into the query string, and what they say is done and judged."""
    s3, bucket = files
    sent(target, target.key, "s3", "PUT", f"/{bucket}/hoisted?x-amz-meta-by=me&x-amz-storage-class=GLACIER", b"1")
    found = s3.head_object(Bucket=bucket, Key="hoisted")
    assert (found["Metadata"], found["StorageClass"]) == ({"by": "me"}, "GLACIER")


def test_a_body_of_json_names_no_version(target, files):
    """What a deletion means is not in its body: it leaves a marker, and every version."""
    s3, bucket = files
    s3.put_object(Bucket=bucket, Key="json", Body=b"1")
    [version] = s3.list_object_versions(Bucket=bucket, Prefix="json")["Versions"]
    body = json.dumps({"versionId": version["VersionId"]}).encode()
    sent(target, target.key, "s3", "DELETE", f"/{bucket}/json", body)
    assert [each["VersionId"] for each in s3.list_object_versions(Bucket=bucket, Prefix="json")["Versions"]] == [
        version["VersionId"]
    ]


@pytest.mark.parametrize("service", ["s3express", "s3-object-lambda", "s3x"])
def test_s3_is_reached_by_its_own_name_only(target, bucket, service):
    """By another one no policy of a bucket would be asked."""
    answer = sent(target, target.key, service, "PUT", f"/{BUCKET}/log/9.json", b"evil")
    assert f"{service} is not the name by which S3 is signed for" in answer


def test_the_bypass_of_a_lock_is_asked_for_among_several_keys(target, files):
    """As it is for one."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:BypassGovernanceRetention"}
    deny["Resource"] = f"arn:aws:s3:::{bucket}/*"
    s3.put_object(Bucket=bucket, Key="locked", Body=b"1")
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        objects = {"Objects": [{"Key": "locked"}]}
        answer = s3.delete_objects(Bucket=bucket, Delete=objects, BypassGovernanceRetention=True)
        assert [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
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
def test_a_policy_that_nobody_can_judge_is_not_put(files, policy):
    """It would close the bucket."""
    s3, bucket = files
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_a_policy_that_denies_everything_can_be_taken_back(files):
    """By the owner of the bucket."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}
    deny["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] > 0


def test_a_method_in_small_letters_is_refused(target, bucket):
    """To moto it would be the same, and to who judges another one."""
    request = AWSRequest("put", f"http://127.0.0.1:{target.port}/{BUCKET}/{COMMITTED}", data=b"evil")
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", target.port)
    connection.request("put", f"/{BUCKET}/{COMMITTED}", b"evil", dict(request.headers))
    assert "MethodNotAllowed" in connection.getresponse().read().decode()
    assert read(bucket, COMMITTED) == b"committed"


@pytest.mark.parametrize("query", ["renameObject=", "encryption="])
def test_an_operation_that_is_not_implemented_is_not_another_one(target, bucket, query):
    """Else moto takes it for PutObject, whose condition nobody has asked for."""
    answer = sent(
        target, target.key, "s3", "PUT", f"/{BUCKET}/{COMMITTED}?{query}", b"evil", x_amz_rename_source="/x/y"
    )
    assert "is not implemented by this endpoint" in answer or "InvalidArgument" in answer
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
def test_a_list_of_keys_is_read_in_one_way(target, bucket, xml):
    """What has more in it than a key and a version is refused."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    body = xml.format(key=COMMITTED, version=version["VersionId"]).encode()
    assert "MalformedXML" in sent_post(target, body)
    assert read(bucket, COMMITTED) == b"committed"


def sent_post(target: Target, body: bytes) -> str:
    """Return the answer to a DeleteObjects request."""
    return sent(target, target.key, "s3", "POST", f"/{BUCKET}?delete=", body)


def test_versioning_that_is_suspended_loses_no_version(target):
    """A deletion leaves a marker; and where objects are locked it cannot be suspended."""
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


def test_a_grant_that_puts_nothing_is_refused(target, files):
    """An ACL takes a permission of its own, by whichever header."""
    _, bucket = files
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    mine = acting(target, "grants", "s3:PutObject", f"arn:aws:s3:::{bucket}/mine/*")
    answer = sent(target, mine, "s3", "PUT", f"/{bucket}/mine/g", b"1", x_amz_grant_write=everybody)
    assert "<Code>InvalidArgument</Code>" in answer


def test_a_checksum_in_the_query_string_is_held_to(target, files):
    """As one in a header is."""
    _, bucket = files
    answer = sent(target, target.key, "s3", "PUT", f"/{bucket}/sum?x-amz-checksum-sha256=AAAA", b"data")
    assert "<Code>BadDigest</Code>" in answer


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("s3:PutLifecycleConfiguration", "delete_bucket_lifecycle"),
        ("s3:PutBucketTagging", "delete_bucket_tagging"),
        ("s3:GetEncryptionConfiguration", "get_bucket_encryption"),
    ],
)
def test_the_settings_of_a_bucket_are_asked_for_by_the_names_of_their_permissions(files, action, operation):
    """They are not those of the operations."""
    s3, bucket = files
    deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=roles.policy(deny))
    try:
        with pytest.raises(ClientError, match=action):
            getattr(s3, operation)(Bucket=bucket)
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


def test_a_carriage_return_in_a_key_stays_one(target, bucket):
    """Else it would be judged as one key, and done on another."""
    answer = sent_post(target, b"<Delete><Object><Key>tables/a&#13;b</Key></Object></Delete>")
    assert "<Key>tables/a&#13;b</Key>" in answer or "tables/a\rb" in answer


def test_a_role_reaches_glue_in_its_own_region_only(target):
    """The same jobs are there, whichever region a request is signed for."""
    anything = acting(target, "abroad", "glue:*", "*")
    headers = {"X_Amz_Target": "AWSGlue.GetDatabase", "Content_Type": "application/x-amz-json-1.1"}
    answer = sent(target, anything, "glue", "POST", "/", b'{"Name": "x"}', region="us-east-1", **headers)
    assert "AccessDenied" in answer


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_there_is_no_other_partition(target, region):
    """In which the policy of a bucket would not be asked."""
    assert f"AWS has no region {region}" in sent(target, target.key, "s3", "GET", f"/{BUCKET}", region=region)
