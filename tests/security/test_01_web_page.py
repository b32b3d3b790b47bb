"""Requests of web pages that the developer visits: the local AWS rejects what a browser sends for them.

Most attacks are made twice: on moto without the gate, where they succeed, and on the local AWS.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from playwright.sync_api import Page, sync_playwright

from local_aws.address import REGION
from ops.cli import dashboard_images
from tests.security.conftest import BUCKET, SCRIPT, AttackTarget, serving

pytestmark = pytest.mark.browser

EVIL = "evil.example"

FORM = """<form id=f method=post enctype="multipart/form-data" action="http://127.0.0.1:{port}/{bucket}">
<input name=key value="{key}"><textarea name=file>evil</textarea></form><script>f.submit()</script>"""

PREFLIGHT = """<script>fetch("http://127.0.0.1:{port}/", {{method: "POST", body: JSON.stringify({{
Name: "evil-{port}", SecretString: "evil"}}), headers: {{
"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.CreateSecret", "Authorization":
"AWS4-HMAC-SHA256 Credential=made/20260101/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
}}}}).then(answer => document.title = "answered " + answer.status, error => document.title = "refused")</script>"""

READ_SECRET = """fetch("/", {method: "POST", body: '{"SecretId": "rebound"}', headers: {
"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue", "Authorization":
"AWS4-HMAC-SHA256 Credential=made/20260101/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
}}).then(answer => answer.text())"""


def send(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Mapping[str, str], str]:
    """Send a request, and return status, headers and body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def form(key: str = SCRIPT) -> dict[str, Any]:
    """Return body and content type of a form that uploads a file, as a browser sends it."""
    parts = [f'name="key"\r\n\r\n{key}', 'name="file"; filename="x"\r\n\r\nevil']
    body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
    return {"body": body.encode(), "Content_Type": "multipart/form-data; boundary=b"}


def signed(
    target: AttackTarget, method: str, url: str, body: bytes = b"", key: Credentials | None = None
) -> dict[str, str]:
    """Return the headers of a request to Secrets Manager with a valid signature."""
    request = AWSRequest(method, url, data=body, headers={"X-Amz-Target": "secretsmanager.ListSecrets"})
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    SigV4Auth(key or target.key, "secretsmanager", REGION).add_auth(request)
    return dict(request.headers)


def test_unsigned_form_cannot_replace_a_script(target):
    """A browser sends forms without a preflight."""
    status, _, _ = send(target.bare_port, "POST", f"/{BUCKET}", **form())
    assert status == 204
    assert target.script == b"evil"
    target.client("s3").put_object(Bucket=BUCKET, Key=SCRIPT, Body=b"the script")

    status, _, body = send(target.port, "POST", f"/{BUCKET}", **form())

    assert status == 403
    assert "<Code>AccessDenied</Code>" in body
    assert target.script == b"the script"


