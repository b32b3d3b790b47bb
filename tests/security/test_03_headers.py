"""Headers and parameters: the authorization reads a request in the same way as the code that executes it."""

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
from local_aws.iam.calls import AUTHORIZED_CALL
from tests import roles
from tests.security.conftest import AttackTarget
from tests.security.signed_requests import assume_role

BUCKET, COMMITTED = "records", "log/1.json"
FIELDS = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def bucket(target: AttackTarget) -> Any:
    """Create a versioned bucket with a commit record that its policy protects; return a client."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=COMMITTED, Body=b"committed")
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObjectVersion"]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=roles.policy({**deny, "Resource": f"arn:aws:s3:::{BUCKET}/log/*"}))
    return s3


def raw(target: AttackTarget, method: str, path: str, fields: list[tuple[str, str]], body: bytes = b"") -> str:
    """Send headers without any encoding, and return the response."""
    head = [("Host", f"127.0.0.1:{target.port}"), ("Content-Length", str(len(body))), *fields]
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}:{value}\r\n" for name, value in head) + "\r\n"
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        connection.sendall(text.encode("latin-1") + body)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def send_signed(  # noqa: PLR0917 - in the order of a request
    target: AttackTarget,
    key: Credentials,
    service: str,
    method: str,
    path: str,
    body: bytes,
    *unsigned: tuple[str, str],
) -> str:
    """Send a signed request with additional unsigned headers, and return the response."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
    return raw(target, method, path, [*request.headers.items(), *unsigned], body)


def form(*parts: str) -> bytes:
    """Return a multipart body with the boundary `b`."""
    return "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts).encode() + b"--b--\r\n"


FOLDED = ("Content-Type", "\r\n multipart/form-data; boundary=b")
FORM = ("Content-Type", "multipart/form-data; boundary=b")
KINDS = [FOLDED, FORM, ("Content-Type", " \t MULTIPART/form-data ; boundary=b"), ("content-type", "\r\n\t" + FORM[1])]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: ascii(kind[1]))
def test_list_of_keys_is_not_parsed_as_a_form(target, bucket, kind):
    """The authorized key contains another list, which would be a form field with this content type."""
    [version] = bucket.list_object_versions(Bucket=BUCKET, Prefix=COMMITTED)["Versions"]
    mine = assume_role(target, "deleter", "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/mine/*")
    hidden = f"<Delete><Object><Key>{COMMITTED}</Key><VersionId>{version['VersionId']}</VersionId></Object></Delete>"
    field = f"Content-Disposition: form-data; name*=utf-8''{quote(hidden, safe='')}"
    key = f'mine/x\n--b\nContent-Disposition: form-data; name="key"\n\nv\n--b\n{field}\n\nv\n--b--\n'
    body = f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode()
    send_signed(target, mine, "s3", "POST", f"/{BUCKET}?delete=", body, kind)
    assert (
        bucket.get_object(Bucket=BUCKET, Key=COMMITTED, VersionId=version["VersionId"])["Body"].read() == b"committed"
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: ascii(kind[1]))
def test_form_with_the_signature_of_a_request_writes_nothing(target, bucket, kind):
    """Neither with a signed header nor with a presigned URL, since the fields of the form were not authorized."""
    body = form(f'name="key"\r\n\r\n{COMMITTED}', 'name="file"; filename="x"\r\n\r\nevil')
    send_signed(target, target.key, "s3", "POST", f"/{BUCKET}", body, kind)
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{BUCKET}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    raw(target, "POST", f"/{BUCKET}?{urlsplit(request.url).query}", [kind], body)
    assert bucket.get_object(Bucket=BUCKET, Key=COMMITTED)["Body"].read() == b"committed"


@pytest.mark.parametrize("path", [f"/{BUCKET}/mine", f"/{BUCKET}%2Fmine"])
def test_form_must_be_posted_to_a_bucket(target, bucket, path):
    """Otherwise a path could be parsed as a key or as a bucket's name."""
    signed = bucket.generate_presigned_post(BUCKET, "mine/x")
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in signed["fields"].items()]
    response = raw(target, "POST", path, [FORM], form(*parts, 'name="file"; filename="x"\r\n\r\nx'))
    assert "The request is not signed" in response


def test_moto_parses_no_form_that_was_not_authorized_as_a_form(target, bucket, monkeypatch):
    """Even if the gate misreads the content type."""
    monkeypatch.setattr(headers, "_VALUE", re.compile(".*", re.DOTALL))
    monkeypatch.setattr(headers, "media_type", lambda _environ: "text/plain")
    test_list_of_keys_is_not_parsed_as_a_form(target, bucket, FORM)


