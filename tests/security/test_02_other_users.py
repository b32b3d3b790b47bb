"""Other users of the machine: without the environment's key they cannot use its ports, folder or passwords."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import psutil
import psycopg
import pytest
import sqlglot
from adbc_driver_postgresql import dbapi
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from moto.core import DEFAULT_ACCOUNT_ID

from local_aws import processes
from local_aws.address import REGION
from local_aws.athena.catalog import QueryCatalog
from local_aws.athena.engine import Engine
from local_aws.state import State
from ops.sandbox import health, lifecycle
from ops.sandbox.errors import NotASandboxError, NotRunningError
from ops.sandbox.health import Health
from ops.sandbox.postgres import Cluster, machine, programs, storage
from ops.sandbox.settings import WAREHOUSE_OWNER, SandboxSettings
from tests.security.conftest import BUCKET, SCRIPT
from totelake.runtime.connections import Login

NOBODY = 65534
STARTED = datetime.now(UTC)
"""A time before the start of any endpoint of these tests."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def curl(port: int, *arguments: str) -> str:
    """Run curl as another user, and return the response body followed by the HTTP status."""
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
    """Create a secret in the local AWS, and return its name."""
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
def test_curl_of_another_user_cannot_read_a_secret(target, secret, credentials, code):
    """Neither unsigned nor with an unknown key; without the gate it can."""
    request = (
        "-H",
        "X-Amz-Target: secretsmanager.GetSecretValue",
        "-H",
        "Content-Type: application/x-amz-json-1.1",
    )
    request = (*request, "--data", json.dumps({"SecretId": secret}))
    scope = f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=x, Signature=x"
    assert "the password" in curl(target.bare_port, *request, "-H", f"Authorization: {scope}")

    answer = curl(target.port, *request, *credentials)

    assert answer.endswith(" 400")
    assert json.loads(answer.removesuffix(" 400"))["__type"] == code


def test_curl_with_the_environments_key_is_accepted(target, secret):
    """Its signature is computed by an independent implementation."""
    answer = curl(
        target.port,
        *("-H", "X-Amz-Target: secretsmanager.GetSecretValue", "-H", "Content-Type: application/x-amz-json-1.1"),
        *("--data", json.dumps({"SecretId": secret})),
        *("--user", f"{target.key.access_key}:{target.key.secret_key}"),
        *("--aws-sigv4", f"aws:amz:{REGION}:secretsmanager"),
    )
    assert json.loads(answer.removesuffix(" 200"))["SecretString"] == "the password"


def response_to_request_signed_at(target, moment: datetime) -> str:
    """Return the response to a request for the secret that was signed at `moment` and is sent now."""
    signer = SigV4Auth(target.key, "secretsmanager", REGION)
    request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/", data=b'{"SecretId": "totesys"}')
    request.headers["X-Amz-Target"] = "secretsmanager.GetSecretValue"
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return str(URLLib3Session().send(request.prepare()).text)


def test_request_signed_before_the_start_of_the_endpoint_is_rejected(target, secret):
    """Another user may have listened on its port before, and recorded requests."""
    now = datetime.now(UTC)
    assert "the password" in response_to_request_signed_at(target, now)
    before = response_to_request_signed_at(target, STARTED - timedelta(seconds=3))
    assert json.loads(before)["__type"] == "InvalidSignatureException"
    assert "from before the start of this endpoint" in before


def test_request_signed_for_a_later_time_is_rejected(target, secret):
    """Another listener may have sent the client a wrong time before, and recorded what it signed for that time."""
    later = response_to_request_signed_at(target, datetime.now(UTC) + timedelta(minutes=14))
    assert json.loads(later)["__type"] == "InvalidSignatureException"


def test_presigned_url_is_valid_after_a_restart_of_the_endpoint(target):
    """It is made to be shared, and has its own expiry."""
    request = AWSRequest("GET", f"http://127.0.0.1:{target.port}/{BUCKET}/{SCRIPT}")
    signer = S3SigV4QueryAuth(target.key, "s3", REGION, expires=3600)
    request.context["timestamp"] = (STARTED - timedelta(minutes=1)).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    assert URLLib3Session().send(request.prepare()).content == b"the script"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_state_folder_has_mode_0700(tmp_path, umask):
    """A new one with any umask, and an existing one that had another mode."""
    state = State(tmp_path / "made" / "world")
    before = os.umask(umask)
    try:
        lifecycle._make_private(state)
    finally:
        os.umask(before)
    assert state.root.stat().st_mode & 0o777 == 0o700

    SandboxSettings.new(1, 2).save(state)
    state.root.chmod(0o755)
    lifecycle._make_private(state)
    assert state.root.stat().st_mode & 0o777 == 0o700


