"""Malformed requests: the response is an error in AWS's format, never HTML, and nothing is written."""

import contextlib
import json
import signal
import socket
import subprocess
import sys

import pyarrow as pa
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws import parquet_nesting, redshift
from local_aws.address import REGION
from tests.chaos.outages import wait_until
from tests.security.conftest import BUCKET, SCRIPT, AttackTarget
from tests.security.signed_requests import error_code


def raw(target: AttackTarget, text: str) -> str:
    """Send raw text to the endpoint, and return its response up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def signed(target: AttackTarget, service: str, method: str, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Send a signed request, and return the status and the body of the response."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    (S3SigV4Auth if service == "s3" else SigV4Auth)(target.key, service, REGION).add_auth(request)
    response = URLLib3Session().send(request.prepare())
    return response.status_code, response.text


@pytest.mark.parametrize("length", ["-5", "x", "1e3", "9" * 5000, "\u0663"], ids=ascii)
def test_invalid_content_length_is_rejected(target, length):
    """No empty object is written."""
    response = raw(
        target, f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\nContent-Length: {length}\n\n"
    )
    assert " 400 " in response.partition("\r\n")[0]
    assert "<Code>InvalidRequest</Code>" in response
    assert target.script == b"the script"


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_key_with_many_directories_does_not_prevent_listings(target, delimiter):
    """Whoever may write one key could otherwise make every later listing of the bucket fail."""
    s3, key = target.client("s3"), "a/" * 511 + "b"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    try:
        response = s3.list_objects_v2(Bucket=BUCKET, Delimiter=delimiter)
    finally:
        s3.delete_object(Bucket=BUCKET, Key=key)
    listed = [each["Prefix"] for each in response.get("CommonPrefixes", [])]
    listed += [each["Key"] for each in response.get("Contents", [])]
    assert ("a/" if delimiter else key) in listed


@pytest.mark.parametrize("path", ["http://evil.example/", "/x#y", "*"])
def test_request_target_that_is_not_a_path_is_rejected(target, path):
    """Different parsers would derive different paths from it."""
    response = raw(target, f"GET {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n\n")
    assert " 400 " in response.partition("\r\n")[0]
    assert "The target of the request is not a path." in response


def test_truncated_body_writes_nothing(target):
    """A client that is killed while it sends does not leave a truncated object."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}", data=b"half of it")
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    head = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    response = raw(
        target,
        f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n{head}Content-Length: 10\n\nhalf",
    )
    assert "<Code>IncompleteBody</Code>" in response
    assert target.script == b"the script"


@pytest.mark.parametrize("size", ["8", "100000", "ffffffff", "f" * 16])
def test_truncated_chunk_does_not_crash_the_endpoint(target, size):
    """Of an unsigned request the body is read, too; the process would read memory behind its buffer."""
    response = raw(
        target,
        f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\nTransfer-Encoding: chunked\n\n{size}\nhalf",
    )
    assert "<Code>AccessDenied</Code>" in response
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    request.headers["Transfer-Encoding"] = "chunked"
    S3SigV4Auth(target.key, "s3", REGION).add_auth(request)
    head = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    response = raw(target, f"PUT /{BUCKET}/{SCRIPT} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n{head}\n{size}\nhalf")
    assert "<Code>IncompleteBody</Code>" in response
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
def test_malformed_request_is_rejected_with_an_xml_error(target, head):
    """Without a traceback, although the request is not signed."""
    first, _, rest = head.partition("\n")
    response = raw(target, f"{first}\nHost: 127.0.0.1:{target.port}\n{rest}\n\n")
    assert response.partition(" ")[2][:1] == "4" or "HTTP/3.0" in head or "HTTX" in head
    assert "<Error><Code>" in response
    assert "html" not in response.lower()


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null"])
@pytest.mark.parametrize("service", ["glue", "secretsmanager"])
def test_body_that_is_not_a_json_object_is_a_client_error(target, service, body):
    """`SerializationException`, as on AWS."""
    target_header = {"glue": "AWSGlue.GetDatabases", "secretsmanager": "secretsmanager.ListSecrets"}[service]
    headers = {"X_Amz_Target": target_header, "Content_Type": "application/x-amz-json-1.1"}
    status, response = signed(target, service, "POST", "/", body, **headers)
    assert (status, json.loads(response)["__type"]) == (400, "SerializationException")


