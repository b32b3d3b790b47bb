"""Another user of the machine: without the world's key there is no answer, and its folder is closed."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import psutil
import psycopg
import pytest
from adbc_driver_postgresql import dbapi
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from local_aws import processes
from local_aws.address import REGION
from local_aws.state import State
from ops.sandbox import health, world
from ops.sandbox.errors import NotAWorldError, NotRunningError
from ops.sandbox.health import Health
from ops.sandbox.postgres import Cluster, programs
from ops.sandbox.settings import WAREHOUSE_OWNER, Settings
from tests.security.conftest import BUCKET, SCRIPT
from totelake.runtime.connections import Login

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


def test_a_request_that_is_signed_for_a_later_time_is_not_answered(target, secret):
    """Who listened before the endpoint may have told the client a wrong time, and have kept what it signed for that."""
    later = at(target, datetime.now(UTC) + timedelta(minutes=14))
    assert json.loads(later)["__type"] == "InvalidSignatureException"


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


@contextmanager
def impostor(state, port):
    """Answer during the block on `port` as the endpoint of `state` does, by a program that has no key."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            claims = dict.fromkeys(Health.__slots__, "x") | {"state": str(state.root), "code": health.code_version()}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(claims).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", port), Answers) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield
        finally:
            served.shutdown()
            thread.join()


@pytest.fixture
def new_world(tmp_path):
    """Return the state folder of a world that never ran, and its settings."""
    state = State(tmp_path)
    settings = Settings.new(*processes.free_ports(2))
    settings.save(state)
    return state, settings


def test_the_port_of_an_endpoint_is_not_free_while_it_starts(new_world):
    """Its process is seen by every user long before it can answer."""
    state, settings = new_world
    taken, ended = [], threading.Event()

    def take():
        while not ended.wait(0.01):
            commands = [child.cmdline() for child in psutil.Process().children()]
            if any("ops.sandbox.endpoint" in command for command in commands):
                with contextlib.suppress(OSError), impostor(state, settings.endpoint_port):
                    taken.append(settings.endpoint_port)
                    ended.wait(60)
                return

    thread = threading.Thread(target=take)
    thread.start()
    try:
        found = world._start_endpoint(state, settings, lambda _: contextlib.nullcontext())
    finally:
        ended.set()
        thread.join()
        if (running := health.pid(state)) is not None:
            processes.stop(running, 30)
    assert (taken, found.pid) == ([], running)


def test_who_has_no_key_is_not_taken_for_the_endpoint(new_world, monkeypatch):
    """Also where the endpoint's process lives and does not listen any more, as while it stops."""
    state, settings = new_world
    monkeypatch.setattr(world.databases.Cluster, "running", lambda _: True)
    with (
        processes.locked(health.lock_file(state)),
        impostor(state, settings.endpoint_port),
        pytest.raises(NotRunningError, match="the local AWS"),
    ):
        world.require(state)


SSL_REQUEST, GSS_REQUEST = struct.pack("!I", 80877103), struct.pack("!I", 80877104)
CLEARTEXT_PASSWORD = b"R" + struct.pack("!II", 8, 3)


@pytest.fixture
def impostor_of_postgres():
    """Listen as a server that wants the password as it is; return the port and what clients have answered."""
    answers = Queue()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                answer = b""
                with connection, contextlib.suppress(ConnectionError):
                    while connection.recv(4096)[4:] in (SSL_REQUEST, GSS_REQUEST):
                        connection.sendall(b"N")
                    connection.sendall(CLEARTEXT_PASSWORD)
                    answer = connection.recv(4096)
                answers.put(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], answers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def psql(url):
    """Connect as the runbooks do."""
    subprocess.run([programs() / "psql", url, "-c", "SELECT 1"], check=True, capture_output=True)


def adbc(url):
    """Connect as a load does."""
    dbapi.connect(url).close()


@pytest.mark.parametrize("connect", [psycopg.connect, adbc, psql])
@pytest.mark.parametrize("kind", ["settings", "cluster", "job"])
def test_who_takes_the_port_of_postgres_is_told_no_password(impostor_of_postgres, kind, connect):
    """As after `totelake down` with an open dashboard, or in a shell with the addresses of the world."""
    port, answers = impostor_of_postgres
    settings = Settings.new(1, port)
    login = Login("127.0.0.1", port, "warehouse", WAREHOUSE_OWNER, "a password", (("sslmode", "disable"),))
    url = {
        "settings": settings.warehouse_url,
        "cluster": Cluster(Path(), port, Path()).url("warehouse", WAREHOUSE_OWNER, "a password"),
        "job": login.conninfo,
    }[kind]

    with pytest.raises((psycopg.OperationalError, dbapi.Error, subprocess.CalledProcessError)):
        connect(url)
    assert answers.get(timeout=30) == b""


@pytest.mark.parametrize(
    ("options", "required"),
    [((("sslmode", "disable"),), True), ((("sslmode", "verify-full"),), False), ((), False)],
)
def test_a_job_asks_for_scram_where_nothing_is_encrypted(options, required):
    """Of pgjdbc too; a server that shows its certificate may ask as it likes."""
    login = Login("127.0.0.1", 1, "warehouse", WAREHOUSE_OWNER, "a password", options)

    assert ("requireAuth=scram-sha-256" in login.jdbc_url) == required
    assert ("require_auth=scram-sha-256" in login.conninfo) == required


def test_another_user_has_no_answer_from_a_running_job(spark):
    """Neither its driver nor its block manager reads the Java objects of a request that has not authenticated."""
    block_manager = spark.sparkContext._jvm.org.apache.spark.SparkEnv.get().blockManager().blockManagerId().port()
    for port in (int(spark.conf.get("spark.driver.port")), block_manager):
        request = struct.pack(">bqi", 3, 1, 4) + b"\0\0\0\0"  # an RPC of four bytes, with the number 1
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(struct.pack(">q", len(request) + 8) + request)
            answer = connection.recv(1000).decode(errors="replace")

        assert "IllegalStateException: Expected SaslMessage, received something else" in answer