def test_mode_of_a_folder_with_other_files_is_not_changed(tmp_path):
    """It is not an environment, so the command fails."""
    (tmp_path / "mine.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(NotASandboxError, match="was not changed"):
        lifecycle._make_private(State(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@needs_root
def test_folder_of_another_user_is_rejected(tmp_path):
    """Its owner could change the mode again."""
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(NotASandboxError, match="belongs to another user"):
        lifecycle._make_private(State(tmp_path))


@needs_root
@pytest.mark.parametrize("command", [["up"], ["status"], ["down"], ["down", "--purge", "--yes"], ["query", "SELECT 1"]])
def test_no_command_uses_the_state_folder_of_another_user(tmp_path, command):
    """Its lock file names a process of the caller, and its log is a link to a file of the caller."""
    folder, mine = tmp_path / "world", tmp_path / "mine.txt"
    mine.write_text("mine\n")
    (folder / "logs").mkdir(parents=True)
    (folder / "logs/totelake.log").symlink_to(mine)
    SandboxSettings.new(*processes.free_ports(2)).save(State(folder))
    victim = subprocess.Popen(["sleep", "600"])
    try:
        with processes.locked(folder / "endpoint.lock"):
            (folder / "endpoint.lock").write_text(str(victim.pid))
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            called = [sys.executable, "-m", "ops.cli", *command, "--state", str(folder)]
            done = subprocess.run(called, check=False, capture_output=True, text=True)
        assert (done.returncode, "belongs to another user" in done.stderr) == (1, True)
        assert (victim.poll(), mine.read_text()) == (None, "mine\n")
    finally:
        victim.kill()
        victim.wait()


def test_lock_file_is_not_a_symbolic_link(tmp_path):
    """Locking truncates the file."""
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(OSError, match="symbolic links"), processes.locked(tmp_path / "lock"):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


@needs_root
def test_another_user_cannot_read_files_in_the_state_folder():
    """Not even a file with mode 0644."""
    folder = Path("/var/tmp") / f"totelake-world-{os.getpid()}"  # noqa: S108 - pytest's own folders are closed anyway
    try:
        lifecycle._make_private(State(folder))
        mail = folder / "mail"
        mail.write_text("a secret")
        mail.chmod(0o644)
        reads = [sys.executable, "-c", f"print(open({str(mail)!r}).read())"]
        done = subprocess.run(["cat", str(mail)], check=False, capture_output=True, text=True, user=NOBODY)
        assert "Permission denied" in done.stderr
        assert subprocess.run(reads, check=True, capture_output=True, text=True).stdout == "a secret\n"
    finally:
        shutil.rmtree(folder)


@needs_root
def test_another_user_cannot_change_the_note_of_the_postgres_data(monkeypatch):
    """A changed note would make the next environment treat the data as abandoned, and stop its server."""
    before = os.umask(0o000)
    try:
        with tempfile.TemporaryDirectory() as closed, tempfile.TemporaryDirectory(prefix="totelake-machine-") as open_:
            Path(open_).chmod(0o755)
            monkeypatch.setattr(Path, "chmod", lambda *_: None)  # another user may act before
            monkeypatch.setenv(machine.VARIABLE, f"{open_}/totelake")
            data = storage.choose(Path(closed, "postgres"))
            made = [path for path in (data.parent, *data.parent.parents) if path.is_relative_to(f"{open_}/totelake")]
            assert [path.stat().st_mode & 0o777 for path in made] == [0o755] * 3
            changed = subprocess.run(
                ["sh", "-c", 'echo /gone > "$1"', "sh", data.parent / "world"],
                check=False,
                capture_output=True,
                user=NOBODY,
            )
            assert b"ermission denied" in changed.stderr
    finally:
        os.umask(before)


def test_another_user_cannot_read_files_that_a_query_spills_to_disk(monkeypatch, tmp_path):
    """DuckDB's default folder for them is the endpoint's working directory, which others may read."""
    monkeypatch.chdir(tmp_path)
    engine = Engine(QueryCatalog(DEFAULT_ACCOUNT_ID, REGION), "any")
    engine._connection.execute("SET memory_limit = '60MB'")
    engine._connection.execute("SET threads = 1")
    rows = "SELECT CAST(x AS VARCHAR) || ' is a secret' FROM UNNEST(SEQUENCE(1, 1000000)) AS t(x) ORDER BY 1"
    try:
        next(engine.run(sqlglot.parse_one(rows, read="athena")).rows)
        found = engine._connection.cursor().execute("SELECT path FROM duckdb_temporary_files()").fetchall()
        folders = {Path(path).resolve().parent for (path,) in found}
        assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700]
    finally:
        engine.close()
    assert not any(folder.exists() for folder in folders)


@contextmanager
def impostor(state, port):
    """Serve health responses of `state` on `port` without its key, as an attacker would, during the block."""

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
def new_environment(tmp_path):
    """Return the state and the settings of an environment that was never started."""
    state = State(tmp_path)
    settings = SandboxSettings.new(*processes.free_ports(2))
    settings.save(state)
    return state, settings


def test_port_of_a_starting_endpoint_cannot_be_taken(new_environment):
    """Every user can see its process long before it is ready."""
    state, settings = new_environment
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
        found = lifecycle._start_endpoint(state, settings, lambda _: contextlib.nullcontext())
    finally:
        ended.set()
        thread.join()
        if (running := health.pid(state)) is not None:
            processes.stop(running, 30)
    assert (taken, found.pid) == ([], running)


def test_process_without_the_key_is_not_accepted_as_the_endpoint(new_environment, monkeypatch):
    """Even if the endpoint's process exists but no longer listens, as while it stops."""
    state, settings = new_environment
    monkeypatch.setattr(lifecycle.databases.Cluster, "running", lambda _: True)
    with (
        processes.locked(health.lock_file(state)),
        impostor(state, settings.endpoint_port),
        pytest.raises(NotRunningError, match="the local AWS"),
    ):
        lifecycle.require(state)


SSL_REQUEST, GSS_REQUEST = struct.pack("!I", 80877103), struct.pack("!I", 80877104)
CLEARTEXT_PASSWORD = b"R" + struct.pack("!II", 8, 3)


@pytest.fixture
def impostor_postgres():
    """Run a server that requests the cleartext password; yield its port and a queue of the clients' replies."""
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
def test_impostor_on_the_port_of_postgres_gets_no_password(impostor_postgres, kind, connect):
    """As after `totelake down` with an open dashboard, or in a shell with the environment's URLs."""
    port, answers = impostor_postgres
    settings = SandboxSettings.new(1, port)
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
def test_job_requires_scram_without_a_verified_tls_connection(options, required):
    """With both drivers; a server with a verified certificate may use another method."""
    login = Login("127.0.0.1", 1, "warehouse", WAREHOUSE_OWNER, "a password", options)

    assert ("requireAuth=scram-sha-256" in login.jdbc_url) == required
    assert ("require_auth=scram-sha-256" in login.conninfo) == required


def test_ports_of_a_running_job_require_authentication(spark):
    """Neither driver nor block manager deserializes Java objects of an unauthenticated request."""
    block_manager = spark.sparkContext._jvm.org.apache.spark.SparkEnv.get().blockManager().blockManagerId().port()
    for port in (int(spark.conf.get("spark.driver.port")), block_manager):
        request = struct.pack(">bqi", 3, 1, 4) + b"\0\0\0\0"  # an RPC of four bytes, with the number 1
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(struct.pack(">q", len(request) + 8) + request)
            answer = connection.recv(1000).decode(errors="replace")

        assert "IllegalStateException: Expected SaslMessage, received something else" in answer


LOOK = """
import pathlib
from pyspark.sql import SparkSession

session = SparkSession.builder.getOrCreate()
print(session.conf.get("spark.hadoop.fs.s3a.secret.key") == "hid" + "den: # = \\\\ ! $x y")
for arguments in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        print(*[arguments.parent.name] * (b"hid" + b"den:" in arguments.read_bytes()), end="")
    except OSError:
        pass
"""


def test_settings_of_a_job_are_not_in_the_arguments_of_a_process(world):
    """Every user can read those, and a setting may be a password; it reaches Spark unchanged."""
    arguments = {"--conf": "spark.driver.cores=1 --conf spark.hadoop.fs.s3a.secret.key='hidden: # = \\ ! $x y'"}
    name = world.job("look", LOOK, kind="glueetl", DefaultArguments=arguments)
    run_id = world.start(name)
    assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
    assert world.output(run_id) == ["True"]