def test_too_deeply_nested_body_is_a_client_error(target):
    """It is valid JSON with valid types."""
    value = '{"M": {"a": ' * 1000 + '{"S": ""}' + "}}" * 1000
    headers = {"X_Amz_Target": "DynamoDB_20120810.PutItem", "Content_Type": "application/x-amz-json-1.0"}
    body = f'{{"TableName": "t", "Item": {{"a": {value}}}}}'.encode()
    status, response = signed(target, "dynamodb", "POST", "/", body, **headers)
    assert (status, json.loads(response)["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("media_type", ["application/x-amz-json-1.1", "application/JSON", "text/plain"])
@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "\\udc00\\ud800"])
@pytest.mark.parametrize("call", ["glue AWSGlue.CreateDatabase", "athena AmazonAthena.CreateWorkGroup", "scheduler"])
def test_unpaired_surrogate_is_a_client_error(target, call, half, media_type):
    """The name could be stored, but neither written nor printed, so that SHOW DATABASES would fail for everyone."""
    service, _, operation = call.partition(" ")
    path, headers = ("/", {"X_Amz_Target": operation}) if operation else ("/schedule-groups/x", {})
    body = f'{{"DatabaseInput": {{"Name": "x{half}"}}, "Name": "x{half}"}}'.encode()
    status, response = signed(target, service, "POST", path, body, Content_Type=media_type, **headers)
    assert status == 400
    assert "surrogate" in response


def test_surrogate_pair_is_a_character(target):
    """Clients escape every character outside of ASCII."""
    body, headers = b'{"DatabaseInput": {"Name": "x\\ud83d\\ude00"}}', {"X_Amz_Target": "AWSGlue.CreateDatabase"}
    status, _ = signed(target, "glue", "POST", "/", body, Content_Type="application/x-amz-json-1.1", **headers)
    assert status == 200
    assert "x\U0001f600" in [each["Name"] for each in target.client("glue").get_databases()["DatabaseList"]]


