"""`make verify` on an applied configuration: each fault of a first deployment is a line that says what to do."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.deploy import account, deployment_checks, environments, terraform
from ops.deploy.__main__ import main
from ops.deploy.deployment_checks import CheckResult, Outcome

from .conftest import REGION, AppliedConfiguration

LOCAL = environments.read("local", terraform.CONFIGURATION)
PREFIX = LOCAL.prefix
TOPIC = f"arn:aws:sns:{REGION}:123456789012:{PREFIX}-alerts"


@pytest.fixture(autouse=True)
def client(deployment: AppliedConfiguration, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Select the endpoint of the deployment, and return a function that makes clients for it."""
    for name, value in deployment.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return deployment.endpoint.client


def _results() -> dict[str, CheckResult]:
    return {result.subject: result for result in deployment_checks.run(LOCAL)}


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Stubber]:
    """Return a function that replaces a service's client of the checks, and returns the stub that answers for it."""

    def stub(service: str) -> Stubber:
        own = boto3.client(service, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")
        real = account.client
        monkeypatch.setattr(account, "client", lambda _, name: own if name == service else real(_, name))
        return Stubber(own)

    return stub


def _failed_run(glue: Any, job: str, **arguments: Any) -> None:
    """Run a job until it has failed."""
    run_id = glue.start_job_run(JobName=job, **arguments)["JobRunId"]
    for _ in range(300):
        if glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]["JobRunState"] == "FAILED":
            return
        time.sleep(0.1)
    pytest.fail(f"{job} has not failed")


def test_everything_is_deployed_and_nothing_has_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each check, which says how to start what has not run; the exit status is that of a failure."""
    status = main(["verify", "local"])

    printed = capsys.readouterr()
    lines = dict(line.split(": ", 1) for line in printed.out.splitlines())
    assert status == 1
    assert printed.err == "totelake: 10 of 17 checks of local in account 123456789012 are not ok\n"
    assert lines["ok      jobs"] == "7 jobs with Glue 6.0"
    assert lines["ok      Lake Formation"] == "IAM alone controls new databases and tables"
    assert lines["ok      alerts"] == "alerts@totelake.local is subscribed"
    assert f"{PREFIX}-run disabled" in lines["ok      schedules"]
    start = f"has not run; start it: aws glue start-job-run --job-name {PREFIX}-"
    assert {name: line for name, line in lines.items() if " job " in name} == {
        "ok      job define": "none, because the owner of the warehouse defines it",
        **{f"not yet job {stage}": f"{start}{stage}" for stage in deployment_checks.STAGES},
    }
    assert lines["not yet workflow"] == f"has not run; start it: aws glue start-workflow-run --name {PREFIX}"


def test_job_whose_role_does_not_trust_glue(client: Callable[[str], Any]) -> None:
    """The remedy is the variable that drops the conditions of the trust policies."""
    iam, glue, job = client("iam"), client("glue"), f"{PREFIX}-compact"
    trust = iam.get_role(RoleName=job)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    never = {**statement, "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}
    iam.update_assume_role_policy(RoleName=job, PolicyDocument=json.dumps({**trust, "Statement": [never]}))
    try:
        _failed_run(glue, job)
    finally:
        iam.update_assume_role_policy(RoleName=job, PolicyDocument=json.dumps(trust))

    result = _results()["job compact"]
    assert result.outcome is Outcome.FAILED
    assert "should be given assume role permissions for Glue Service" in result.seen
    assert result.action == "set job_trust_conditions = false in the environment's tfvars file and deploy"


def test_failed_run_shows_its_error(client: Callable[[str], Any]) -> None:
    """Without a known remedy the line refers to the runbook."""
    missing = f"s3://{PREFIX}-artifacts/packages/missing.zip"
    _failed_run(client("glue"), f"{PREFIX}-transform", Arguments={"--extra-py-files": missing})

    result = _results()["job transform"]
    assert result.outcome is Outcome.FAILED
    assert f" is FAILED: Failed to download {missing}: " in result.seen
    assert result.action == "read its log: docs/runbooks/run-failed.md"


def test_missing_and_outdated_jobs(client: Callable[[str], Any]) -> None:
    """Both are named."""
    glue = client("glue")
    definitions = {stage: glue.get_job(JobName=f"{PREFIX}-{stage}")["Job"] for stage in ("verify", "drift")}
    for job in definitions.values():
        glue.delete_job(JobName=job["Name"])
    options = {
        stage: {name: job[name] for name in ("Name", "Role", "Command", "DefaultArguments", "Timeout", "MaxRetries")}
        for stage, job in definitions.items()
    }
    workers = {"WorkerType": "G.1X", "NumberOfWorkers": 2}
    glue.create_job(**options["drift"], **workers, GlueVersion="5.0")
    try:
        result = _results()["jobs"]
    finally:
        glue.delete_job(JobName=f"{PREFIX}-drift")
        for option in options.values():
            glue.create_job(**option, **workers, GlueVersion="6.0")
    assert (result.outcome, result.seen) == (
        Outcome.FAILED,
        f"{PREFIX}-drift has Glue 5.0, {PREFIX}-verify is missing",
    )


def test_warehouse_that_is_not_defined(client: Callable[[str], Any]) -> None:
    """One that is created with the environment has a job for it, which has to run before the workflow."""
    glue = client("glue")
    job = glue.get_job(JobName=f"{PREFIX}-load")["Job"]
    glue.create_job(Name=f"{PREFIX}-define", **{name: job[name] for name in ("Role", "Command", "GlueVersion")})
    try:
        result = _results()["job define"]
    finally:
        glue.delete_job(JobName=f"{PREFIX}-define")
    assert result.outcome is Outcome.WAITING
    assert result.action == f"start it: aws glue start-job-run --job-name {PREFIX}-define"


def test_nobody_is_subscribed_to_the_alerts(client: Callable[[str], Any]) -> None:
    """Without an address in the deployment, or after the owner has unsubscribed."""
    sns = client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    try:
        result = _results()["alerts"]
    finally:
        sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint=subscription["Endpoint"])
    assert (result.outcome, result.action) == (Outcome.FAILED, "set TF_VAR_alert_email and deploy")


def test_unconfirmed_subscription(stubbed: Callable[[str], Stubber]) -> None:
    """SNS shows it with the text PendingConfirmation in place of its ARN; the local SNS confirms at once."""
    pending = {"SubscriptionArn": "PendingConfirmation", "Endpoint": "you@example.com", "Protocol": "email"}
    with stubbed("sns") as answers:
        answers.add_response("list_topics", {"Topics": [{"TopicArn": TOPIC}]})
        answers.add_response("list_subscriptions_by_topic", {"Subscriptions": [pending]})
        result = _results()["alerts"]

    assert result.outcome is Outcome.FAILED
    assert result.seen == "you@example.com has not confirmed the subscription"


def test_lake_formation_that_controls_new_tables(client: Callable[[str], Any]) -> None:
    """Its administrators have removed the default permissions for IAM's principals."""
    lake_formation = client("lakeformation")
    settings = lake_formation.get_data_lake_settings()["DataLakeSettings"]
    lake_formation.put_data_lake_settings(DataLakeSettings={**settings, "CreateTableDefaultPermissions": []})
    try:
        result = _results()["Lake Formation"]
    finally:
        lake_formation.put_data_lake_settings(DataLakeSettings=settings)
    assert (result.outcome, result.seen) == (Outcome.FAILED, "new tables are not open to IAM's policies")


