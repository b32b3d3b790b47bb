"""The caller's environment: tokens and passwords in it reach no process of a local world."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_aws import processes
from local_aws.process_environment import inherited
from local_aws.state import State
from ops.deploy.terraform import process as terraform
from ops.sandbox import world as world_of_processes
from ops.sandbox.postgres import account
from ops.sandbox.settings import Settings
from tests.local_aws.conftest import GlueWorld

SECRETS = {
    "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSWORD",
    "SSH_AUTH_SOCK", "DATABASE_URL", "PIP_INDEX_URL", "NPM_CONFIG__AUTH", "TF_VAR_totesys",
}  # fmt: skip
NEEDED = {"PATH", "LC_ALL", "TZ", "JAVA_HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "https_proxy", "NO_PROXY"}


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process that starts others secrets, and what programs need."""
    for name in SECRETS | (NEEDED - os.environ.keys()):
        monkeypatch.setenv(name, "a value of the caller")


def test_what_a_program_needs_is_inherited_and_nothing_else():
    """A variable that nobody has thought of stays with the caller."""
    found = inherited().keys()
    assert found >= NEEDED
    assert not found & (SECRETS | {"HOME"})


def test_a_job_sees_no_variable_of_the_caller_and_has_a_home_of_its_own(world: GlueWorld):
    """Neither do the processes around it, whose variables it can read; `~/.aws` and `~/.pgpass` are not the user's."""
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


def test_the_endpoint_is_started_without_them(tmp_path: Path):
    """A job can read the variables of the endpoint, a process of the same user."""

    @contextlib.contextmanager
    def steps(_: str) -> Iterator[None]:
        yield

    state = State(tmp_path)
    settings = Settings.new(*processes.free_ports(2))
    settings.save(state)
    health = world_of_processes._start_endpoint(state, settings, steps)
    try:
        assert not psutil.Process(health.pid).environ().keys() & SECRETS
    finally:
        processes.stop(health.pid, 30)


def test_terraform_and_postgres_are_started_without_them():
    """Terraform gets the account that it is to use, and keeps the settings that find its provider."""
    assert not terraform._environment({}).keys() & SECRETS
    assert "HOME" in terraform._environment({})
    assert not {line.partition("=")[0] for line in account.run(["env"]).stdout.splitlines()} & SECRETS