@pytest.mark.parametrize(
    ("keys", "authorized"),
    [([("a", "")], True), ([("a", ""), ("b", "1")], True), ([("b", "")], False), ([("b", "2")], False)],
)
def test_only_authorized_keys_and_versions_are_deleted(bucket, keys, authorized):
    """Checked immediately before the deletion."""
    call = Call("s3", "DeleteObjects", {"Bucket": BUCKET, "Keys": [("a", ""), ("b", "1")]}, REGION, roles.ACCOUNT)
    objects = [{"Key": key, "VersionId": version} if version else {"Key": key} for key, version in keys]
    backend = s3_backends[roles.ACCOUNT]["aws"]
    with Flask("test").test_request_context(environ_base={AUTHORIZED_CALL: call}):
        if authorized:
            backend.delete_objects(BUCKET, objects)
        else:
            with pytest.raises(S3AccessDeniedError):
                backend.delete_objects(BUCKET, objects)


@pytest.mark.parametrize(
    ("executed", "authorized"), [("GetObject", True), ("PutObject", False), ("DeleteObject", False)]
)
def test_role_can_execute_only_the_authorized_s3_action(target, bucket, executed, authorized):
    """Checked by the permission of the operation that moto executes."""
    mine = assume_role(target, "reading", "s3:GetObject", "*")
    call = Call("s3", "GetObject", {"Bucket": BUCKET, "Key": "a"}, REGION, roles.ACCOUNT)
    environ: dict[str, Any] = {}
    execution.expect(environ, call, iam.roles.session(mine.access_key, mine.token))
    response = SimpleNamespace(
        normalized_request=SimpleNamespace(environ=environ),
        boto3_service_name="s3",
        _get_action=lambda: executed,
        region=REGION,
        current_account=roles.ACCOUNT,
    )
    if authorized:
        execution._check(response, f"arn:aws:s3:::{BUCKET}/a")
    else:
        with pytest.raises(AccessDeniedError):
            execution._check(response, f"arn:aws:s3:::{BUCKET}/a")


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
def test_ambiguous_header_is_rejected(target, bucket, service, field):
    """For every service, before anything else is evaluated."""
    response = send_signed(target, target.key, service, "POST", "/", b"", field)
    assert " 400 " in response.partition("\r\n")[0]
    assert "header" in response.partition("\r\n\r\n")[2]


def test_repeated_content_type_is_rejected(target, bucket):
    """WSGI keeps only the last."""
    response = send_signed(
        target, target.key, "s3", "PUT", f"/{BUCKET}/tables/twice", b"x", ("content-type", "a/b"), FORM
    )
    assert "The request has the header Content-Type twice." in response


def test_whitespace_around_a_header_value_is_ignored(target, bucket):
    """Metadata names may have underscores, and values non-ASCII letters."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/blanks", data=b"x")
    request.headers["x-amz-meta-a_b"] = "voilà  là"
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    fields = [(name, f"  {value}\t ".encode().decode("latin-1")) for name, value in request.headers.items()]
    response = raw(target, "PUT", f"/{BUCKET}/blanks", [*fields, ("Content-Type", "\ttext/plain  ")], b"x")
    assert " 200 " in response.partition("\r\n")[0], response
    assert bucket.head_object(Bucket=BUCKET, Key="blanks")["ContentType"] == "text/plain"


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\u3000".encode().decode("latin-1")], ids=ascii)
def test_only_spaces_and_tabs_are_folded_in_signed_headers(target, bucket, blank):
    """Other whitespace invalidates the signature."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/tables/blank", data=b"x")
    request.headers["x-amz-meta-a"] = "a b"
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    fields = [(name, value.replace("a b", f"a{blank}b")) for name, value in request.headers.items()]
    assert "SignatureDoesNotMatch" in raw(target, "PUT", f"/{BUCKET}/tables/blank", fields, b"x")


QUERY = "Action=Publish&Version=2010-03-31&Message=m&TopicArn={}"


@pytest.fixture
def topics(target: AttackTarget) -> tuple[str, str, Any]:
    """Create two topics and a queue that subscribes to the second; return the ARNs and the queue's reader."""
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
def test_parameters_of_a_message_are_the_authorized_ones(target, topics, in_query, kind):
    """Not those in the query string when the body has others, with any content type."""
    mine, other, heard = topics
    role = assume_role(target, "publisher", "sns:Publish", mine)
    path = f"/?{QUERY.format(quote(other, safe=''))}" if in_query else "/"
    body = QUERY.format(quote(mine if in_query else other, safe="")).encode()
    response = send_signed(target, role, "sns", "POST", path, body, ("Content-Type", kind))
    assert heard() == [], response


