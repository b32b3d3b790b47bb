"""`make bootstrap`, `deploy`, `verify`, `plan` and `destroy` on an empty account, which a moto server provides."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.deploy import build, terraform, wheels
from ops.deploy.__main__ import main

from .conftest import AwsEndpoint, endpoint

# Features that the local endpoint lacks are off; artifacts are deployed as to an AWS account.
VALUES = (build.ROOT / "terraform/env/local.tfvars").read_text()
OWN_VALUES = {"environment": "stranger", "prefix": "totelake-stranger", "ssl_mode": "verify-full"}
DESTROY, KEEP = "force_destroy   = true", "force_destroy   = false"
LOGIN = '{"host": "db.example.com", "port": 5432, "database": "d", "username": "u", "password": "open sesame"}'


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEndpoint]:
    """Serve an empty account."""
    with endpoint() as served:
        yield served


def _own_value(assigned: re.Match[str]) -> str:
    name = assigned[1]
    return f'{name}{assigned[2]}"{OWN_VALUES[name]}"' if name in OWN_VALUES else assigned[0]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a clone with an additional environment, `stranger`."""
    clone = tmp_path_factory.mktemp("clone")
    shutil.copytree(build.ROOT / "terraform", clone / "terraform", ignore=shutil.ignore_patterns(".terraform", "tests"))
    for name in ("build", "crawlers", "glue_jobs"):
        (clone / name).symlink_to(build.ROOT / name)
    (clone / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    own = [re.sub(r"^(\w+)(\s*= ).*", _own_value, line) for line in VALUES.splitlines()]
    values = "\n".join([*own, 'ca_certificates = "../ca.pem"', ""])
    values = values.replace("permissions_boundary = false", "permissions_boundary = true")
    (clone / "terraform/env/stranger.tfvars").write_text(values.replace(DESTROY, KEEP))
    return clone / "terraform"


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch, aws: AwsEndpoint) -> None:
    """Set the environment variables of a user with AWS credentials and database logins."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TF_"))]:
        monkeypatch.delenv(name)
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    logins = {"TF_VAR_totesys": LOGIN, "TF_VAR_warehouse": LOGIN}
    fast_terraform = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}  # no garbage collection, since Terraform runs for seconds
    for name, value in (aws.environment | files | logins | fast_terraform).items():
        monkeypatch.setenv(name, value)
    if mirror := terraform.provider_mirror():
        monkeypatch.setenv("TF_CLI_ARGS_init", f"-plugin-dir={mirror}")


def test_bootstrap_deploy_and_destroy_in_an_empty_account(
    aws: AwsEndpoint, configuration: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bootstrap is idempotent; only the bucket of the state remains after destroy, and data without `force_destroy`."""
    s3, glue = aws.client("s3"), aws.client("glue")

    def run(command: str) -> tuple[int, str, str]:
        status = main([command, "stranger"], configuration)
        return status, *capfd.readouterr()

    status, _, said = run("deploy")
    assert status == 1
    assert said == (
        "totelake: there is no bucket totelake-stranger-state in account 123456789012 for the state of stranger; run: "
        "make bootstrap ENV=stranger\n"
    )

    assert run("bootstrap")[0] == 0
    shutil.rmtree(configuration / "bootstrap/.terraform")  # as on another machine
    status, said, _ = run("bootstrap")
    assert status == 0
    assert "No changes." in said
    assert s3.get_bucket_versioning(Bucket="totelake-stranger-state")["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket="totelake-stranger-state")["PublicAccessBlockConfiguration"].values())

    assert run("deploy")[0] == 0
    state_keys = {entry["Key"] for entry in s3.list_objects_v2(Bucket="totelake-stranger-state")["Contents"]}
    assert state_keys == {"bootstrap.tfstate", "totelake.tfstate"}  # and no lock
    state = s3.get_object(Bucket="totelake-stranger-state", Key="totelake.tfstate")["Body"].read().decode()
    assert "sesame" not in state
    check_job(aws)
    connection = glue.get_connection(Name="totelake-stranger-warehouse")["Connection"]["ConnectionProperties"]
    assert connection["JDBC_CONNECTION_URL"].endswith("?sslmode=verify-full&sslrootcert=databases-ca.pem")

    status, said, _ = run("verify")
    assert status == 1  # nothing has run
    assert "ok      jobs: 7 jobs with Glue 6.0\n" in said
    assert "failed" not in said

    status, said, _ = run("plan")
    assert status == 0
    assert "No changes." in said

    status, _, said = run("destroy")
    assert status == 1
    assert "set CONFIRM=totelake-stranger" in said
    assert glue.get_jobs()["Jobs"]

    monkeypatch.setenv("CONFIRM", "totelake-stranger")
    s3.put_object(Bucket="totelake-stranger-ingested", Key="tables/rows.parquet", Body=b"rows")
    status, _, said = run("destroy")
    assert status == 1
    assert "BucketNotEmpty" in said
    assert s3.get_object(Bucket="totelake-stranger-ingested", Key="tables/rows.parquet")["Body"].read() == b"rows"

    values = configuration / "env/stranger.tfvars"
    assert KEEP in values.read_text()
    values.write_text(values.read_text().replace(KEEP, DESTROY))
    assert run("deploy")[0] == 0
    assert run("destroy")[0] == 0
    assert glue.get_jobs()["Jobs"] == []
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["totelake-stranger-state"]


def check_job(aws: AwsEndpoint) -> None:
    """Check what is shipped with a job, and that its role has the boundary that bootstrap created."""
    s3, glue, iam = aws.client("s3"), aws.client("glue"), aws.client("iam")
    job = glue.get_job(JobName="totelake-stranger-load")["Job"]["DefaultArguments"]
    bucket = "s3://totelake-stranger-artifacts/"
    assert job["--extra-py-files"] == f"{bucket}packages/totelake-{build.code_version()}.zip"
    modules = job["--additional-python-modules"]
    shipped = s3.get_object(Bucket="totelake-stranger-artifacts", Key=modules.removeprefix(bucket))["Body"].read()
    assert modules.endswith(".gluewheels.zip")  # by which Glue recognises it
    assert shipped == wheels.ARCHIVE.read_bytes()
    assert job["--python-modules-installer-option"] == "--no-index"
    assert job["--extra-files"].endswith("/databases-ca.pem")
    role = iam.get_role(RoleName="totelake-stranger-load")["Role"]
    assert role["Path"] == "/totelake-stranger/"
    boundary = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert iam.get_policy(PolicyArn=boundary)["Policy"]["PolicyName"] == "totelake-stranger-boundary"
