"""Read-only checks of a deployed environment, for `make verify`: what AWS has, and how the first runs ended.

They do not check the files of the lake, which `totelake verify` does.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from ops.deploy import account
from ops.deploy.environments import DeployEnvironment

STAGES = ("ingest", "transform", "load", "reconcile", "drift", "compact", "verify")

_GLUE_VERSION = "6.0"
_DEFINE = "define"
_UNFINISHED = {"STARTING", "RUNNING", "STOPPING", "WAITING"}
_KEYS_CHECKED = 10_000  # of each zone, which covers the first days
# What S3A's committers leave behind, and the markers that Hadoop writes for empty folders.
_LEFT_OVER = re.compile(r"/(_temporary|__magic[^/]*|\.spark-staging[^/]*)/|_\$folder\$$|/$")
_READ_THE_LOG = "read its log: docs/runbooks/run-failed.md"
_REMEDIES = {
    r"assume role|assumeRole": "set job_trust_conditions = false in the environment's tfvars file and deploy",
    r"Lake Formation": "make IAM control the catalog: docs/runbooks/first-day.md, Lake Formation",
    r"root certificate|SSL root|databases-ca\.pem": "see docs/runbooks/first-day.md, certificates",
    r"No matching distribution|ModuleNotFoundError": "see docs/runbooks/first-day.md, modules",
    r"pg_control_system|startup parameter|command-line options": "see docs/runbooks/first-day.md, totesys",
}
"""What to do about a failed run, by a regular expression for its error; the first that matches counts."""


class Outcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WAITING = "not yet"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check saw, and what to do about it, which is empty if there is nothing to do."""

    subject: str
    outcome: Outcome
    seen: str
    action: str = ""

    def __str__(self) -> str:
        """Return one line."""
        action = f"; {self.action}" if self.action else ""
        return f"{self.outcome:<7} {self.subject}: {' '.join(self.seen.split())}{action}"


