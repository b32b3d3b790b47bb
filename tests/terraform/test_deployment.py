"""The configuration as it is applied: what then exists, told by boto3."""

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.deploy import build, terraform

from .conftest import Deployment, endpoint

STAGES = ("ingest", "transform", "load", "reconcile", "drift")


def test_the_outputs_name_what_was_made(deployment: Deployment) -> None:
    """Other programs learn all names from the outputs, which outlive the process that applied."""
    outputs = terraform.outputs(deployment.folder)

    assert outputs == deployment.applied.outputs
    assert outputs["buckets"] == {zone: f"totelake-local-{zone}" for zone in ("ingested", "processed", "artifacts")}
    assert outputs["jobs"] == {stage: f"totelake-local-{stage}" for stage in STAGES}
    assert outputs["topic_arn"] == "arn:aws:sns:eu-west-2:123456789012:totelake-local-alerts"
    named = ("prefix", "region", "workflow", "crawler", "crawl", "schedule", "reconcile_schedule", "crawl_schedule")
    assert {key: outputs[key] for key in named} == {
        "prefix": "totelake-local",
        "region": "eu-west-2",
        "workflow": "totelake-local",
        "crawler": "totelake-local-ingested",
        "crawl": "totelake-local-crawl",
        "schedule": "totelake-local-run",
        "reconcile_schedule": "totelake-local-reconcile-run",
        "crawl_schedule": "totelake-local-crawl-run",
    }


def test_progress_counts_up_to_all_resources(deployment: Deployment) -> None:
    """The last report says that all is done, and none goes back."""
    done = [report.done for report in deployment.progress]

    assert done == sorted(done)
    assert done[-1] == deployment.progress[-1].total == deployment.applied.added
    assert deployment.applied.changed == deployment.applied.removed == 0


