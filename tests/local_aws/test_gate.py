"""Verification of request signatures: AWS's published examples, and clients with their own implementation."""

import io
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from moto.backends import get_backend

from local_aws.gate import chunks, signatures
from local_aws.gate.errors import GateError, SignatureMismatchError
from tests.local_aws.conftest import OWNER, REGION, LocalAws

EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE_SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
CHUNKED = {
    "REQUEST_METHOD": "PUT",
    "REQUEST_URI": "/examplebucket/chunkObject.txt",
    "HTTP_HOST": "s3.amazonaws.com",
    "HTTP_X_AMZ_DATE": "20130524T000000Z",
    "HTTP_X_AMZ_STORAGE_CLASS": "REDUCED_REDUNDANCY",
    "HTTP_X_AMZ_CONTENT_SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "HTTP_CONTENT_ENCODING": "aws-chunked",
    "HTTP_X_AMZ_DECODED_CONTENT_LENGTH": "66560",
    "CONTENT_LENGTH": "66824",
    "HTTP_AUTHORIZATION": (
        f"AWS4-HMAC-SHA256 Credential={EXAMPLE_SCOPE},SignedHeaders=content-encoding;content-length;host;"
        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
        "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    ),
}
CHUNKS = (
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
PRESIGNED = {
    "REQUEST_METHOD": "GET",
    "HTTP_HOST": "examplebucket.s3.amazonaws.com",
    "REQUEST_URI": (
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3"
        "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    ),
}
KEYS = ("a b", "a+b", "a=b&c", "über/ß", "a~b", "a'b(c)!*", "%2F", "a:b@c", "日本")


def unpack(body: io.BytesIO) -> bytes:
    """Return the payload of the published chunked request, with `body` in place of its own."""
    signature = signatures.read(CHUNKED)
    environ = {**CHUNKED, "wsgi.input": body}
    signer = signatures.Signer(signature.scope, signature.timestamp, EXAMPLE_SECRET)
    chunks.decode(environ, signer, signature)
    return environ["wsgi.input"].read()


def chunked(parts: tuple[tuple[int, str], ...], letter: str = "a") -> io.BytesIO:
    """Return a body of signed chunks that repeat `letter`; `parts` are their sizes and signatures."""
    return io.BytesIO(
        "".join(f"{size:x};chunk-signature={signed}\r\n{letter * size}\r\n" for size, signed in parts).encode()
    )


def test_published_presigned_url_is_accepted():
    """Amazon S3's API reference, "Authenticating Requests: Using Query Parameters"."""
    signature = signatures.read(PRESIGNED)
    signature.verify(PRESIGNED, EXAMPLE_SECRET, signatures.UNSIGNED_PAYLOAD)
    other = {**PRESIGNED, "REQUEST_URI": PRESIGNED["REQUEST_URI"].replace("test.txt", "text.txt")}
    with pytest.raises(SignatureMismatchError):
        signatures.read(other).verify(other, EXAMPLE_SECRET, signatures.UNSIGNED_PAYLOAD)


def test_published_chunked_upload_is_accepted():
    """Amazon S3's API reference, "Signature Calculations: Transferring Payload in Multiple Chunks"."""
    signature = signatures.read(CHUNKED)
    signature.verify(CHUNKED, EXAMPLE_SECRET, CHUNKED["HTTP_X_AMZ_CONTENT_SHA256"])
    assert unpack(chunked(CHUNKS)) == b"a" * 66560


@pytest.mark.parametrize(
    "body",
    [chunked(CHUNKS, "b"), chunked(CHUNKS[1:]), chunked(CHUNKS[:2]), io.BytesIO(b"5\r\nhello\r\n0\r\n"), io.BytesIO()],
    ids=["other content", "first chunk missing", "last chunk missing", "unsigned", "empty"],
)
def test_modified_chunks_are_rejected(body):
    """The signature of each chunk includes that of the previous one."""
    with pytest.raises(GateError):
        unpack(body)


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> str:
    """Create a bucket and return its name."""
    local_aws.client("s3").create_bucket(Bucket="gate", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "gate"


@pytest.mark.parametrize("key", KEYS)
def test_requests_for_any_key_are_accepted(local_aws, bucket, key):
    """The key is in the path, in a presigned URL, in the query string, or in the source of a copy."""
    s3 = local_aws.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"1", Metadata={"a-b": "x  y "})
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(url) as response:  # noqa: S310 - the endpoint's
        assert response.read() == b"1"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key=f"copy of {key}", CopySource={"Bucket": bucket, "Key": key})


def curl(local_aws: LocalAws, path: str, *arguments: str) -> str:
    """Run curl with its own signature implementation, and return the response body."""
    signed = ("--user", f"{OWNER.access_key}:{OWNER.secret_key}", "--aws-sigv4", f"aws:amz:{REGION}:s3")
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *signed, *arguments, f"{local_aws.url}{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_requests_signed_by_curl_are_accepted(local_aws, bucket, tmp_path):
    """PUT, GET and list."""
    (tmp_path / "file").write_text("by curl")
    hashed = ("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD")
    curl(local_aws, f"/{bucket}/curl/a%20b", "--upload-file", str(tmp_path / "file"), *hashed)
    assert curl(local_aws, f"/{bucket}/curl/a%20b", *hashed) == "by curl"
    assert "<Key>curl/a b</Key>" in curl(local_aws, f"/{bucket}?list-type=2&prefix=curl%2F", *hashed)


def put(local_aws: LocalAws, path: str, body: bytes, sent: bytes, moment: datetime | None = None) -> tuple[int, str]:
    """Sign `body` at `moment`, send `sent`, and return the status and the error code."""
    request = AWSRequest("PUT", f"{local_aws.url}{path}", data=body)
    signer = S3SigV4Auth(OWNER, "s3", REGION)
    request.context["timestamp"] = (moment or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    signer._inject_signature_to_request(
        request, signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    )
    request.data = sent
    response = URLLib3Session().send(request.prepare())
    return response.status_code, response.text.partition("<Code>")[2].partition("</Code>")[0]


def test_body_that_differs_from_the_signed_one_is_rejected(local_aws, bucket):
    """Nothing is written."""
    assert put(local_aws, f"/{bucket}/body", b"one", b"two") == (400, "XAmzContentSHA256Mismatch")
    assert put(local_aws, f"/{bucket}/other", b"one", b"one") == (200, "")
    with pytest.raises(ClientError, match="404"):
        local_aws.client("s3").head_object(Bucket=bucket, Key="body")


@pytest.mark.parametrize(("minutes", "status"), [(-16, 403), (-14, 200), (0, 200), (14, 403)])
def test_request_with_a_skewed_time_is_rejected(local_aws, bucket, minutes, status):
    """More than 15 minutes old, as on AWS, or in the future, where AWS accepts 15 minutes."""
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    assert put(local_aws, f"/{bucket}/time", b"", b"", moment) == (
        status,
        "RequestTimeTooSkewed" if status > 200 else "",
    )


def test_presigned_url_is_valid_for_one_method_and_address_only(local_aws, bucket):
    """Its parameters cannot be changed, repeated or extended."""
    s3 = local_aws.client("s3")
    s3.put_object(Bucket=bucket, Key="url", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "url"}, ExpiresIn=60)

    def status(address: str, method: str = "GET") -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, method=method)) as response:  # noqa: S310
                return int(response.status)
        except urllib.error.HTTPError as error:
            return int(error.code)

    assert status(url) == 200
    assert status(url, "DELETE") == 403
    assert status(url.replace("/url?", "/other?")) == 403
    assert status(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")) == 403
    assert status(f"{url}&versionId=1") == 403
    assert status(f"{url}&X-Amz-Expires=60") == 400
    assert status(url.replace("X-Amz-Expires=60", "X-Amz-Expires=9999999")) == 400


def test_signature_version_2_is_rejected(local_aws, bucket):
    """In a header and in a URL; the message names the required version."""
    client = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=local_aws.url,
        aws_access_key_id=OWNER.access_key,
        aws_secret_access_key=OWNER.secret_key,
        config=Config(signature_version="s3", retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="Please use AWS4-HMAC-SHA256"):
        client.list_objects_v2(Bucket=bucket)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "url"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(url)  # noqa: S310 - the endpoint's


def test_access_key_of_a_user_is_accepted_while_it_is_active(local_aws):
    """Its requests act as the owner of the local environment."""
    get_backend("iam").reset()
    iam = local_aws.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]

    def buckets() -> Any:
        return boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=local_aws.url,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        ).list_buckets()["Buckets"]

    assert buckets() is not None
    iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        buckets()


def test_compressed_request_is_accepted(local_aws):
    """boto3 compresses metrics above ten kilobytes."""
    cloudwatch = local_aws.client("cloudwatch")
    data = [{"MetricName": f"metric-{number}-{'x' * 100}", "Value": 1.0} for number in range(200)]
    cloudwatch.put_metric_data(Namespace="gate", MetricData=data)
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="gate")
    assert sum(len(page["Metrics"]) for page in pages) == 200
