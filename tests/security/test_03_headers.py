"""One reading of the headers: a request is a form, and has parameters, to who judges it as to who carries it out."""

import re
import socket
import uuid
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from flask import Flask
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import s3_backends

from local_aws import iam
from local_aws.address import REGION
from local_aws.gate import execution, headers
from local_aws.iam import AccessDeniedError, Call
from local_aws.iam.calls import JUDGED
from tests import roles
from tests.security.conftest import Target

BUCKET, COMMITTED = "records", "log/1.json"
FIELDS = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def bucket(target: Target) -> Any:
    """Make a bucket with versions and a commit record, which nobody may replace; return a client."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=COMMITTED, Body=b"committed")
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObjectVersion"]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=roles.policy({**deny, "Resource": f"arn:aws:s3:::{BUCKET}/log/*"}))
    return s3


def acting(target: Target, role: str, action: str, resource: str) -> Credentials:
    """Return the credentials of a role that may do this, and no more."""
    roles.create(target.client("iam"), role, {"Effect": "Allow", "Action": action, "Resource": resource})
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
    found = iam.assume(
        role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name="session"
    )
    return Credentials(found.access_key, found.secret_key, found.token)


def raw(target: Target, method: str, path: str, fields: list[tuple[str, str]], body: bytes = b"") -> str:
    """Send headers as they are, and return the answer."""
    head = [("Host", f"127.0.0.1:{target.port}"), ("Content-Length", str(len(body))), *fields]
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}:{value}\r\n" for name, value in head) + "\r\n"
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        connection.sendall(text.encode("latin-1") + body)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def sent(  # noqa: PLR0917 - in the order of a request
    target: Target, key: Credentials, service: str, method: str, path: str, body: bytes, *unsigned: tuple[str, str]
) -> str:
    """Sign a request, add headers that are not signed, and return the answer."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
    return raw(target, method, path, [*request.headers.items(), *unsigned], body)


def form(*parts: str) -> bytes:
    """Return a body of fields, whose boundary is `b`."""
    return "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts).encode() + b"--b--\r\n"


