"""What outlives the endpoint's process, and what must not: histories stay, processes end with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from tests import roles

REGION = "eu-west-2"
REPOSITORY = Path(__file__).resolve().parents[2]

SERVER = """
import signal
import sys
from pathlib import Path
from botocore.credentials import Credentials
from local_aws.server import LocalAws
from local_aws.state import State

aws = LocalAws(State(Path(sys.argv[1])), Credentials("local", "local"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print(aws.port, flush=True)
aws.serve()
"""

SPARK_WITH_WORKERS = """
import time
from pyspark.sql import SparkSession
session = SparkSession.builder.getOrCreate()
session.sparkContext.parallelize([1], 1).map(lambda _: (print("in a worker", flush=True), time.sleep(120))).collect()
"""


class Endpoint:
    """An endpoint in a process of its own, in a state folder that outlives it."""

    def __init__(self, state: Path, *, spare: bool = False) -> None:
        """Start it and wait until it serves."""
        environment = {**os.environ, "TOTELAKE_WARM_SPARK": "1" if spare else "0", "PYTHONPATH": str(REPOSITORY)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(state)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def client(self, service: str) -> Any:
        """Return a boto3 client of it."""
        session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def define(self, script: str, kind: str) -> Any:
        """Make a job, and a workflow whose start trigger starts it; return the client."""
        s3, glue = self.client("s3"), self.client("glue")
        if not s3.list_buckets()["Buckets"]:
            s3.create_bucket(Bucket="scripts", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="scripts", Key="job.py", Body=script)
        command = {"Name": kind, "ScriptLocation": "s3://scripts/job.py"}
        roles.create(self.client("iam"), "role")
        glue.create_job(Name="job", Role="role", Command=command)
        glue.create_workflow(Name="workflow")
        glue.create_trigger(Name="start", WorkflowName="workflow", Type="ON_DEMAND", Actions=[{"JobName": "job"}])
        return glue

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[Any]:
    """Start endpoints on one state folder, and end those that are left."""
    started: list[Endpoint] = []

    def start(**options: bool) -> Endpoint:
        started.append(Endpoint(tmp_path, **options))
        return started[-1]

    yield start
    for endpoint in started:
        endpoint.kill()


def until(look: Any, seconds: float = 60) -> Any:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "nothing to see"
        time.sleep(0.05)
    return seen


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all processes that an endpoint has started."""
    return psutil.Process(process.pid).children(recursive=True)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that have not ended; one that nobody has collected yet has ended."""
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_endpoint_leaves_no_process_behind(endpoints: Any, tmp_path: Path):
    """The driver, its JVM and its Python workers end with the endpoint, and so does the warm spare."""
    endpoint = endpoints(spare=True)
    glue = endpoint.define(SPARK_WITH_WORKERS, "glueetl")
    run_id = glue.start_job_run(JobName="job")["JobRunId"]
    printed = tmp_path / "jobs" / run_id
    until(lambda: [file for file in printed.glob("std*") if "in a worker" in file.read_text()])
    processes = descendants(endpoint.process)
    names = {process.name() for process in processes}
    assert "java" in names
    assert len(processes) >= 4
    endpoint.kill()
    until(lambda: not living(processes), seconds=20)


def test_histories_outlive_the_endpoint(endpoints: Any, tmp_path: Path):
    """Runs that ended are as they were; those that were under way are told to have been interrupted."""
    first = endpoints()
    glue = first.define("print('fine')", "pythonshell")
    done = glue.start_workflow_run(Name="workflow")["RunId"]
    until(lambda: "CompletedOn" in glue.get_workflow_run(Name="workflow", RunId=done)["Run"])
    before = glue.get_workflow_run(Name="workflow", RunId=done, IncludeGraph=True)["Run"]
    first.client("s3").put_object(Bucket="scripts", Key="job.py", Body="import time; time.sleep(120)")
    cut = glue.start_workflow_run(Name="workflow")["RunId"]
    until(lambda: glue.get_job_runs(JobName="job")["JobRuns"][0]["JobRunState"] == "RUNNING")
    first.kill()

    glue = endpoints().define("print('fine')", "pythonshell")
    runs = glue.get_workflow_runs(Name="workflow", IncludeGraph=True)["Runs"]
    assert [run["WorkflowRunId"] for run in runs] == [cut, done]
    assert runs[1] == before
    assert (runs[0]["Status"], runs[0]["Statistics"]["FailedActions"]) == ("STOPPED", 1)
    assert "endpoint ended" in runs[0]["ErrorMessage"]
    interrupted = glue.get_job_runs(JobName="job")["JobRuns"][0]
    assert (interrupted["JobRunState"], "endpoint ended" in interrupted["ErrorMessage"]) == ("FAILED", True)
    again = glue.start_workflow_run(Name="workflow")["RunId"]
    until(lambda: "CompletedOn" in glue.get_workflow_run(Name="workflow", RunId=again)["Run"])


def test_an_endpoint_that_is_told_to_end_ends_its_runs(endpoints: Any, tmp_path: Path):
    """The job is stopped and the workflow run with it, and both say why."""
    first = endpoints()
    glue = first.define("import time; time.sleep(120)", "pythonshell")
    run_id = glue.start_workflow_run(Name="workflow")["RunId"]
    until(lambda: glue.get_job_runs(JobName="job")["JobRuns"][0]["JobRunState"] == "RUNNING")
    processes = descendants(first.process)
    first.process.terminate()
    first.process.wait(timeout=30)
    assert processes
    assert not living(processes)
    glue = endpoints().define("", "pythonshell")
    run = glue.get_workflow_run(Name="workflow", RunId=run_id)["Run"]
    job_run = glue.get_job_runs(JobName="job")["JobRuns"][0]
    assert (run["Status"], job_run["JobRunState"]) == ("STOPPED", "STOPPED")
    assert "endpoint ended" in run["ErrorMessage"]
    assert "endpoint ended" in job_run["ErrorMessage"]


def test_a_history_that_a_crash_cut_off_is_read_up_to_there(endpoints: Any, tmp_path: Path):
    """Half a line is left out."""
    first = endpoints()
    glue = first.define("", "pythonshell")
    run_id = glue.start_job_run(JobName="job")["JobRunId"]
    until(lambda: "CompletedOn" in glue.get_job_run(JobName="job", RunId=run_id)["JobRun"])
    first.kill()
    history = tmp_path / "jobs" / "job-runs.jsonl"
    history.write_text(history.read_text() + json.dumps({"id": "jr_cut", "job_name": "job"})[:-5])
    glue = endpoints().define("", "pythonshell")
    assert [run["Id"] for run in glue.get_job_runs(JobName="job")["JobRuns"]] == [run_id]