@dataclass(frozen=True, slots=True)
class _Deployment:
    """The deployment of an environment, and the boto3 clients for it."""

    prefix: str
    client: Callable[[str], Any]

    def name(self, part: str) -> str:
        return f"{self.prefix}-{part}"

    def listed(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Yield the elements of `key` in all pages of a listing."""
        for page in self.client(service).get_paginator(operation).paginate(**parameters):
            yield from page.get(key, [])


type _Answer = tuple[Outcome, str, str]
"""Outcome, what was seen, and what to do."""


def run(environment: DeployEnvironment) -> Iterator[CheckResult]:
    """Yield the result of each check; a request that AWS refuses is a failed check.

    Raises `AwsUnreachableError` and `CredentialsError`, like the functions of `account`.
    """
    deployment = _Deployment(environment.prefix, partial(account.client, environment))
    checks: dict[str, Callable[[_Deployment], _Answer]] = {
        "Lake Formation": _lake_formation,
        "jobs": _jobs,
        "job define": _definition,
        **{f"job {stage}": partial(_last_run, stage=stage) for stage in STAGES},
        "workflow": _workflow,
        "logs": _logs,
        "alerts": _alerts,
        "schedules": _schedules,
        "missed starts": _missed_starts,
        "alarms": _alarms,
        "lake": _lake,
    }
    for subject, check in checks.items():
        with account.translated_errors():
            try:
                outcome, seen, action = check(deployment)
            except ClientError as error:
                outcome, seen, action = Outcome.FAILED, str(error), "deploy, or get the permission to read it"
        yield CheckResult(subject, outcome, seen, action)


def _lake_formation(deployment: _Deployment) -> _Answer:
    settings = deployment.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    controlled = [
        kind
        for kind in ("Database", "Table")
        if "IAM_ALLOWED_PRINCIPALS"
        not in {
            grant["Principal"]["DataLakePrincipalIdentifier"]
            for grant in settings.get(f"Create{kind}DefaultPermissions", [])
        }
    ]
    if controlled:
        seen = f"new {' and '.join(f'{kind.lower()}s' for kind in controlled)} are not open to IAM's policies"
        return Outcome.FAILED, seen, "grant them to IAMAllowedPrincipals: docs/runbooks/first-day.md, Lake Formation"
    return Outcome.OK, "IAM alone controls new databases and tables", ""


def _jobs(deployment: _Deployment) -> _Answer:
    versions = {job["Name"]: job.get("GlueVersion") for job in deployment.listed("glue", "get_jobs", "Jobs")}
    wrong = [
        f"{name} {f'has Glue {versions[name]}' if name in versions else 'is missing'}"
        for name in map(deployment.name, STAGES)
        if versions.get(name) != _GLUE_VERSION
    ]
    if wrong:
        return Outcome.FAILED, ", ".join(wrong), "deploy"
    return Outcome.OK, f"{len(STAGES)} jobs with Glue {_GLUE_VERSION}", ""


def _definition(deployment: _Deployment) -> _Answer:
    """Check the job that creates tables and roles of a warehouse that Terraform creates."""
    if deployment.name(_DEFINE) not in {job["Name"] for job in deployment.listed("glue", "get_jobs", "Jobs")}:
        return Outcome.OK, "none, because the owner of the warehouse defines it", ""
    return _last_run(deployment, _DEFINE)


def _last_run(deployment: _Deployment, stage: str) -> _Answer:
    job_run = _last_run_of(deployment, stage)
    if job_run is None:
        return Outcome.WAITING, "has not run", f"start it: aws glue start-job-run --job-name {deployment.name(stage)}"
    state, run_id = job_run["JobRunState"], job_run["Id"]
    if state in _UNFINISHED:
        return Outcome.WAITING, f"run {run_id} is {state}", "wait for its end"
    if state == "SUCCEEDED":
        return Outcome.OK, f"run {run_id} succeeded in {job_run.get('ExecutionTime', 0)} s", ""
    error = job_run.get("ErrorMessage", "without a message")
    remedies = (remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, error))
    return Outcome.FAILED, f"run {run_id} is {state}: {error}", next(remedies, _READ_THE_LOG)


def _last_run_of(deployment: _Deployment, stage: str) -> dict[str, Any] | None:
    runs = deployment.client("glue").get_job_runs(JobName=deployment.name(stage), MaxResults=1)["JobRuns"]
    return next(iter(runs), None)


def _workflow(deployment: _Deployment) -> _Answer:
    runs = deployment.client("glue").get_workflow_runs(Name=deployment.prefix, MaxResults=1)["Runs"]
    if not runs:
        start = f"start it: aws glue start-workflow-run --name {deployment.prefix}"
        return Outcome.WAITING, "has not run", start
    status, actions = runs[0]["Status"], runs[0]["Statistics"]
    succeeded, total = actions["SucceededActions"], actions["TotalActions"]
    seen = f"run {runs[0]['WorkflowRunId']} is {status}, {succeeded} of {total} jobs succeeded"
    if status in {"RUNNING", "STOPPING"}:
        return Outcome.WAITING, seen, "wait for its end"
    # A run with failed jobs is COMPLETED too.
    if status != "COMPLETED" or succeeded < total:
        return Outcome.FAILED, seen, "see the lines of its jobs"
    return Outcome.OK, seen, ""


def _logs(deployment: _Deployment) -> _Answer:
    """Look for the output of the last ingest where the mails and runbooks say that it is."""
    job_run = _last_run_of(deployment, "ingest")
    if job_run is None:
        return Outcome.WAITING, "ingest has not run", "start the workflow"
    logs, name = deployment.client("logs"), deployment.name("ingest")
    groups = [f"/aws-glue/jobs/{deployment.prefix}-role/{name}/output", "/aws-glue/jobs/output"]
    for group in groups:
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job_run["Id"])["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            continue
        if streams:
            return Outcome.OK, f"{group} has the stream {streams[0]['logStreamName']}", ""
    find = "find it in the console, and correct the links in modules/alerting and run-failed.md"
    return Outcome.FAILED, f"no stream of {job_run['Id']} in {' or '.join(groups)}", find


def _alerts(deployment: _Deployment) -> _Answer:
    topics = [topic["TopicArn"] for topic in deployment.listed("sns", "list_topics", "Topics")]
    topic = next((arn for arn in topics if arn.endswith(f":{deployment.name('alerts')}")), None)
    if topic is None:
        return Outcome.FAILED, f"there is no topic {deployment.name('alerts')}", "deploy"
    subscriptions = list(
        deployment.listed("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic),
    )
    pending = [each["Endpoint"] for each in subscriptions if each["SubscriptionArn"] == "PendingConfirmation"]
    if pending:
        confirm = "follow the link in the mail 'AWS Notification - Subscription Confirmation'"
        return Outcome.FAILED, f"{', '.join(pending)} has not confirmed the subscription", confirm
    if not subscriptions:
        return Outcome.FAILED, f"nobody is subscribed to {topic}", "set TF_VAR_alert_email and deploy"
    return Outcome.OK, f"{', '.join(each['Endpoint'] for each in subscriptions)} is subscribed", ""


def _schedules(deployment: _Deployment) -> _Answer:
    schedules = list(
        deployment.listed("scheduler", "list_schedules", "Schedules", NamePrefix=deployment.name("")),
    )
    if not schedules:
        return Outcome.FAILED, "there are none", "deploy"
    return Outcome.OK, ", ".join(f"{each['Name']} {each['State'].lower()}" for each in schedules), ""


def _missed_starts(deployment: _Deployment) -> _Answer:
    """Look for messages in the queues: a start that the scheduler's role may not make ends there, and nowhere else."""
    sqs = deployment.client("sqs")
    urls = list(deployment.listed("sqs", "list_queues", "QueueUrls", QueueNamePrefix=deployment.name("")))
    number = "ApproximateNumberOfMessages"
    counts = {
        url: int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[number])["Attributes"][number]) for url in urls
    }
    filled = {url: count for url, count in counts.items() if count}
    if filled:
        seen = ", ".join(f"{count} messages in {url.rpartition('/')[2]}" for url, count in filled.items())
        return Outcome.FAILED, seen, f"read why: aws sqs receive-message --queue-url {next(iter(filled))}"
    return Outcome.OK, f"no messages in {len(urls)} queues", ""