def test_repeated_parameter_in_the_query_string_is_rejected(target, topics):
    """Some parsers use the first value, others the last."""
    mine, other, heard = topics
    role = assume_role(target, "publisher", "sns:Publish", mine)
    path = f"/?{QUERY.format(quote(other, safe=''))}&TopicArn={quote(mine, safe='')}"
    assert "has a parameter twice" in send_signed(target, role, "sns", "POST", path, b"")
    assert heard() == []


@pytest.mark.parametrize("in_query", [True, False])
def test_message_can_be_published_by_the_query_protocol(target, topics, in_query):
    """With its parameters in the query string or in the body."""
    _, other, heard = topics
    role = assume_role(target, "publisher", "sns:Publish", other)
    text = QUERY.format(quote(other, safe=""))
    kind = ("Content-Type", f"{FIELDS.upper()} ; charset=utf-8")
    path, body, fields = (f"/?{text}", b"", []) if in_query else ("/", text.encode(), [kind])
    response = send_signed(target, role, "sns", "POST", path, body, *fields)
    assert ("<PublishResponse" in response, len(heard())) == (True, 1), response


def test_unsigned_request_headers_do_not_apply_to_a_form(target, bucket):
    """They change neither the object's length nor its storage class."""
    signed = bucket.generate_presigned_post(BUCKET, "tables/form", Conditions=[["content-length-range", 1, 3]])
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in signed["fields"].items()]
    body = form(*parts, 'name="file"; filename="x"\r\n\r\n0;x')
    streaming = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    unsigned = [FORM, streaming, ("x-amz-decoded-content-length", "300000"), ("x-amz-storage-class", "GLACIER")]
    assert " 204 " in raw(target, "POST", f"/{BUCKET}", unsigned, body).partition("\r\n")[0]
    stored = bucket.get_object(Bucket=BUCKET, Key="tables/form")
    assert (stored["Body"].read(), stored.get("StorageClass")) == (b"0;x", None)


LINES = "a\r\nSet-Cookie: b"


@pytest.mark.parametrize("value", [LINES, "a\x00", "a\nb"], ids=ascii)
@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-storage-class", "response-content-type"])
def test_header_in_the_query_string_must_be_a_valid_header(target, bucket, name, value):
    """Otherwise readers of the object would get it as another header, or an error."""
    method = "GET" if name.startswith("response-") else "PUT"
    response = send_signed(target, target.key, "s3", method, f"/{BUCKET}/tables/lines?{name}={quote(value)}", b"")
    assert f"The value of the header {name} has control characters or several lines." in response


def test_metadata_in_the_query_string_is_utf_8(target, bucket):
    """As in a header."""
    response = send_signed(
        target, target.key, "s3", "PUT", f"/{BUCKET}/tables/letters?x-amz-meta-a={quote('日本')}", b"1"
    )
    assert " 200 " in response.partition("\r\n")[0]
    found = bucket.get_object(Bucket=BUCKET, Key="tables/letters")
    assert found["Metadata"]["a"].encode("latin-1").decode() == "日本"


class Trailing(S3SigV4Auth):
    """Signs a chunked upload whose chunks and trailer are unsigned."""

    def payload(self, request):  # noqa: ARG002 - botocore's
        """Return the marker that replaces the hash of the body."""
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def test_checksum_in_a_trailer_must_be_a_valid_header(target, bucket):
    """It is stored, and returned to readers of the object."""
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:a\nSet-Cookie: b\r\n\r\n"
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/tables/trailer", data=body)
    request.headers["x-amz-decoded-content-length"] = "3"
    request.headers["x-amz-sdk-checksum-algorithm"] = "CRC32C"
    Trailing(target.key, "s3", REGION).add_auth(request)
    response = raw(target, "PUT", f"/{BUCKET}/tables/trailer", [*request.headers.items()], body)
    assert "The value of the header x-amz-checksum-crc32c has control characters" in response


@pytest.mark.parametrize("name", ["x-amz-meta-by", "Content-Type", "success_action_redirect"])
def test_form_fields_must_be_valid_headers(target, bucket, name):
    """Headers of the object or of the response."""
    signed = bucket.generate_presigned_post(BUCKET, "tables/fields", Conditions=[["starts-with", f"${name}", ""]])
    parts = [f'name="{each}"\r\n\r\n{value}' for each, value in {**signed["fields"], name: LINES}.items()]
    body = form(*parts, 'name="file"; filename="x"\r\n\r\nx')
    assert "the value has control characters or several lines" in raw(target, "POST", f"/{BUCKET}", [FORM], body)
