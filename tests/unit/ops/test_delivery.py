"""Errors before Terraform runs: each says in one sentence what is missing and what to do."""

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from ops.deploy import account, build, environments, wheels
from ops.deploy.__main__ import main
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import (
    AwsUnreachableError,
    CredentialsError,
    EnvironmentNotFoundError,
    SettingMissingError,
    StateBucketError,
    WheelsError,
)
from tests.local_aws.s3_endpoint import REGION

SITE_PACKAGES = Path(boto3.__file__).parents[1]
# The parts of Glue 6.0 that the package imports, and their dependencies.
GLUE_HAS = ("awsglue", "pyspark", "py4j", "pyarrow", "boto3", "botocore", "s3transfer", "jmespath", "urllib3")
GLUE_NEEDS = ("dateutil", "six.py")
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import totelake
for module in pkgutil.walk_packages(totelake.__path__, "totelake."):
    if not module.name.endswith("__main__"):
        print(importlib.import_module(module.name).__name__)
"""

CONFIGURATION = build.ROOT / "terraform"
ENVIRONMENT = DeployEnvironment("dev", CONFIGURATION, "totelake-dev", REGION, local=False)


@pytest.fixture(autouse=True)
def without_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all AWS credentials and database settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TF_VAR_"))]:
        monkeypatch.delenv(name)
    no_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in (no_files | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)


def test_environment_is_read_from_its_file():
    """The region is the configuration's default if the file has none."""
    assert environments.read("dev", CONFIGURATION) == ENVIRONMENT
    assert environments.read("local", CONFIGURATION).local


@pytest.mark.parametrize("name", ["", "staging", "../dev"])
def test_unknown_environment_lists_the_existing_ones(name: str):
    """`make deploy` without ENV passes an empty name."""
    with pytest.raises(EnvironmentNotFoundError, match=f"no environment '{name}': ENV is one of dev, local, prod,"):
        environments.read(name, CONFIGURATION)


def test_missing_setting_is_named_with_its_type(monkeypatch: pytest.MonkeyPatch):
    """Terraform would prompt for it or fail late."""
    with pytest.raises(SettingMissingError, match=r"TF_VAR_totesys is not set\. Source database.*object\({ host"):
        environments.check_settings(ENVIRONMENT)

    monkeypatch.setenv("TF_VAR_totesys", "{}")
    monkeypatch.setenv("TF_VAR_warehouse", "{}")
    environments.check_settings(ENVIRONMENT)


def test_failure_is_one_line_and_the_exit_status(capsys: pytest.CaptureFixture[str]):
    """Without a traceback."""
    assert main(["deploy", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("totelake: there is no environment 'nowhere'")


def test_missing_credentials_error_says_to_log_in():
    """Neither keys nor a profile are set."""
    with pytest.raises(CredentialsError, match="there are no AWS credentials: log in"):
        account.identify(ENVIRONMENT)


def test_local_environment_is_never_deployed_to_an_account():
    """Its values are for the local endpoint only."""
    with pytest.raises(AwsUnreachableError, match="the environment local needs a local endpoint"):
        account.identify(environments.read("local", CONFIGURATION))


def test_missing_profile_is_named(monkeypatch: pytest.MonkeyPatch):
    """With boto3's message."""
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(CredentialsError, match=r"cannot be used \(The config profile \(gone\) could not be found\)"):
        account.identify(ENVIRONMENT)


def test_unreachable_endpoint_is_named(monkeypatch: pytest.MonkeyPatch):
    """Nothing listens on port 1."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(AwsUnreachableError, match=r"AWS does not respond .*AWS_ENDPOINT_URL is http://127\.0\.0\.1:1"):
        account.identify(ENVIRONMENT)


def test_state_bucket_of_another_account_is_rejected(monkeypatch: pytest.MonkeyPatch):
    """Bucket names are unique across all accounts."""
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")
    monkeypatch.setattr(account, "client", lambda *_: client)
    with Stubber(client) as answers:
        answers.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(StateBucketError, match="the bucket totelake-dev-state belongs to another account"):
            account.state_bucket_exists(ENVIRONMENT, "123456789012")


def test_unavailable_requirement_ships_no_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The error has pip's message, and no incomplete folder is left."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"totelake-nothing==1 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(WheelsError, match=r"requirements\.lock pins could not be downloaded: .*totelake-nothing"):
        wheels.fetch(lock, tmp_path / "modules.gluewheels.zip")

    assert not (tmp_path / "modules.gluewheels.zip").exists()


def test_downloaded_wheels_are_reused_until_a_pin_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The zip has the layout of AWS's documentation, and the same bytes for the same wheels."""
    lock, archive = tmp_path / "requirements.lock", tmp_path / "modules.gluewheels.zip"
    downloads = []

    def download(lock: Path, folder: Path) -> None:
        downloads.append(lock.read_text())
        (folder / "example-1-py3-none-any.whl").write_bytes(b"a wheel")

    monkeypatch.setattr(wheels, "_download", download)
    lock.write_text("example==1 \\\n    --hash=sha256:00\n")
    created = wheels.fetch(lock, archive).read_bytes()
    with zipfile.ZipFile(archive) as content:
        assert {name: content.read(name) for name in content.namelist()} == {
            "wheels/requirements.txt": b"example==1\n",
            "wheels/example-1-py3-none-any.whl": b"a wheel",
        }
    assert wheels.fetch(lock, archive).read_bytes() == created
    assert len(downloads) == 1

    lock.write_text("example==2 --hash=sha256:00\n")
    wheels.fetch(lock, archive)
    assert len(downloads) == 2


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for the machines of Glue"
)
def test_package_imports_with_the_shipped_wheels_and_the_modules_of_glue(tmp_path: Path):
    """Installed from the zip alone, with their dependencies, as Glue does; no other module is importable."""
    target, glue = tmp_path / "modules", tmp_path / "glue"
    with zipfile.ZipFile(wheels.fetch()) as archive:
        archive.extractall(tmp_path)
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-index", f"--target={target}"]
    source = [f"--find-links={tmp_path / 'wheels'}", f"--requirement={tmp_path / 'wheels/requirements.txt'}"]
    subprocess.run([sys.executable, "-m", "pip", *install, *source], check=True)
    glue.mkdir()
    for name in (*GLUE_HAS, *GLUE_NEEDS):
        (glue / name).symlink_to(SITE_PACKAGES / name)

    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(target), str(glue), str(build.package())],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert {
        "totelake.ingest.stage",
        "totelake.transform.stage",
        "totelake.warehouse.load",
        "totelake.reconcile.stage",
    } <= set(loaded)