def test_a_job_points_at_the_code_that_was_uploaded(deployment: Deployment) -> None:
    """Script and package are the files that the variables named."""
    glue, s3 = deployment.endpoint.client("glue"), deployment.endpoint.client("s3")

    def read(uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    for stage in STAGES:
        job = glue.get_job(JobName=f"totelake-local-{stage}")["Job"]
        assert read(job["Command"]["ScriptLocation"]) == (build.ROOT / f"glue_jobs/{stage}.py").read_bytes()
        assert read(job["DefaultArguments"]["--extra-py-files"]) == b"the package"
        assert job["DefaultArguments"]["--code_version"] == "0123456789ab"
        assert (job["GlueVersion"], job["WorkerType"], job["NumberOfWorkers"]) == ("6.0", "G.1X", 2)


def test_a_job_is_told_where_to_read_and_write(deployment: Deployment) -> None:
    """Each stage gets the zones and connections that its entry script asks for."""
    glue = deployment.endpoint.client("glue")
    own = {
        "ingest": {"--source_connection": "totelake-local-totesys", "--ingested": "totelake-local-ingested"},
        "transform": {"--ingested": "totelake-local-ingested", "--processed": "totelake-local-processed"},
        "load": {"--processed": "totelake-local-processed", "--warehouse_connection": "totelake-local-warehouse"},
        "reconcile": {
            "--source_connection": "totelake-local-totesys",
            "--warehouse_connection": "totelake-local-warehouse",
            "--ingested": "totelake-local-ingested",
            "--processed": "totelake-local-processed",
        },
        "drift": {"--crawler": "totelake-local-ingested"},
    }

    for stage, arguments in own.items():
        found = glue.get_job(JobName=f"totelake-local-{stage}")["Job"]["DefaultArguments"]
        assert found.items() >= arguments.items()


def test_the_connections_lead_to_the_databases(deployment: Deployment) -> None:
    """A connection has an address and names a secret, which has user and password."""
    glue, secrets = deployment.endpoint.client("glue"), deployment.endpoint.client("secretsmanager")

    for name in ("totesys", "warehouse"):
        properties = glue.get_connection(Name=f"totelake-local-{name}")["Connection"]["ConnectionProperties"]
        assert properties["JDBC_CONNECTION_URL"] == f"jdbc:postgresql://127.0.0.1:5432/{name}?sslmode=disable"
        login = deployment.variables[name]
        secret = json.loads(secrets.get_secret_value(SecretId=properties["SECRET_ID"])["SecretString"])
        assert secret == {"username": login["username"], "password": login["password"]}


def test_no_password_is_kept_in_the_state(deployment: Deployment) -> None:
    """Whoever can read the state cannot log in; the variables are their owner's alone."""
    state = (deployment.folder / "terraform.tfstate").read_text()

    assert "sesame" not in state
    assert stat.S_IMODE((deployment.folder / "settings.tfvars.json").stat().st_mode) == 0o600


def test_the_catalog_has_the_declared_tables(deployment: Deployment) -> None:
    """Columns, partition keys and places are those of tables.json, and so are the queries of the views."""
    glue = deployment.endpoint.client("glue")
    declared = json.loads((build.ROOT / "terraform/tables.json").read_text())

    for zone, tables in declared["tables"].items():
        database = declared["databases"][zone]["name"]
        found = {table["Name"]: table for table in glue.get_tables(DatabaseName=database)["TableList"]}
        views = declared["views"].get(zone, {})
        assert found.keys() == tables.keys() | views.keys()
        for name, table in tables.items():
            storage = found[name]["StorageDescriptor"]
            assert storage["Location"] == f"s3://totelake-local-{zone}/tables/{name}/"
            assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
                (column["name"], column["type"]) for column in table["columns"]
            ]
            assert [key["Name"] for key in found[name]["PartitionKeys"]] == [
                key["name"] for key in table["partition_keys"]
            ]
        for name, view in views.items():
            assert found[name]["TableType"] == "VIRTUAL_VIEW"
            encoded = found[name]["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
            assert json.loads(base64.b64decode(encoded)) == {
                "originalSql": view["query"],
                "catalog": "awsdatacatalog",
                "schema": database,
                "columns": [{"name": column["name"], "type": column["presto_type"]} for column in view["columns"]],
            }
    assert glue.get_tables(DatabaseName="totesys_discovered")["TableList"] == []


def test_applying_does_not_start_the_workflow(deployment: Deployment) -> None:
    """The start trigger waits for whoever fires it, and the local schedules are off."""
    glue, scheduler = deployment.endpoint.client("glue"), deployment.endpoint.client("scheduler")

    states = {trigger["Name"]: trigger["State"] for trigger in glue.get_triggers()["Triggers"]}
    assert states == {
        "totelake-local-start": "CREATED",
        "totelake-local-transform": "ACTIVATED",
        "totelake-local-load": "ACTIVATED",
        "totelake-local-crawl-start": "CREATED",
        "totelake-local-crawl-drift": "ACTIVATED",
    }
    schedule = scheduler.get_schedule(Name="totelake-local-run")
    assert schedule["State"] == "DISABLED"
    assert json.loads(schedule["Target"]["Input"]) == {
        "Name": "totelake-local",
        "RunProperties": {"logical_date": "<aws.scheduler.scheduled-time>"},
    }
    schedule = scheduler.get_schedule(Name="totelake-local-reconcile-run")
    assert schedule["State"] == "DISABLED"
    assert schedule["Target"]["Arn"].endswith(":aws-sdk:glue:startJobRun")
    assert json.loads(schedule["Target"]["Input"]) == {"JobName": "totelake-local-reconcile"}
    schedule = scheduler.get_schedule(Name="totelake-local-crawl-run")
    assert schedule["State"] == "DISABLED"
    assert json.loads(schedule["Target"]["Input"])["Name"] == "totelake-local-crawl"


def test_alerts_go_to_the_inbox(deployment: Deployment) -> None:
    """The rule watches all jobs, and its topic has the local address subscribed."""
    events, sns = deployment.endpoint.client("events"), deployment.endpoint.client("sns")

    pattern = json.loads(events.describe_rule(Name="totelake-local-job-failed")["EventPattern"])
    assert sorted(pattern["detail"]["jobName"]) == sorted(f"totelake-local-{stage}" for stage in STAGES)
    (target,) = events.list_targets_by_rule(Rule="totelake-local-job-failed")["Targets"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=target["Arn"])["Subscriptions"]
    assert subscription["Protocol"] == "email"


def test_a_second_plan_changes_nothing(deployment: Deployment) -> None:
    """What was applied is what is described."""
    terraform.run(
        deployment.folder,
        *("plan", "-no-color", "-detailed-exitcode", "-input=false"),  # fails when there is anything to change
        *("-var-file=env/local.tfvars", "-var-file=settings.tfvars.json"),
        environment=deployment.endpoint.environment,
    )


def test_an_endpoint_that_forgot_everything_gets_it_again_until_it_is_destroyed(
    deployment: Deployment, copy_of: Callable[[], Path], variables: dict[str, Any]
) -> None:
    """The endpoint's memory ends with its process; the state in the folder does not."""
    folder = copy_of()
    for kept in ("terraform.tfstate", "outputs.json"):
        (folder / kept).write_bytes((deployment.folder / kept).read_bytes())

    with endpoint() as fresh:
        applied = terraform.apply(folder, variables, environment=fresh.environment)
        assert applied.added == deployment.applied.added
        assert applied.outputs == deployment.applied.outputs

        terraform.destroy(folder, environment=fresh.environment)
        assert fresh.client("s3").list_buckets()["Buckets"] == []
        assert fresh.client("glue").get_jobs()["Jobs"] == []


def test_an_apply_that_fails_says_why(copy_of: Callable[[], Path], variables: dict[str, Any]) -> None:
    """The error carries Terraform's own diagnosis, and there are no outputs."""
    folder = copy_of()

    with pytest.raises(terraform.TerraformError, match="prefix is 3 to 40 lower-case letters"):
        terraform.apply(folder, {**variables, "prefix": "No_Bucket"}, environment={})
    with pytest.raises(terraform.TerraformError, match="has not been applied"):
        terraform.outputs(folder)
