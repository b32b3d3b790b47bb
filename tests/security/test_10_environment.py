"""The caller's environment: its tokens, passwords and proxies do not affect processes of a local environment."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from local_aws import process_environment, processes
from local_aws.glue.world import World
from local_aws.iam import Session
from local_aws.process_environment import inherited
from local_aws.state import State
from ops.deploy.terraform import process as terraform
from ops.sandbox import aws, lifecycle
from ops.sandbox.postgres import account
from ops.sandbox.settings import SandboxSettings
from tests.local_aws.conftest import GlueFixtures
from tests.security.conftest import AttackTarget

SECRETS = {
    "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSWORD",
    "SSH_AUTH_SOCK", "DATABASE_URL", "PIP_INDEX_URL", "NPM_CONFIG__AUTH", "TF_VAR_totesys",
}  # fmt: skip
NEEDED = {"PATH", "LC_ALL", "TZ", "JAVA_HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "https_proxy", "NO_PROXY"}


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set secrets and needed variables in the environment of the calling process."""
    for name in SECRETS | (NEEDED - os.environ.keys()):
        monkeypatch.setenv(name, "a value of the caller")


def test_only_needed_variables_are_inherited():
    """Unknown variables are not passed on."""
    names = inherited().keys()
    assert names >= NEEDED
    assert not names & (SECRETS | {"HOME"})


def test_job_has_no_variable_of_the_caller_and_its_own_home(world: GlueFixtures):
    """Nor have its parent processes, whose variables it can read; it cannot read the user's `~/.aws` or `~/.pgpass`."""
    script = """
import os, psutil
leaders = psutil.Process().parents()
print(os.path.expanduser("~"))
print(*sorted(os.environ | leaders[0].environ()))
"""
    run_id = world.start(world.job("environment", script))
    assert world.ended("environment", run_id)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
    home, names = world.output(run_id)
    assert home == str(world.aws.state.jobs / run_id / "tmp")
    assert not set(names.split()) & (SECRETS - {"AWS_SECRET_ACCESS_KEY"})
    assert {"PATH", "AWS_SESSION_TOKEN"} <= set(names.split())


def test_endpoint_is_started_without_secrets_of_the_caller(tmp_path: Path):
    """A job can read the endpoint's variables, since both run as the same user."""

    @contextlib.contextmanager
    def steps(_: str) -> Iterator[None]:
        yield

    state = State(tmp_path)
    settings = SandboxSettings.new(*processes.free_ports(2))
    settings.save(state)
    health = lifecycle._start_endpoint(state, settings, steps)
    try:
        assert not psutil.Process(health.pid).environ().keys() & SECRETS
    finally:
        processes.stop(health.pid, 30)


def test_terraform_and_postgres_are_started_without_secrets_of_the_caller():
    """Terraform gets the credentials to use, and HOME, where its provider settings are."""
    assert not terraform._environment({}).keys() & SECRETS
    assert "HOME" in terraform._environment({})
    assert not {line.partition("=")[0] for line in account.run(["env"]).stdout.splitlines()} & SECRETS


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Set a proxy in the environment, and yield the list of the requests that it receives."""
    requests: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield requests
        server.shutdown()


def settings_of(target: AttackTarget) -> SandboxSettings:
    """Return the settings of the local AWS `target`."""
    return SandboxSettings(target.port, 1, {}, access_key=target.key.access_key, secret_key=target.key.secret_key)


def test_clients_of_the_owner_do_not_use_the_proxy(proxied: list[str], target: AttackTarget):
    """Neither the environment's clients nor those that the jobs' package gets."""
    settings = settings_of(target)
    assert aws.client(settings, "s3").list_buckets()["Buckets"]
    assert aws.OwnerClients(settings).client("s3").list_buckets()["Buckets"]
    assert proxied == []


def test_endpoint_downloads_scripts_without_the_proxy(proxied: list[str], target: AttackTarget):
    """Otherwise the proxy's response would be executed."""
    world = World(target.state, f"http://127.0.0.1:{target.port}")
    session = Session("123456789012", "role", "session", target.key.access_key, target.key.secret_key, None)
    assert world.client("s3", session).get_object(Bucket="artifacts", Key="jobs/ingest.py")["Body"].read()
    assert proxied == []


@pytest.mark.parametrize("of_shell", [False, True])
def test_programs_do_not_use_the_proxy_for_the_local_aws(proxied: list[str], target: AttackTarget, *, of_shell: bool):
    """A job or Terraform, and programs in the shell of `totelake env`."""
    shell = settings_of(target).aws_environment()
    environment = os.environ | shell if of_shell else inherited() | {"AWS_ENDPOINT_URL": shell["AWS_ENDPOINT_URL"]}
    program = "import os, urllib.request; urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'])"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment)
    assert "HTTP Error 403" in done.stderr
    assert proxied == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": "example.com, localhost"}, "example.com,localhost,127.0.0.1"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a,b,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_no_proxy_keeps_the_callers_hosts(monkeypatch: pytest.MonkeyPatch, given, expected):
    """Both spellings are set, since programs read one or the other; `*` is kept as it is."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert process_environment.without_proxy() == {"no_proxy": expected, "NO_PROXY": expected}
