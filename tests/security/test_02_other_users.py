"""Another user of the machine: without the world's key there is no answer, and its folder is closed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from local_aws import world
from local_aws.errors import NotAWorldError
from local_aws.settings import REGION, Settings
from local_aws.state import State
from tests.security.conftest import BUCKET, SCRIPT

NOBODY = 65534
STARTED = datetime.now(UTC)
"""A time before any endpoint of these tests was started."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def curl(port: int, *arguments: str) -> str:
    """Return what another user's curl is answered, with the HTTP status at the end."""
    command = ["curl", "--silent", "--write-out", " %{http_code}", "--max-time", "30", *arguments]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        user=NOBODY if os.geteuid() == 0 else None,
    )
    return done.stdout


@pytest.fixture
def secret(target):
    """Keep a secret in the local AWS, and return its name."""
    client = target.client("secretsmanager")
    with contextlib.suppress(client.exceptions.ResourceExistsException):
        client.create_secret(Name="totesys", SecretString="the password")
    return "totesys"


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ((), "MissingAuthenticationTokenException"),
        (("--user", "local:local", "--aws-sigv4", f"aws:amz:{REGION}:secretsmanager"), "UnrecognizedClientException"),
    ],
)
def test_the_curl_of_another_user_reads_no_secret(target, secret, credentials, code):
    """Neither unsigned nor with a key that is made up; without the gate it does."""
    asks = ("-H", "X-Amz-Target: secretsmanager.GetSecretValue", "-H", "Content-Type: application/x-amz-json-1.1")
    asks = (*asks, "--data", json.dumps({"SecretId": secret}))
    scope = f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=x, Signature=x"
    assert "the password" in curl(target.bare_port, *asks, "-H", f"Authorization: {scope}")

    answer = curl(target.port, *asks, *credentials)

    assert answer.endswith(" 400")
    assert json.loads(answer.removesuffix(" 400"))["__type"] == code


def test_curl_with_the_key_of_the_world_is_answered(target, secret):
    """Its signature is computed by another program than ours."""
    answer = curl(
        target.port,
        *("-H", "X-Amz-Target: secretsmanager.GetSecretValue", "-H", "Content-Type: application/x-amz-json-1.1"),
        *("--data", json.dumps({"SecretId": secret})),
        *("--user", f"{target.key.access_key}:{target.key.secret_key}"),
        *("--aws-sigv4", f"aws:amz:{REGION}:secretsmanager"),
    )
    assert json.loads(answer.removesuffix(" 200"))["SecretString"] == "the password"


def at(target, moment: datetime) -> str:
    """Return the answer to a request for the secret that was signed at a moment, kept, and is sent now."""
    signer = SigV4Auth(target.key, "secretsmanager", REGION)
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/", data=b'{"SecretId": "totesys"}')
    request.headers["X-Amz-Target"] = "secretsmanager.GetSecretValue"
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return str(URLLib3Session().send(request.prepare()).text)


def test_a_request_from_before_the_endpoint_was_started_is_not_answered(target, secret):
    """Another user may have listened on its port before, and have kept what was sent there."""
    now = datetime.now(UTC)
    assert "the password" in at(target, now)
    before = at(target, STARTED - timedelta(seconds=3))
    assert json.loads(before)["__type"] == "InvalidSignatureException"
    assert "older than this endpoint, which was started since" in before


def test_a_presigned_url_outlives_the_endpoint(target):
    """It is made to be handed on, and says itself until when it is good."""
    request = AWSRequest("GET", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    signer = S3SigV4QueryAuth(target.key, "s3", REGION, expires=3600)
    request.context["timestamp"] = (STARTED - timedelta(minutes=1)).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    assert URLLib3Session().send(request.prepare()).content == b"the script"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_state_folder_is_closed_to_others(tmp_path, umask):
    """A new one, whatever the umask; and one that was made open before."""
    state = State(tmp_path / "made" / "world")
    before = os.umask(umask)
    try:
        world._make_private(state)
    finally:
        os.umask(before)
    assert state.root.stat().st_mode & 0o777 == 0o700

    Settings.new(1, 2).save(state)
    state.root.chmod(0o755)
    world._make_private(state)
    assert state.root.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path):
    """Its rights are not for us to change."""
    (tmp_path / "mine.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(NotAWorldError, match="was left as it is"):
        world._make_private(State(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@needs_root
def test_the_folder_of_another_user_is_not_taken(tmp_path):
    """Whoever owns it could open it again."""
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(NotAWorldError, match="belongs to another user"):
        world._make_private(State(tmp_path))


@needs_root
def test_another_user_cannot_read_what_is_in_the_state_folder():
    """Not even a file that is open to all."""
    folder = Path("/var/tmp") / f"totelake-world-{os.getpid()}"  # noqa: S108 - pytest's own folders are closed anyway
    try:
        world._make_private(State(folder))
        mail = folder / "mail"
        mail.write_text("a secret")
        mail.chmod(0o644)
        reads = [sys.executable, "-c", f"print(open({str(mail)!r}).read())"]
        done = subprocess.run(["cat", str(mail)], check=False, capture_output=True, text=True, user=NOBODY)
        assert "Permission denied" in done.stderr
        assert subprocess.run(reads, check=True, capture_output=True, text=True).stdout == "a secret\n"
    finally:
        shutil.rmtree(folder)
