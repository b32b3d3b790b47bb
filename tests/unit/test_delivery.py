"""What is said before Terraform is asked: to somebody who is not ready, in a sentence that names the way out."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from ops.deploy import account, build, environments, wheels
from ops.deploy.__main__ import main
from ops.deploy.environments import Environment
from ops.deploy.errors import (
    CredentialsError,
    EnvironmentNotFoundError,
    SettingMissingError,
    StateBucketError,
    UnreachableError,
    WheelsError,
)
from tests.local_aws.s3_endpoint import REGION

SITE_PACKAGES = Path(boto3.__file__).parents[1]
# Of what Glue 6.0 has, what the package imports; and what that needs in turn.
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
ENVIRONMENT = Environment("dev", CONFIGURATION, "totelake-dev", REGION, local=False)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be somebody who has not logged in to AWS and knows of no database."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TF_VAR_"))]:
        monkeypatch.delenv(name)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in (nowhere | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)


def test_an_environment_is_what_its_file_says():
    """The region is the configuration's where the file names none."""
    assert environments.read("dev", CONFIGURATION) == ENVIRONMENT
    assert environments.read("local", CONFIGURATION).local


@pytest.mark.parametrize("name", ["", "staging", "../dev"])
def test_an_unknown_environment_is_told_those_that_exist(name: str):
    """`make deploy` without ENV asks for an environment without a name."""
    with pytest.raises(EnvironmentNotFoundError, match=f"no environment '{name}': ENV is one of dev, local, prod,"):
        environments.read(name, CONFIGURATION)


def test_a_missing_login_is_named_with_its_type(monkeypatch: pytest.MonkeyPatch):
    """Terraform would ask for it, or fail late."""
    with pytest.raises(SettingMissingError, match=r"TF_VAR_totesys is not set\. The source database.*object\({ host"):
        environments.check_settings(ENVIRONMENT)

    monkeypatch.setenv("TF_VAR_totesys", "{}")
    monkeypatch.setenv("TF_VAR_warehouse", "{}")
    environments.check_settings(ENVIRONMENT)


def test_a_failure_is_one_line_and_the_exit_status(capsys: pytest.CaptureFixture[str]):
    """No traceback is in the way of the sentence."""
    assert main(["deploy", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("totelake: there is no environment 'nowhere'")


def test_nobody_is_told_to_log_in():
    """There are neither keys nor a profile."""
    with pytest.raises(CredentialsError, match="there are no AWS credentials: log in"):
        account.identify(ENVIRONMENT)


def test_a_local_environment_never_reaches_an_account():
    """Its values are made for an endpoint that forgets."""
    with pytest.raises(UnreachableError, match="the environment local is a local endpoint's"):
        account.identify(environments.read("local", CONFIGURATION))


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    """What boto3 says is kept."""
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(CredentialsError, match=r"cannot be used \(The config profile \(gone\) could not be found\)"):
        account.identify(ENVIRONMENT)


def test_an_endpoint_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch):
    """Nothing listens on the port 1."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UnreachableError, match=r"AWS does not answer .*AWS_ENDPOINT_URL is http://127\.0\.0\.1:1"):
        account.identify(ENVIRONMENT)


def test_somebody_else_s_bucket_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch):
    """Bucket names are unique among all accounts, so another may have had the same idea."""
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")
    monkeypatch.setattr(account, "_client", lambda *_: client)
    with Stubber(client) as answers:
        answers.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(StateBucketError, match="the bucket totelake-dev-state is another account's"):
            account.state_bucket_exists(ENVIRONMENT, "123456789012")


def test_a_lock_that_asks_for_what_is_not_there_ships_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What pip said is kept, and no folder is left that would be taken for whole."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"totelake-nothing==1 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(WheelsError, match=r"requirements\.lock pins could not be downloaded: .*totelake-nothing"):
        wheels.fetch(lock, tmp_path / "wheels")

    assert not (tmp_path / "wheels").exists()


def test_wheels_that_are_there_are_not_downloaded_again(monkeypatch: pytest.MonkeyPatch):
    """The lock says which ones they are."""
    folder = wheels.fetch()
    monkeypatch.setattr(wheels, "_download", lambda *_: pytest.fail("pip was run"))

    assert wheels.fetch() == folder


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for the machines of Glue"
)
def test_the_package_imports_with_the_shipped_wheels_and_what_glue_has(tmp_path: Path):
    """Without an index and without resolving, as Glue is told to; no other module of this environment is there."""
    target, glue = tmp_path / "modules", tmp_path / "glue"
    folder = wheels.fetch()
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", f"--target={target}"]
    subprocess.run([sys.executable, "-m", "pip", *install, *folder.glob("*.whl")], check=True)
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