def test_raised_alarm(stubbed: Callable[[str], Stubber]) -> None:
    """It is named, also when it is a composite alarm."""
    quiet, raised = ({"StateValue": state} for state in ("INSUFFICIENT_DATA", "ALARM"))
    alarms = {
        "MetricAlarms": [{"AlarmName": "drift", **quiet}, {"AlarmName": "stale", **raised}],
        "CompositeAlarms": [{"AlarmName": "unhealthy", **raised}],
    }
    with stubbed("cloudwatch") as answers:
        answers.add_response("describe_alarms", alarms)
        result = _results()["alarms"]
    assert (result.outcome, result.seen) == (Outcome.FAILED, "stale, unhealthy")


def test_missed_start(client: Callable[[str], Any]) -> None:
    """The scheduler puts a start that its role may not make into the dead-letter queue."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=f"{PREFIX}-run-missed")["QueueUrl"]
    try:
        assert _results()["missed starts"].outcome is Outcome.OK
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        result = _results()["missed starts"]
    finally:
        sqs.delete_queue(QueueUrl=url)
    assert result.outcome is Outcome.FAILED
    assert result.seen == f"1 messages in {PREFIX}-run-missed"


@pytest.mark.parametrize("key", ["tables/x/", "tables/x/_temporary/0/part", "tables/x_$folder$"])
def test_files_that_a_committer_left(client: Callable[[str], Any], key: str) -> None:
    """Staged output and markers of folders are not data."""
    s3, bucket = client("s3"), f"{PREFIX}-processed"
    data = "tables/dim_date/batch=1/part.parquet"
    for each in (key, data):
        s3.put_object(Bucket=bucket, Key=each, Body=b"")
    try:
        result = _results()["lake"]
    finally:
        for each in (key, data):
            s3.delete_object(Bucket=bucket, Key=each)
    assert result.outcome is Outcome.FAILED
    assert result.seen == f"1 keys are not data files, the first is s3://{bucket}/{key}"


def test_refused_request_is_a_failed_check(stubbed: Callable[[str], Stubber]) -> None:
    """The other checks are made."""
    with stubbed("scheduler") as answers:
        answers.add_client_error("list_schedules", "AccessDeniedException", "no")
        results = _results()

    assert results["schedules"].outcome is Outcome.FAILED
    assert "AccessDeniedException" in results["schedules"].seen
    assert results["jobs"].outcome is Outcome.OK
