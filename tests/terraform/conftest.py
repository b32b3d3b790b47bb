"""Fixtures of the Terraform tests: an initialized copy of the configuration, and an endpoint to apply it to."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pytest

from ops.deploy import build, terraform

from . import recording

REGION = "eu-west-2"


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an initialized copy of the configuration and its tests."""
    folder = tmp_path_factory.mktemp("terraform") / "configuration"
    terraform.copy(folder)
    shutil.copytree(build.ROOT / "terraform/tests", folder / "tests")
    shutil.copytree(build.ROOT / "crawlers", folder.parent / "crawlers")
    shutil.copytree(build.ROOT / "dashboards/queries", folder.parent / "dashboards/queries")
    terraform.init(folder)
    return folder


@dataclass(frozen=True)
class AwsEndpoint:
    """A local AWS on a port of 127.0.0.1, and the file in which it records calls."""

    port: int
    recorded: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which Terraform uses the endpoint."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of `service`."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def calls(self) -> list[recording.RecordedCall]:
        """Return the calls until now."""
        return recording.read(self.recorded)


@contextmanager
def endpoint() -> Iterator[AwsEndpoint]:
    """Serve a local AWS in a separate process during the block, after which all calls must agree with AWS's models."""
    script = Path(__file__).with_name("local_aws_process.py")
    with TemporaryDirectory() as folder:
        recorded = Path(folder) / "calls"
        recorded.touch()
        command = [sys.executable, str(script), str(recorded)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                aws = AwsEndpoint(int(process.stdout.readline()), recorded)
                yield aws
            finally:
                process.terminate()
        assert not [problem for call in aws.calls() for problem in call.problems]


@dataclass(frozen=True)
class AppliedConfiguration:
    """A configuration that was applied to an endpoint, and the progress reports of its apply."""

    folder: Path
    variables: dict[str, Any]
    endpoint: AwsEndpoint
    applied: terraform.ApplyResult
    progress: list[terraform.Progress] = field(default_factory=list)


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the variables that a local environment adds to `env/local.tfvars`."""
    package = tmp_path_factory.mktemp("package") / "totelake.zip"
    package.write_bytes(b"the package")
    login = {"host": "127.0.0.1", "port": 5432}
    return {
        "scripts": str(build.ROOT / "glue_jobs"),
        "package": str(package),
        "crawl_settings": str(build.ROOT / "crawlers/ingested.json"),
        "wheels": None,
        "python_modules": ["tenacity==9.2.1"],
        "queries": str(build.ROOT / "dashboards/queries"),
        "code_version": "0123456789ab",
        "totesys": {**login, "database": "totesys", "username": "totelake_reader", "password": "open sesame"},
        "warehouse": {**login, "database": "warehouse", "username": "warehouse_owner", "password": "shut sesame"},
    }


@pytest.fixture(scope="session")
def copy_of(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that makes an initialized copy of the configuration that is not applied."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("copy") / "terraform"
        shutil.copytree(configuration, folder, symlinks=True)
        return folder

    return make


@pytest.fixture(scope="session")
def deployment(copy_of: Callable[[], Path], variables: dict[str, Any]) -> Iterator[AppliedConfiguration]:
    """Apply the configuration with the values of the local environment; yield the deployment."""
    folder = copy_of()
    progress: list[terraform.Progress] = []
    with endpoint() as aws:
        applied = terraform.apply(folder, variables, environment=aws.environment, on_progress=progress.append)
        yield AppliedConfiguration(folder, variables, aws, applied, progress)
