"""Restart of the endpoint: histories are kept, and the processes that it started end with it."""

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


class EndpointProcess:
    """An endpoint in its own process, over a state folder that outlives it."""

    def __init__(self, state: Path, *, spare: bool = False) -> None:
        """Start the process and wait until it serves."""
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
        """Return a boto3 client of the endpoint."""
        session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def define(self, script: str, kind: str) -> Any:
        """Create a job, and a workflow whose start trigger starts it; return the Glue client."""
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
        """Kill the process, so that it cannot clean up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts endpoints on one state folder; kill them after the test."""
    started: list[EndpointProcess] = []

    def start(**options: bool) -> EndpointProcess:
        started.append(EndpointProcess(tmp_path, **options))
        return started[-1]

    yield start
    for endpoint in started:
        endpoint.kill()


def wait_for(read: Any, seconds: float = 60) -> Any:
    """Poll `read` until its value is true, and return the value."""
    end = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < end, f"no result after {seconds} s"
        time.sleep(0.05)
    return value


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all processes below `process`."""
    return psutil.Process(process.pid).children(recursive=True)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those of `processes` that have not ended; a zombie has ended."""
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_killing_the_endpoint_ends_all_its_processes(endpoints: Any, tmp_path: Path):
    """The driver, its JVM, its Python workers and the warm spare end with it."""
    endpoint = endpoints(spare=True)
    glue = endpoint.define(SPARK_WITH_WORKERS, "glueetl")
    run_id = glue.start_job_run(JobName="job")["JobRunId"]
    printed = tmp_path / "jobs" / run_id
    wait_for(lambda: [file for file in printed.glob("std*") if "in a worker" in file.read_text()])
    processes = descendants(endpoint.process)
    names = {process.name() for process in processes}
    assert "java" in names
    assert len(processes) >= 4
    endpoint.kill()
    wait_for(lambda: not running(processes), seconds=20)


def test_histories_survive_a_restart_and_running_runs_are_marked_interrupted(endpoints: Any, tmp_path: Path):
    """Completed runs are unchanged; runs in progress end with an error message."""
    first = endpoints()
    glue = first.define("print('fine')", "pythonshell")
    done = glue.start_workflow_run(Name="workflow")["RunId"]
    wait_for(lambda: "CompletedOn" in glue.get_workflow_run(Name="workflow", RunId=done)["Run"])
    before = glue.get_workflow_run(Name="workflow", RunId=done, IncludeGraph=True)["Run"]
    first.client("s3").put_object(Bucket="scripts", Key="job.py", Body="import time; time.sleep(120)")
    cut = glue.start_workflow_run(Name="workflow")["RunId"]
    wait_for(lambda: glue.get_job_runs(JobName="job")["JobRuns"][0]["JobRunState"] == "RUNNING")
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
    wait_for(lambda: "CompletedOn" in glue.get_workflow_run(Name="workflow", RunId=again)["Run"])


def test_terminating_the_endpoint_stops_its_runs(endpoints: Any, tmp_path: Path):
    """Job run and workflow run are STOPPED, both with an error message."""
    first = endpoints()
    glue = first.define("import time; time.sleep(120)", "pythonshell")
    run_id = glue.start_workflow_run(Name="workflow")["RunId"]
    wait_for(lambda: glue.get_job_runs(JobName="job")["JobRuns"][0]["JobRunState"] == "RUNNING")
    processes = descendants(first.process)
    first.process.terminate()
    first.process.wait(timeout=30)
    assert processes
    assert not running(processes)
    glue = endpoints().define("", "pythonshell")
    run = glue.get_workflow_run(Name="workflow", RunId=run_id)["Run"]
    job_run = glue.get_job_runs(JobName="job")["JobRuns"][0]
    assert (run["Status"], job_run["JobRunState"]) == ("STOPPED", "STOPPED")
    assert "endpoint ended" in run["ErrorMessage"]
    assert "endpoint ended" in job_run["ErrorMessage"]


def test_truncated_history_is_read_up_to_the_last_complete_line(endpoints: Any, tmp_path: Path):
    """An incomplete line, left by a crash, is skipped."""
    first = endpoints()
    glue = first.define("", "pythonshell")
    run_id = glue.start_job_run(JobName="job")["JobRunId"]
    wait_for(lambda: "CompletedOn" in glue.get_job_run(JobName="job", RunId=run_id)["JobRun"])
    first.kill()
    history = tmp_path / "jobs" / "job-runs.jsonl"
    history.write_text(history.read_text() + json.dumps({"id": "jr_cut", "job_name": "job"})[:-5])
    glue = endpoints().define("", "pythonshell")
    assert [run["Id"] for run in glue.get_job_runs(JobName="job")["JobRuns"]] == [run_id]