def _alarms(deployment: _Deployment) -> _Answer:
    parameters = {"AlarmNamePrefix": deployment.name(""), "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    pages = deployment.client("cloudwatch").get_paginator("describe_alarms").paginate(**parameters)
    alarms = [alarm for page in pages for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"])]
    if not alarms:
        return Outcome.FAILED, "there are none", "deploy"
    raised = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
    if raised:
        return Outcome.FAILED, f"{', '.join(raised)}", "see each alarm's description, which names its runbook"
    return Outcome.OK, f"none of {len(alarms)} is raised", ""


def _lake(deployment: _Deployment) -> _Answer:
    """Look for what a committer has left: a Redshift COPY or another engine would read it as data."""
    left_over, checked = [], 0
    for zone in ("ingested", "processed"):
        listing = deployment.listed("s3", "list_objects_v2", "Contents", Bucket=deployment.name(zone), Prefix="tables/")
        for entry in islice(listing, _KEYS_CHECKED):
            checked += 1
            if _LEFT_OVER.search(entry["Key"]):
                left_over.append(f"s3://{deployment.name(zone)}/{entry['Key']}")
    if left_over:
        seen = f"{len(left_over)} keys are not data files, the first is {left_over[0]}"
        return Outcome.FAILED, seen, "see docs/runbooks/first-day.md, files"
    if not checked:
        return Outcome.WAITING, "has no data files", "start the workflow"
    return Outcome.OK, f"{checked} keys, all of them data files", ""