FOLDED = ("Content-Type", "\r\n multipart/form-data; boundary=b")
FORM = ("Content-Type", "multipart/form-data; boundary=b")
KINDS = [FOLDED, FORM, ("Content-Type", " \t MULTIPART/form-data ; boundary=b"), ("content-type", "\r\n\t" + FORM[1])]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: ascii(kind[1]))
def test_a_list_of_keys_is_not_read_as_a_form(target, bucket, kind):
    """The key that is judged has another list in it, and the type would make it a field of a form."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    mine = acting(target, "deleter", "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/mine/*")
    hidden = f"<Delete><Object><Key>{COMMITTED}</Key><VersionId>{version['VersionId']}</VersionId></Object></Delete>"
    part = f"Content-Disposition: form-data; name*=utf-8''{quote(hidden, safe='')}"
    key = f'mine/x\n--b\nContent-Disposition: form-data; name="key"\n\nv\n--b\n{part}\n\nv\n--b--\n'
    body = f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode()
    sent(target, mine, "s3", "POST", f"/{BUCKET}?delete=", body, kind)
    assert (
        bucket.get_object(Bucket=BUCKET, Key=COMMITTED, VersionId=version["VersionId"])["Body"].read() == b"committed"
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: ascii(kind[1]))
def test_a_form_that_is_signed_as_a_request_writes_nothing(target, bucket, kind):
    """Neither with a signature in its header nor with one in its URL: what is in the form was judged by nobody."""
    body = form(f'name="key"\r\n\r\n{COMMITTED}', 'name="file"; filename="x"\r\n\r\nevil')
    sent(target, target.key, "s3", "POST", f"/{BUCKET}", body, kind)
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{BUCKET}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    raw(target, "POST", f"/{BUCKET}?{urlsplit(request.url).query}", [kind], body)
    assert bucket.get_object(Bucket=BUCKET, Key=COMMITTED)["Body"].read() == b"committed"


@pytest.mark.parametrize("path", [f"/{BUCKET}/mine", f"/{BUCKET}%2Fmine"])
def test_a_form_is_posted_to_a_bucket(target, bucket, path):
    """Else what is a key to one would be the name of a bucket to another."""
    signed = bucket.generate_presigned_post(BUCKET, "mine/x")
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in signed["fields"].items()]
    answer = raw(target, "POST", path, [FORM], form(*parts, 'name="file"; filename="x"\r\n\r\nx'))
    assert "The request is not signed" in answer


def test_moto_reads_no_form_that_was_not_judged_as_one(target, bucket, monkeypatch):
    """Whatever the gate took its type for."""
    monkeypatch.setattr(headers, "_VALUE", re.compile(".*", re.DOTALL))
    monkeypatch.setattr(headers, "media_type", lambda _environ: "text/plain")
    test_a_list_of_keys_is_not_read_as_a_form(target, bucket, FORM)


@pytest.mark.parametrize(
    ("keys", "judged"),
    [([("a", "")], True), ([("a", ""), ("b", "1")], True), ([("b", "")], False), ([("b", "2")], False)],
)
def test_only_keys_that_were_judged_are_deleted(bucket, keys, judged):
    """With the versions that were; seen at the last moment before."""
    call = Call("s3", "DeleteObjects", {"Bucket": BUCKET, "Keys": [("a", ""), ("b", "1")]}, REGION, roles.ACCOUNT)
    objects = [{"Key": key, "VersionId": version} if version else {"Key": key} for key, version in keys]
    backend = s3_backends[roles.ACCOUNT]["aws"]
    with Flask("test").test_request_context(environ_base={JUDGED: call}):
        if judged:
            backend.delete_objects(BUCKET, objects)
        else:
            with pytest.raises(S3AccessDeniedError):
                backend.delete_objects(BUCKET, objects)


@pytest.mark.parametrize(("done", "judged"), [("GetObject", True), ("PutObject", False), ("DeleteObject", False)])
def test_a_role_does_in_s3_only_what_was_judged(target, bucket, done, judged):
    """By the permission that moto is about to ask for."""
    execution.install()
    mine = acting(target, "reading", "s3:GetObject", "*")
    call = Call("s3", "GetObject", {"Bucket": BUCKET, "Key": "a"}, REGION, roles.ACCOUNT)
    environ: dict[str, Any] = {}
    execution.expect(environ, call, iam.roles.session(mine.access_key, mine.token))
    response = SimpleNamespace(
        normalized_request=SimpleNamespace(environ=environ),
        boto3_service_name="s3",
        _get_action=lambda: done,
        region=REGION,
        current_account=roles.ACCOUNT,
    )
    if judged:
        execution._check(response, object, f"arn:aws:s3:::{BUCKET}/a")
    else:
        with pytest.raises(AccessDeniedError):
            execution._check(response, object, f"arn:aws:s3:::{BUCKET}/a")


@pytest.mark.parametrize("service", ["s3", "glue", "sns"])
@pytest.mark.parametrize(
    "field",
    [
        ("X-Other", "a\r\n b"),
        ("X-Other", "a\x0bb"),
        ("X-Other", "a\x00"),
        ("X-Other", "a\x7f"),
        ("X_Amz_Target", "AWSGlue.GetDatabases"),
        ("X-Other/", "a"),
        ("X-Other ", "a"),
        ("", "a"),
        ("no header\r\nX-Other", "a"),
    ],
    ids=ascii,
)
def test_a_header_with_several_readings_is_refused(target, bucket, service, field):
    """By whichever service, before anything else is looked at."""
    answer = sent(target, target.key, service, "POST", "/", b"", field)
    assert " 400 " in answer.partition("\r\n")[0]
    assert "header" in answer.partition("\r\n\r\n")[2]


def test_a_header_that_says_what_the_body_is_is_there_once(target, bucket):
    """Of two, WSGI keeps the last."""
    answer = sent(target, target.key, "s3", "PUT", f"/{BUCKET}/tables/twice", b"x", ("content-type", "a/b"), FORM)
    assert "The header Content-Type is there twice." in answer


def test_the_blanks_around_a_header_are_no_part_of_it(target, bucket):
    """And metadata may have underscores, and letters that are not ASCII."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/blanks", data=b"x")
    request.headers["x-amz-meta-a_b"] = "voilà  là"
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    fields = [(name, f"  {value}\t ".encode().decode("latin-1")) for name, value in request.headers.items()]
    answer = raw(target, "PUT", f"/{BUCKET}/blanks", [*fields, ("Content-Type", "\ttext/plain  ")], b"x")
    assert " 200 " in answer.partition("\r\n")[0], answer
    assert bucket.head_object(Bucket=BUCKET, Key="blanks")["ContentType"] == "text/plain"


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\u3000".encode().decode("latin-1")], ids=ascii)
def test_a_signed_blank_is_no_other_character(target, bucket, blank):
    """Only spaces and tabs count as one, however many there are."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/tables/blank", data=b"x")
    request.headers["x-amz-meta-a"] = "a b"
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    fields = [(name, value.replace("a b", f"a{blank}b")) for name, value in request.headers.items()]
    assert "SignatureDoesNotMatch" in raw(target, "PUT", f"/{BUCKET}/tables/blank", fields, b"x")


QUERY = "Action=Publish&Version=2010-03-31&Message=m&TopicArn={}"


@pytest.fixture
def topics(target: Target) -> tuple[str, str, Any]:
    """Make two topics and a queue that is subscribed to the second; return the ARNs, and how to read the queue."""
    sns, sqs = target.client("sns"), target.client("sqs")
    mine, other = (sns.create_topic(Name=name)["TopicArn"] for name in ("mine", "other"))
    queue = f"heard-{uuid.uuid4()}"
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{roles.ACCOUNT}:{queue}")
    return mine, other, lambda: sqs.receive_message(QueueUrl=url).get("Messages", [])


@pytest.mark.parametrize(
    ("in_query", "kind"),
    [
        (True, "text/plain; x=application/x-www-form-urlencoded"),
        (True, FIELDS),
        (True, "\r\n " + FIELDS),
        (True, "text/plain"),
        (False, f"text/plain; x={FIELDS}"),
    ],
    ids=ascii,
)
def test_the_parameters_of_a_message_are_those_that_were_judged(target, topics, in_query, kind):
    """Not those of the query string beside a body that has others, whatever the type of the body is called."""
    mine, other, heard = topics
    role = acting(target, "publisher", "sns:Publish", mine)
    path = f"/?{QUERY.format(quote(other, safe=''))}" if in_query else "/"
    body = QUERY.format(quote(mine if in_query else other, safe="")).encode()
    answer = sent(target, role, "sns", "POST", path, body, ("Content-Type", kind))
    assert heard() == [], answer


def test_a_parameter_is_not_in_the_query_string_twice(target, topics):
    """One reader takes the first, another the last."""
    mine, other, heard = topics
    role = acting(target, "publisher", "sns:Publish", mine)
    path = f"/?{QUERY.format(quote(other, safe=''))}&TopicArn={quote(mine, safe='')}"
    assert "has a parameter twice" in sent(target, role, "sns", "POST", path, b"")
    assert heard() == []


@pytest.mark.parametrize("in_query", [True, False])
def test_a_message_is_published_by_the_query_protocol(target, topics, in_query):
    """With its parameters in the one place or the other."""
    _, other, heard = topics
    role = acting(target, "publisher", "sns:Publish", other)
    text = QUERY.format(quote(other, safe=""))
    kind = ("Content-Type", f"{FIELDS.upper()} ; charset=utf-8")
    path, body, fields = (f"/?{text}", b"", []) if in_query else ("/", text.encode(), [kind])
    answer = sent(target, role, "sns", "POST", path, body, *fields)
    assert ("<PublishResponse" in answer, len(heard())) == (True, 1), answer


def test_the_headers_of_a_form_are_not_those_of_a_request(target, bucket):
    """Nobody has signed them: they neither make a longer object of it nor name its class."""
    signed = bucket.generate_presigned_post(BUCKET, "tables/form", Conditions=[["content-length-range", 1, 3]])
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in signed["fields"].items()]
    body = form(*parts, 'name="file"; filename="x"\r\n\r\n0;x')
    streaming = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    unsigned = [FORM, streaming, ("x-amz-decoded-content-length", "300000"), ("x-amz-storage-class", "GLACIER")]
    assert " 204 " in raw(target, "POST", f"/{BUCKET}", unsigned, body).partition("\r\n")[0]
    found = bucket.get_object(Bucket=BUCKET, Key="tables/form")
    assert (found["Body"].read(), found.get("StorageClass")) == (b"0;x", None)


LINES = "a\r\nSet-Cookie: b"


@pytest.mark.parametrize("value", [LINES, "a\x00", "a\nb"], ids=ascii)
@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-storage-class", "response-content-type"])
def test_what_the_query_string_says_for_a_header_is_one(target, bucket, name, value):
    """Else it would come back to whoever reads the object as a header of another name, or not at all."""
    method = "GET" if name.startswith("response-") else "PUT"
    answer = sent(target, target.key, "s3", method, f"/{BUCKET}/tables/lines?{name}={quote(value)}", b"")
    assert f"The header {name} has a control character, or goes over several lines." in answer


def test_metadata_in_the_query_string_is_in_utf_8(target, bucket):
    """As in a header; an object with other letters in its metadata can be read."""
    answer = sent(target, target.key, "s3", "PUT", f"/{BUCKET}/tables/letters?x-amz-meta-a={quote('日本')}", b"1")
    assert " 200 " in answer.partition("\r\n")[0]
    found = bucket.get_object(Bucket=BUCKET, Key="tables/letters")
    assert found["Metadata"]["a"].encode("latin-1").decode() == "日本"


class Trailing(S3SigV4Auth):
    """Signs an upload in chunks that are not signed."""

    def payload(self, request):  # noqa: ARG002 - botocore's
        """Return what stands in the place of the hash of the body."""
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def test_the_trailer_of_a_body_has_no_other_header(target, bucket):
    """A checksum is kept, and told to whoever reads the object."""
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:a\nSet-Cookie: b\r\n\r\n"
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/tables/trailer", data=body)
    request.headers["x-amz-decoded-content-length"] = "3"
    request.headers["x-amz-sdk-checksum-algorithm"] = "CRC32C"
    Trailing(target.key, "s3", REGION).add_auth(request)
    answer = raw(target, "PUT", f"/{BUCKET}/tables/trailer", [*request.headers.items()], body)
    assert "The header x-amz-checksum-crc32c has a control character" in answer


@pytest.mark.parametrize("name", ["x-amz-meta-by", "Content-Type", "success_action_redirect"])
def test_the_fields_of_a_form_are_headers(target, bucket, name):
    """Of the object, or of the answer."""
    signed = bucket.generate_presigned_post(BUCKET, "tables/fields", Conditions=[["starts-with", f"${name}", ""]])
    parts = [f'name="{each}"\r\n\r\n{value}' for each, value in {**signed["fields"], name: LINES}.items()]
    body = form(*parts, 'name="file"; filename="x"\r\n\r\nx')
    assert "is no header" in raw(target, "POST", f"/{BUCKET}", [FORM], body)