def test_preflight_gets_no_cors_headers(target):
    """So the browser does not send the request itself."""
    preflight = {"Origin": f"http://{EVIL}", "Access_Control_Request_Method": "PUT"}
    _, allowed, _ = send(target.bare_port, "OPTIONS", f"/{BUCKET}/{SCRIPT}", **preflight)
    assert allowed["Access-Control-Allow-Origin"] in {"*", f"http://{EVIL}"}

    status, headers, _ = send(target.port, "OPTIONS", f"/{BUCKET}/{SCRIPT}", **preflight)

    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "from_page",
    [
        {"Host": "{evil}:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "localhost.{evil}:{port}"},
        {"Origin": "http://{evil}"},
        {"Origin": "http://{evil}:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_signed_request_of_a_web_page_is_rejected(target, from_page):
    """DNS rebinding and foreign origins: only the headers of the browser differ from a valid request."""
    from_page = {name: value.format(evil=EVIL, port=target.port) for name, value in from_page.items()}
    url = f"http://{from_page.get('Host', f'127.0.0.1:{target.port}')}/"
    headers = signed(target, "POST", url, b"{}")
    assert send(target.port, "POST", "/", b"{}", **signed(target, "POST", f"http://127.0.0.1:{target.port}/", b"{}"))[
        0
    ] == 200  # fmt: skip

    status, _, body = send(target.port, "POST", "/", b"{}", **{**headers, **from_page})

    assert status == 400
    [(header, value)] = from_page.items()
    assert f"and only under its own host name: {header} is {value!r}" in json.loads(body)["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_signed_request_of_this_machine_is_accepted(target, host):
    """With either host name, and from a page of the same origin."""
    headers = signed(target, "POST", f"http://{host}:{target.port}/", b"{}")
    own = {"Host": f"{host}:{target.port}", "Origin": f"http://{host}:{target.port}", "Sec-Fetch-Site": "same-origin"}
    assert send(target.port, "POST", "/", b"{}", **{**headers, **own})[0] == 200


def test_unknown_access_key_is_rejected(target):
    """And a known key with a wrong secret."""
    made_up = target.client("s3", Credentials("AKIAMADEUP0000000000", "x"))
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId.*totelake env"):
        made_up.put_object(Bucket=BUCKET, Key=SCRIPT, Body=b"evil")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        target.client("s3", Credentials(target.key.access_key, "x")).put_object(Bucket=BUCKET, Key=SCRIPT, Body=b"evil")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        target.client("glue", Credentials("AKIAMADEUP0000000000", "x")).start_job_run(JobName="x")
    assert target.script == b"the script"


def test_unsigned_deletion_is_rejected(target):
    """`POST ?delete` is a simple request, which a browser sends without a preflight."""
    body = f"<Delete><Object><Key>{SCRIPT}</Key></Object></Delete>".encode()
    status, _, body = send(target.port, "POST", f"/{BUCKET}?delete", body, Content_Type="text/plain")
    assert (status, "<Code>AccessDenied</Code>" in body) == (403, True)
    assert target.script == b"the script"


@contextmanager
def site(html: str) -> Iterator[int]:
    """Serve a page of a foreign site; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Send the page."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Open a browser that resolves the foreign site's name to this machine, as after DNS rebinding."""
    rebinding = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=dashboard_images.browser(), args=[*dashboard_images.ARGUMENTS, rebinding]
        )
        yield browser.new_page()
        browser.close()


def test_form_of_a_page_in_a_browser_cannot_replace_a_script(target, page):
    """Opening the page submits the form."""

    def visit(port: int) -> int:
        with (
            site(FORM.format(port=port, bucket=BUCKET, key=SCRIPT)) as site_port,
            page.expect_response("**/artifacts") as sent,
        ):
            page.goto(f"http://{EVIL}:{site_port}/", wait_until="commit")
        return sent.value.status

    assert visit(target.bare_port) == 204
    assert target.script == b"evil"
    target.client("s3").put_object(Bucket=BUCKET, Key=SCRIPT, Body=b"the script")
    assert visit(target.port) == 403
    assert target.script == b"the script"


def test_fetch_of_a_page_in_a_browser_fails_at_the_preflight(target, page):
    """The browser does not send the request itself."""

    def visit(port: int) -> str:
        with site(PREFLIGHT.format(port=port)) as site_port:
            page.goto(f"http://{EVIL}:{site_port}/")
            page.wait_for_function("document.title")
        return str(page.title())

    assert visit(target.bare_port) == "answered 200"
    assert visit(target.port) == "refused"
    created = [each["Name"] for each in target.client("secretsmanager").list_secrets()["SecretList"]]
    assert [name for name in created if name.startswith("evil")] == [f"evil-{target.bare_port}"]


def test_page_in_a_browser_reads_nothing_after_dns_rebinding(target, page):
    """To the browser, the local AWS then has the page's origin, whose responses scripts may read."""
    target.client("secretsmanager").create_secret(Name="rebound", SecretString="the password")

    def read(port: int) -> str:
        page.goto(f"http://{EVIL}:{port}/", wait_until="commit")
        return str(page.evaluate(READ_SECRET))

    assert "the password" in read(target.bare_port)
    body = read(target.port)
    assert "the password" not in body
    assert f"Host is '{EVIL}:{target.port}'" in body
