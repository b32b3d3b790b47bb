"""Fixtures of the local AWS tests: an endpoint in the test process, and helpers for Glue jobs and triggers."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials

from local_aws import deployed_code
from local_aws.server import LocalAws
from local_aws.state import State
from tests import roles

REGION = "eu-west-2"
OWNER = Credentials("local", "local")


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Serve a local AWS for one test module; a minute of a job's timeout lasts a second."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    with pytest.MonkeyPatch.context() as process:
        process.setenv("TOTELAKE_WARM_SPARK", "0")
        state = State(tmp_path_factory.mktemp("world"))
        with LocalAws(state, OWNER, seconds_per_minute=1.0, started=an_hour_ago) as served:
            yield served


class GlueFixtures:
    """Helpers that create scripts, jobs and triggers, start runs and wait for their states."""

    bucket = "glue-tests"

    def __init__(self, aws: LocalAws) -> None:
        """Create the bucket of the scripts, and a role for the jobs."""
        self.aws = aws
        self.glue = aws.client("glue")
        self.s3 = aws.client("s3")
        self.logs = aws.client("logs")
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        roles.create(aws.client("iam"), "role")

    @staticmethod
    def wait[Value](read: Callable[[], Value], until: Callable[[Value], bool], seconds: float = 30) -> Value:
        """Poll `read` until `until` accepts its value, and return the value; fail with the last one after `seconds`."""
        end = time.monotonic() + seconds
        while not until(value := read()):
            assert time.monotonic() < end, f"condition not met after {seconds} s: {value}"
            time.sleep(0.02)
        return value

    def put(self, key: str, content: str | bytes) -> str:
        """Put an object and return its URL."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def deployed(self, *code: str | bytes) -> None:
        """Record these contents as the code of the last deployment, so that their jobs may share a JVM."""
        contents = [item.encode() if isinstance(item, str) else item for item in code]
        self.aws.state.deployed_code.write_text(json.dumps([deployed_code.digest(content) for content in contents]))

    def job(self, name: str, script: str = "", *, kind: str = "pythonshell", **members: Any) -> str:
        """Create a job that runs `script`, and return its name."""
        url = self.put(f"scripts/{name}.py", script)
        self.glue.create_job(
            **{"Name": name, "Role": "role", "Command": {"Name": kind, "ScriptLocation": url}, **members}
        )
        return name

    def start(self, name: str, **members: Any) -> str:
        """Start a run of a job and return its id."""
        return str(self.glue.start_job_run(JobName=name, **members)["JobRunId"])

    def run(self, name: str, run_id: str) -> dict[str, Any]:
        """Return the job run as GetJobRun describes it."""
        return dict(self.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"])

    def in_state(self, name: str, run_id: str, *states: str) -> dict[str, Any]:
        """Wait until a run is in one of `states`, and return it."""
        return self.wait(lambda: self.run(name, run_id), lambda run: run["JobRunState"] in states)

    def ended(self, name: str, run_id: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for the end of a job run, and return it."""
        return self.wait(lambda: self.run(name, run_id), lambda run: "CompletedOn" in run, seconds)

    def output(self, run_id: str, kind: str = "output") -> list[str]:
        """Return the lines of a run's log: `output` or `error`."""
        events = self.logs.get_log_events(logGroupName=f"/aws-glue/jobs/{kind}", logStreamName=run_id)["events"]
        return [event["message"] for event in events]

    def trigger(self, name: str, workflow: str | None, *jobs: str, **members: Any) -> str:
        """Create a trigger that starts jobs, ON_DEMAND by default; other types are activated."""
        members = {"Type": "ON_DEMAND", "Actions": [{"JobName": job} for job in jobs], **members}
        if workflow:
            members["WorkflowName"] = workflow
        self.glue.create_trigger(Name=name, StartOnCreation=members["Type"] != "ON_DEMAND", **members)
        return name

    def after(
        self, name: str, workflow: str | None, conditions: dict[str, str], *jobs: str, logical: str = "AND"
    ) -> str:
        """Create a conditional trigger on the states of jobs."""
        predicate = {
            "Logical": logical,
            "Conditions": [
                {"LogicalOperator": "EQUALS", "JobName": job, "State": state} for job, state in conditions.items()
            ],
        }
        return self.trigger(name, workflow, *jobs, Type="CONDITIONAL", Predicate=predicate)

    def workflow_run(self, name: str, run_id: str) -> dict[str, Any]:
        """Return the workflow run as GetWorkflowRun describes it, with its graph."""
        return dict(self.glue.get_workflow_run(Name=name, RunId=run_id, IncludeGraph=True)["Run"])

    def nodes(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the nodes of a run's graph by their names."""
        return {node["Name"]: node for node in run["Graph"]["Nodes"]}

    def workflow_ended(self, name: str, run_id: str) -> dict[str, Any]:
        """Wait for the end of a workflow run, and return it."""
        return self.wait(lambda: self.workflow_run(name, run_id), lambda run: "CompletedOn" in run)


@pytest.fixture(scope="module")
def world(local_aws: LocalAws) -> GlueFixtures:
    """Return helpers for Glue on the module's local AWS."""
    return GlueFixtures(local_aws)
