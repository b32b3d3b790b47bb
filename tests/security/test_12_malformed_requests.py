"""Requests that nobody can read: an error in the words of AWS, nothing is written, and no page of HTML."""

import json
import socket

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from tests.security.conftest import BUCKET, SCRIPT, Target


def raw(target: Target, text: str) -> str:
    """Send bytes to the endpoint, and return what it answers until it closes the connection."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def signed(target: Target, service: str, method: str, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Send a request that is signed, whatever is in it."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    (S3SigV4Auth if service == "s3" else SigV4Auth)(target.key, service, REGION).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.text


@pytest.mark.parametrize("length", ["-5", "x", "1e3", "9" * 5000, "\u0663"], ids=ascii)
def test_a_length_that_is_none_writes_nothing(target, length):
    """Before, it made an empty object."""
    answer = raw(
        target, f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\nContent-Length: {length}\n\n"
    )
    assert " 400 " in answer.partition("\r\n")[0]
    assert "<Code>InvalidRequest</Code>" in answer
    assert target.script == b"the script"


@pytest.mark.parametrize("path", ["http://evil.example/", "/x#y", "*"])
def test_a_target_that_is_no_path_is_refused(target, path):
    """Different readers would take different parts of it for the path."""
    answer = raw(target, f"GET {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n\n")
    assert " 400 " in answer.partition("\r\n")[0]
    assert "The target of the request is not a path." in answer


def test_a_body_that_ends_early_writes_nothing(target):
    """A client that dies while it sends leaves no object that is cut off."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}", data=b"half of it")
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    head = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    answer = raw(
        target,
        f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n{head}Content-Length: 10\n\nhalf",
    )
    assert "<Code>IncompleteBody</Code>" in answer
    assert target.script == b"the script"


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTX",
        "GET / HTTP/3.0",
        f"GET /{'a' * 70_000} HTTP/1.1",
        "GET http://[x/y HTTP/1.1",
        f"GET / HTTP/1.1\nA: {'x' * 70_000}",
        "PUT /artifacts/x HTTP/1.1\nTransfer-Encoding: chunked\n\nzz\nhello",
        "POST /artifacts HTTP/1.1\nTransfer-Encoding: chunked\nContent-Type: multipart/form-data; boundary=b\n\nzz",
        "GET / HTTP/1.1\nDate: Mon, 01 Jan 2026 00:00:00 +99999999999999",
        "GET /?X-Amz-Signature=%C3%A9&X-Amz-Expires=%D9%A3 HTTP/1.1",
        "POST /artifacts HTTP/1.1\nContent-Type: multipart/form-data; boundary=b\nContent-Length: 9\n\n--b\n\nx\n--b",
    ],
    ids=lambda head: head[:40],
)
def test_what_is_no_request_is_refused_in_xml(target, head):
    """Nobody has signed it, and no traceback comes of it."""
    first, _, rest = head.partition("\n")
    answer = raw(target, f"{first}\nHost: 127.0.0.1:{target.port}\n{rest}\n\n")
    assert answer.partition(" ")[2][:1] == "4" or "HTTP/3.0" in head or "HTTX" in head
    assert "<Error><Code>" in answer
    assert "html" not in answer.lower()


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null"])
@pytest.mark.parametrize("service", ["glue", "secretsmanager"])
def test_a_body_that_is_no_json_object_is_an_error_of_the_client(target, service, body):
    """`SerializationException`, as on AWS."""
    target_header = {"glue": "AWSGlue.GetDatabases", "secretsmanager": "secretsmanager.ListSecrets"}[service]
    headers = {"X_Amz_Target": target_header, "Content_Type": "application/x-amz-json-1.1"}
    status, answer = signed(target, service, "POST", "/", body, **headers)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_a_body_that_is_nested_too_deep_is_an_error_of_the_client(target):
    """It is JSON, and of the right types as far as anybody can tell."""
    value = '{"M": {"a": ' * 1000 + '{"S": ""}' + "}}" * 1000
    headers = {"X_Amz_Target": "DynamoDB_20120810.PutItem", "Content_Type": "application/x-amz-json-1.0"}
    body = f'{{"TableName": "t", "Item": {{"a": {value}}}}}'.encode()
    status, answer = signed(target, "dynamodb", "POST", "/", body, **headers)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_a_body_that_is_no_xml_is_an_error_of_the_client(target):
    """`MalformedXML`, as on AWS."""
    status, answer = signed(target, "s3", "POST", f"/{BUCKET}?delete=", b"<Delete>")
    assert (status, "<Code>MalformedXML</Code>" in answer) == (400, True)