@pytest.mark.parametrize("time", [1e20, -1e308, "9e99", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_time_out_of_range_is_a_client_error(target, time):
    """The check of the body's types cannot represent it, nor can that of the report on a failed request."""
    body = json.dumps({"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1, "Timestamp": time}]}).encode()
    headers = {
        "Content_Type": "application/x-amz-json-1.0",
        "X_Amz_Target": "GraniteServiceVersion20100801.PutMetricData",
    }

    status, response = signed(target, "monitoring", "POST", "/", body, **headers)

    assert (status, json.loads(response)["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("count", [200_000.0, float("inf"), float("nan")])
def test_one_value_that_stands_for_many_does_not_fill_the_memory(target, count):
    """Every job may publish metrics, and moto keeps each sample."""
    cloudwatch = target.client("cloudwatch")
    point = {"MetricName": "m", "Values": [1.0]}
    cloudwatch.put_metric_data(Namespace="n", MetricData=[{**point, "Counts": [3.0]}])
    data = [{**point, "Counts": [count]}]
    assert error_code(cloudwatch.put_metric_data, Namespace="n", MetricData=data) in {
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "SerializationException",
    }


def test_body_that_is_not_xml_is_a_client_error(target):
    """`MalformedXML`, as on AWS."""
    status, response = signed(target, "s3", "POST", f"/{BUCKET}?delete=", b"<Delete>")
    assert (status, "<Code>MalformedXML</Code>" in response) == (400, True)


def test_post_that_is_not_a_form_is_a_client_error(target):
    """The object's key must be in the form."""
    status, response = signed(target, "s3", "POST", f"/{BUCKET}", b"key=x&file=y")
    assert (status, "<Code>PreconditionFailed</Code>" in response) == (400, True)


def test_unknown_operation_is_a_client_error(target):
    """Not a server error."""
    headers = {"X_Amz_Target": "AWSGlue.DoAsIWish", "Content_Type": "application/x-amz-json-1.1"}
    status, response = signed(target, "glue", "POST", "/", b"{}", **headers)
    assert (status, json.loads(response)["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    ("service", "path", "headers"),
    [
        ("sns", "/", {"Content_Type": "application/x-www-form-urlencoded"}),
        ("nosuchservice", "/", {}),
        ("glue", "/a/path", {"X_Amz_Target": "AWSGlue.GetDatabases", "Content_Type": "application/x-amz-json-1.1"}),
    ],
)
def test_error_responses_are_not_html(target, service, path, headers):
    """Clients parse JSON or XML."""
    status, response = signed(target, service, "POST", path, b"", **headers)
    assert status >= 400
    assert "<html" not in response.lower()


def test_repeated_form_parameter_is_rejected(target):
    """Some parsers use the first value, others the last."""
    body = b"Action=ListTopics&Version=2010-03-31&Action=DeleteTopic"
    status, response = signed(target, "sns", "POST", "/", body, Content_Type="application/x-www-form-urlencoded")
    assert (status, "has a parameter twice" in response) == (400, True)


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
def test_upload_without_exactly_one_valid_length_is_rejected(target, method, head, code):
    """Otherwise an empty object would be written, with a successful response."""
    request = AWSRequest(method, f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    path = request.url.split(str(target.port), 1)[1]
    response = raw(target, f"{method} {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\n{head}\nnew script")
    status = {"MissingContentLength": "411", "NotImplemented": "501"}.get(code, "400")
    assert (response.split(" ")[1], f"<Code>{code}</Code>" in response) == (status, True)
    assert target.script == b"the script"


@pytest.mark.parametrize("operation", ["put_object", "copy_object", "create_multipart_upload"])
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Tagging": "&".join(f"{number}=" for number in range(11))}, "BadRequest"),
        ({"Tagging": "aws:name=1"}, "InvalidTag"),
        ({"Tagging": f"{'x' * 129}=1"}, "InvalidTag"),
        ({"ACL": "bogus"}, "InvalidArgument"),
        ({"GrantRead": "bogus"}, "InvalidArgument"),
    ],
)
def test_object_with_invalid_tags_or_acl_is_not_written(target, operation, parameters, code):
    """Not even if the object exists and is only replaced."""
    s3, source = target.client("s3"), {}
    if operation == "copy_object":
        s3.put_object(Bucket=BUCKET, Key="source", Body=b"replaced")
        source = {"CopySource": f"{BUCKET}/source", "TaggingDirective": "REPLACE"}
    s3.put_object(Bucket=BUCKET, Key="tagged", Body=b"kept")
    call = getattr(s3, operation)
    assert error_code(call, Bucket=BUCKET, Key="tagged", **source, **parameters) == code
    assert s3.get_object(Bucket=BUCKET, Key="tagged")["Body"].read() == b"kept"


def test_form_with_an_invalid_acl_is_not_written(target, post):
    """Like a request with such a header."""
    acl = {"acl": "bogus"}
    form = target.client("s3").generate_presigned_post(BUCKET, "form", Fields=acl, Conditions=[acl])
    assert post(form["fields"], path=BUCKET) == (400, "InvalidArgument")
    listed = target.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="form")
    assert listed["KeyCount"] == 0


def test_key_with_control_characters_breaks_no_listing(target):
    """XML cannot contain them, so a role that may write to one folder could break the lists of the whole bucket."""
    s3 = target.client("s3")
    key = "control/\x01 %41 \uffff"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    for operation, field in (
        ("list_objects", "Contents"),
        ("list_objects_v2", "Contents"),
        ("list_object_versions", "Versions"),
    ):
        response = getattr(s3, operation)(Bucket=BUCKET, Prefix="control/")
        assert [each["Key"] for each in response[field]] == [key]
    grouped = s3.list_object_versions(Bucket=BUCKET, Prefix="control/", Delimiter="\x01")
    assert [each["Prefix"] for each in grouped["CommonPrefixes"]] == ["control/\x01"]


def test_chunked_upload_is_written(target):
    """It ends with the last chunk."""
    request = AWSRequest("PUT", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    S3SigV4QueryAuth(target.key, "s3", REGION, expires=60).add_auth(request)
    path = request.url.split(str(target.port), 1)[1]
    head = f"PUT {path} HTTP/1.1\nHost: 127.0.0.1:{target.port}\nTransfer-Encoding: Chunked\n"
    assert " 200 " in raw(target, f"{head}\na\nnew script\n0\n\n")
    assert target.script == b"new script"


@pytest.fixture
def long_result(target):
    """Return a client of Athena and a query whose result has one value of 200000 characters."""
    athena = target.client("athena")
    output = {"OutputLocation": f"s3://{BUCKET}/results/"}
    query = athena.start_query_execution(QueryString="SELECT rpad('x', 200000, 'x')", ResultConfiguration=output)
    execution = query["QueryExecutionId"]
    wait_until(
        lambda: (
            athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
        )
    )
    return athena, execution


def test_long_value_of_a_query_result_is_read(long_result):
    """The parser of CSV files has a limit, and anybody who can write rows could exceed it."""
    athena, execution = long_result

    (_, row) = athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
    assert row["Data"][0]["VarCharValue"] == "x" * 200_000


INVALID_TOKENS = ["x", "-1", "9" * 19, "9" * 5000, "\u0663"]


@pytest.mark.parametrize("token", INVALID_TOKENS, ids=ascii)
def test_invalid_token_of_a_page_is_a_client_error(long_result, token):
    """Whether it is no number, or one that is no offset in a file."""
    athena, execution = long_result

    with pytest.raises(ClientError, match=r"InvalidRequestException.*NextToken"):
        athena.get_query_results(QueryExecutionId=execution, NextToken=token)


@pytest.mark.parametrize("token", INVALID_TOKENS, ids=ascii)
def test_invalid_token_of_a_list_is_a_client_error(target, token):
    """A negative one would begin the page at another row."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    glue = target.client("glue")
    with contextlib.suppress(glue.exceptions.AlreadyExistsException):
        glue.create_crawler(Name="paged", Role="crawler", DatabaseName="d", Targets={"S3Targets": []})

    assert error_code(glue.list_crawls, CrawlerName="paged", NextToken=token) == "InvalidInputException"
    result = target.client("redshift-data").get_statement_result
    assert error_code(result, Id="00000000-0000-0000-0000-000000000000", NextToken=token) == "ValidationException"


def nested_parquet(levels: int) -> bytes:
    """Return a Parquet file without rows, whose only column is in so many groups (Thrift's compact protocol)."""
    group, column = b"\x35\x02\x18\x01g\x15\x02\x00", b"\x15\x02\x25\x02\x18\x01v\x00"
    count = bytes((0xFC, levels + 2 & 0x7F | 0x80, levels + 2 >> 7 & 0x7F | 0x80, levels + 2 >> 14))
    schema = b"\x48\x01s\x15\x02\x00" + group * levels + column
    footer = b"\x15\x02\x19" + count + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize("levels", [3, 300, 1000, 100_000])
def test_deeply_nested_parquet_schema_does_not_crash_the_endpoint(tmp_path, levels):
    """Arrow reads it recursively, in the process of the endpoint when a crawler or a COPY reads the file."""
    path = tmp_path / "a[b]*.parquet"
    path.write_bytes(nested_parquet(levels))
    if levels < 500:
        file = parquet_nesting.open_checked(path)
        path.unlink()  # what was checked is read, whatever the path is now
        assert file.metadata.num_columns == 1
        return
    with pytest.raises(pa.ArrowInvalid, match="nested more than 500 levels"):
        parquet_nesting.open_checked(path)
    read = [sys.executable, "-c", "import sys, pyarrow.parquet as pq; pq.read_metadata(sys.argv[1])", str(path)]
    assert subprocess.run(read, check=False).returncode == (-signal.SIGSEGV if levels == 100_000 else 0)
