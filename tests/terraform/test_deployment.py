"""The applied configuration: its resources, as boto3 describes them."""

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws.events import inputs
from ops.deploy import build, terraform

from .conftest import AppliedConfiguration, endpoint

RULE = SimpleNamespace(arn="arn:aws:events:eu-west-2:123456789012:rule/x", name="x")
STAGES = ("ingest", "transform", "load", "reconcile", "drift", "compact", "verify")


def test_outputs_have_the_names_of_the_resources(deployment: AppliedConfiguration) -> None:
    """Other programs read the names from the outputs, which are stored in the folder."""
    outputs = terraform.outputs(deployment.folder)

    assert outputs == deployment.applied.outputs
    assert outputs["buckets"] == {zone: f"totelake-local-{zone}" for zone in ("ingested", "processed", "artifacts")}
    assert outputs["jobs"] == {stage: f"totelake-local-{stage}" for stage in STAGES}
    assert outputs["topic_arn"] == "arn:aws:sns:eu-west-2:123456789012:totelake-local-alerts"
    schedules = ("schedule", "reconcile_schedule", "crawl_schedule", "compact_schedule", "verify_schedule")
    named = ("prefix", "region", "workflow", "crawler", "crawl", *schedules)
    assert {key: outputs[key] for key in named} == {
        "prefix": "totelake-local",
        "region": "eu-west-2",
        "workflow": "totelake-local",
        "crawler": "totelake-local-ingested",
        "crawl": "totelake-local-crawl",
        "schedule": "totelake-local-run",
        "reconcile_schedule": "totelake-local-reconcile-run",
        "crawl_schedule": "totelake-local-crawl-run",
        "compact_schedule": "totelake-local-compact-run",
        "verify_schedule": "totelake-local-verify-run",
    }


def test_progress_increases_to_the_number_of_resources(deployment: AppliedConfiguration) -> None:
    """It never decreases, and the last report is complete."""
    done = [report.done for report in deployment.progress]

    assert done == sorted(done)
    assert done[-1] == deployment.progress[-1].total == deployment.applied.added
    assert deployment.applied.changed == deployment.applied.removed == 0


def test_jobs_use_the_uploaded_code(deployment: AppliedConfiguration) -> None:
    """Script and package are the files in the variables."""
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


def test_jobs_have_the_arguments_of_their_entry_scripts(deployment: AppliedConfiguration) -> None:
    """Zones and connections."""
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
        "compact": {"--ingested": "totelake-local-ingested", "--processed": "totelake-local-processed"},
        "verify": {"--ingested": "totelake-local-ingested", "--processed": "totelake-local-processed"},
    }

    for stage, arguments in own.items():
        actual = glue.get_job(JobName=f"totelake-local-{stage}")["Job"]["DefaultArguments"]
        assert actual.items() >= arguments.items()


def test_connections_have_the_addresses_and_secrets_of_the_databases(deployment: AppliedConfiguration) -> None:
    """A connection has a JDBC URL and names a secret, which has user and password."""
    glue, secrets = deployment.endpoint.client("glue"), deployment.endpoint.client("secretsmanager")

    for name in ("totesys", "warehouse"):
        properties = glue.get_connection(Name=f"totelake-local-{name}")["Connection"]["ConnectionProperties"]
        assert properties["JDBC_CONNECTION_URL"] == f"jdbc:postgresql://127.0.0.1:5432/{name}?sslmode=disable"
        login = deployment.variables[name]
        secret = json.loads(secrets.get_secret_value(SecretId=properties["SECRET_ID"])["SecretString"])
        assert secret == {"username": login["username"], "password": login["password"]}


def test_state_has_no_password(deployment: AppliedConfiguration) -> None:
    """The file of the variables, which has them, can only be read by its owner."""
    state = (deployment.folder / "terraform.tfstate").read_text()

    assert "sesame" not in state
    assert stat.S_IMODE((deployment.folder / "settings.tfvars.json").stat().st_mode) == 0o600


def test_plan_has_passwords_only_as_values_of_variables(
    deployment: AppliedConfiguration, copy_of: Callable[[], Path]
) -> None:
    """Which is why `ops.deploy` removes every plan that it saves."""
    folder = copy_of()
    settings = folder / "settings.tfvars.json"
    settings.write_text(json.dumps(deployment.variables))
    saved = ("-out=plan", "-input=false", "-var-file=env/local.tfvars", f"-var-file={settings}")

    terraform.run(folder, "plan", *saved, environment=deployment.endpoint.environment)

    shown = json.loads(terraform.run(folder, "show", "-json", "plan"))
    assert "open sesame" in json.dumps(shown.pop("variables"))
    assert any(change["type"] == "aws_secretsmanager_secret_version" for change in shown["resource_changes"])
    assert "sesame" not in json.dumps(shown)


def test_catalog_has_the_declared_tables_and_views(deployment: AppliedConfiguration) -> None:
    """Columns, partition keys, locations and view queries are those of tables.json."""
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