def test_a_post_that_is_no_form_is_an_error_of_the_client(target):
    """Its key is in its form, and nowhere else."""
    status, answer = signed(target, "s3", "POST", f"/{BUCKET}", b"key=x&file=y")
    assert (status, "<Code>PreconditionFailed</Code>" in answer) == (400, True)


def test_an_operation_that_does_not_exist_is_an_error_of_the_client(target):
    """And not one of the endpoint."""
    headers = {"X_Amz_Target": "AWSGlue.DoAsIWish", "Content_Type": "application/x-amz-json-1.1"}
    status, answer = signed(target, "glue", "POST", "/", b"{}", **headers)
    assert (status, json.loads(answer)["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    ("service", "path", "headers"),
    [
        ("sns", "/", {"Content_Type": "application/x-www-form-urlencoded"}),
        ("nosuchservice", "/", {}),
        ("glue", "/a/path", {"X_Amz_Target": "AWSGlue.GetDatabases", "Content_Type": "application/x-amz-json-1.1"}),
    ],
)
def test_no_answer_is_a_page_of_html(target, service, path, headers):
    """Clients read JSON and XML."""
    status, answer = signed(target, service, "POST", path, b"", **headers)
    assert status >= 400
    assert "<html" not in answer.lower()


def test_a_form_with_a_parameter_twice_is_refused(target):
    """One reader takes the first, another the last."""
    body = b"Action=ListTopics&Version=2010-03-31&Action=DeleteTopic"
    status, answer = signed(target, "sns", "POST", "/", body, Content_Type="application/x-www-form-urlencoded")
    assert (status, "has a parameter twice" in answer) == (400, True)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("", "MissingContentLength"),
        ("Transfer-Encoding: gzip\n", "NotImplemented"),
        ("Transfer-Encoding: identity\n", "NotImplemented"),
        ("Transfer-Encoding: gzip, chunked\n", "NotImplemented"),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n", "NotImplemented"),
        ("Content-Length:\n", "InvalidRequest"),
        ("Content-Length: 10\nContent-Length: 0\n", "InvalidRequest"),
        ("Content-Length: 10\nContent-Length: 10\n", "InvalidRequest"),
        ("Content-Length: 4\nTransfer-Encoding: chunked\n", "InvalidRequest"),
        ("Transfer_Encoding: chunked\n", "InvalidRequest"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_upload_says_in_one_way_how_long_it_is(target, method, head, code):
    """Else it would be an object without a byte, with an answer that says that all went well."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    path = request.url.split(str(target.port), 1)[1]
    answer = raw(target, f"{method} {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n{head}\nnew script")
    status = {"MissingContentLength": "411", "NotImplemented": "501"}.get(code, "400")
    assert (answer.split(" ")[1], f"<Code>{code}</Code>" in answer) == (status, True)
    assert target.script == b"the script"


def test_an_upload_in_chunks_is_written(target):
    """It ends where it says that it does."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    path = request.url.split(str(target.port), 1)[1]
    head = f"PUT {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\nTransfer-Encoding: Chunked\n"
    assert " 200 " in raw(target, f"{head}\na\nnew script\n0\n\n")
    assert target.script == b"new script"
