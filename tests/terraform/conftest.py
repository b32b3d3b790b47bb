"""Terraform's fixtures: a copy of the configuration that is ready for use, and an endpoint to apply it to."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops.deploy import build, terraform

REGION = "eu-west-2"


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the configuration, its tests included, with its provider installed."""
    folder = tmp_path_factory.mktemp("terraform") / "configuration"
    terraform.copy(folder)
    shutil.copytree(build.ROOT / "terraform/tests", folder / "tests")
    shutil.copytree(build.ROOT / "crawlers", folder.parent / "crawlers")
    shutil.copytree(build.ROOT / "dashboards/queries", folder.parent / "dashboards/queries")
    terraform.init(folder)
    return folder


@dataclass(frozen=True)
class Endpoint:
    """A local AWS on a port of its own."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What Terraform needs to know of it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of the server's `service`."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Serve a local AWS in a process of its own for as long as the context lasts."""
    script = Path(__file__).with_name("local_aws_process.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Endpoint(int(process.stdout.readline()))
        finally:
            process.terminate()


@dataclass(frozen=True)
class Deployment:
    """The configuration as it was applied to an endpoint."""

    folder: Path
    variables: dict[str, Any]
    endpoint: Endpoint
    applied: terraform.ApplyResult
    progress: list[terraform.Progress] = field(default_factory=list)


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a local world adds to `env/local.tfvars`."""
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
    """Return what makes another copy of the configuration, ready for use and not yet applied."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("copy") / "terraform"
        shutil.copytree(configuration, folder, symlinks=True)
        return folder

    return make


@pytest.fixture(scope="session")
def deployment(copy_of: Callable[[], Path], variables: dict[str, Any]) -> Iterator[Deployment]:
    """Return the configuration, applied to an endpoint with the values of the local environment."""
    folder = copy_of()
    progress: list[terraform.Progress] = []
    with endpoint() as aws:
        applied = terraform.apply(folder, variables, environment=aws.environment, on_progress=progress.append)
        yield Deployment(folder, variables, aws, applied, progress)