def test_apply_does_not_start_the_workflow(deployment: AppliedConfiguration) -> None:
    """Start triggers are created and not fired, and the local schedules are disabled."""
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
    schedule = scheduler.get_schedule(Name="totelake-local-compact-run")
    assert schedule["State"] == "DISABLED"
    assert json.loads(schedule["Target"]["Input"]) == {"JobName": "totelake-local-compact"}
    schedule = scheduler.get_schedule(Name="totelake-local-crawl-run")
    assert schedule["State"] == "DISABLED"
    assert json.loads(schedule["Target"]["Input"])["Name"] == "totelake-local-crawl"


def test_job_failures_are_sent_to_the_inbox(deployment: AppliedConfiguration) -> None:
    """The rule matches all jobs, and its topic has an e-mail subscription."""
    events, sns = deployment.endpoint.client("events"), deployment.endpoint.client("sns")

    pattern = json.loads(events.describe_rule(Name="totelake-local-job-failed")["EventPattern"])
    assert sorted(pattern["detail"]["jobName"]) == sorted(f"totelake-local-{stage}" for stage in STAGES)
    (target,) = events.list_targets_by_rule(Rule="totelake-local-job-failed")["Targets"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=target["Arn"])["Subscriptions"]
    assert subscription["Protocol"] == "email"


def _target(deployment: AppliedConfiguration, rule: str) -> dict[str, Any]:
    target: dict[str, Any]
    [target] = deployment.endpoint.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    return target


def test_mail_of_a_failed_job_has_its_error_escaped_and_the_links_of_its_run(deployment: AppliedConfiguration) -> None:
    """The mail remains JSON whatever is in the message; Glue writes what a run prints to the group `output`."""
    target = _target(deployment, "totelake-local-job-failed")
    detail = {
        "jobName": "totelake-local-load",
        "jobRunId": "jr_0123",
        "state": "FAILED",
        "message": 'StatementError: "a" is <job>\n\tDETAIL: C:\\new "line',
    }

    mail = json.loads(inputs.render(target, {"time": "2026-01-01T00:00:00Z", "detail": detail}, RULE))

    assert mail["alert"] == "The Glue job totelake-local-load ended as FAILED."
    assert (mail["job"], mail["run"], mail["error"]) == (detail["jobName"], detail["jobRunId"], detail["message"])
    for field, group in (("log", "output"), ("system_log", "error")):
        assert mail[field] == (
            "https://eu-west-2.console.aws.amazon.com/cloudwatch/home?region=eu-west-2#logsV2:log-groups/log-group/"
            f"$252Faws-glue$252Fjobs$252F{group}/log-events/jr_0123"
        )


def test_mail_of_a_failed_crawl_has_its_error_escaped_and_its_log(deployment: AppliedConfiguration) -> None:
    """The event has the link to the log."""
    target = _target(deployment, "totelake-local-crawler-failed")
    detail = {"crawlerName": "totelake-local-ingested", "errorMessage": 'no "a"\n', "cloudWatchLogLink": "https://x"}

    mail = json.loads(inputs.render(target, {"time": "2026-01-01T00:00:00Z", "detail": detail}, RULE))

    assert (mail["crawler"], mail["error"], mail["log"]) == tuple(detail.values())


def test_second_plan_has_no_changes(deployment: AppliedConfiguration) -> None:
    """All resources are described as they were applied."""
    terraform.run(
        deployment.folder,
        *("plan", "-no-color", "-detailed-exitcode", "-input=false"),  # fails if there are changes
        *("-var-file=env/local.tfvars", "-var-file=settings.tfvars.json"),
        environment=deployment.endpoint.environment,
    )


def test_apply_restores_all_resources_on_an_empty_endpoint_and_destroy_removes_them(
    deployment: AppliedConfiguration, copy_of: Callable[[], Path], variables: dict[str, Any]
) -> None:
    """The endpoint's state ends with its process; Terraform's state in the folder does not."""
    folder = copy_of()
    for name in ("terraform.tfstate", "outputs.json"):
        (folder / name).write_bytes((deployment.folder / name).read_bytes())

    with endpoint() as fresh:
        applied = terraform.apply(folder, variables, environment=fresh.environment)
        assert applied.added == deployment.applied.added
        assert applied.outputs == deployment.applied.outputs

        terraform.destroy(folder, environment=fresh.environment)
        assert fresh.client("s3").list_buckets()["Buckets"] == []
        assert fresh.client("glue").get_jobs()["Jobs"] == []


def test_failed_apply_raises_terraforms_error(copy_of: Callable[[], Path], variables: dict[str, Any]) -> None:
    """The error has Terraform's message, and there are no outputs."""
    folder = copy_of()

    with pytest.raises(terraform.TerraformError, match="prefix must be 3 to 40 lower-case letters"):
        terraform.apply(folder, {**variables, "prefix": "No_Bucket"}, environment={})
    with pytest.raises(terraform.TerraformError, match="has not been applied"):
        terraform.outputs(folder)
