"""Glue jobs that run: states, times, arguments, logs, limits and ends, by plain boto3."""

import io
import json
import time
import zipfile
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

SLEEP = "import time\nprint('begun')\ntime.sleep(60)\n"


def test_a_run_succeeds_and_says_what_happened(world: Any):
    """Times, state and size are those of the run."""
    world.job(
        "succeeds",
        "import time; time.sleep(1.1)",
        kind="glueetl",
        GlueVersion="6.0",
        WorkerType="G.1X",
        NumberOfWorkers=2,
    )
    run = world.ended("succeeds", world.start("succeeds"))
    assert run["JobRunState"] == "SUCCEEDED"
    assert run["StartedOn"] < run["CompletedOn"] == run["LastModifiedOn"]
    assert run["ExecutionTime"] >= 1
    assert (run["Attempt"], run["JobName"], run["Timeout"], run["MaxCapacity"]) == (0, "succeeds", 480, 2.0)
    assert (run["GlueVersion"], run["WorkerType"], run["NumberOfWorkers"]) == ("6.0", "G.1X", 2)
    assert "ErrorMessage" not in run
    assert run["LogGroupName"] == "/aws-glue/jobs"


def test_the_script_gets_the_arguments_that_glue_would_give(world: Any):
    """Precedence, reserved names and the run's identity."""
    world.job(
        "arguments",
        "import json, sys; print(json.dumps(sys.argv[1:]))",
        DefaultArguments={"--a": "default", "--b": "default", "--mode": "mine", "--enable-metrics": ""},
        NonOverridableArguments={"--c": "fixed"},
    )
    run_id = world.start("arguments", Arguments={"--b": "run", "--c": "run"})
    run = world.ended("arguments", run_id)
    words = json.loads(world.output(run_id)[0])
    given = dict(zip(words[::2], words[1::2], strict=True))
    job_id = given.pop("--JOB_ID")
    assert job_id.startswith("j_")
    assert given == {
        "--a": "default",
        "--b": "run",
        "--c": "fixed",
        "--enable-metrics": "",
        "--JOB_NAME": "arguments",
        "--JOB_RUN_ID": run_id,
    }
    assert run["Arguments"]["--b"] == "run"


def test_a_failure_ends_with_the_exceptions_last_line(world: Any):
    """The class is named without its module; the traceback is in the error log, from the script's first frame."""
    world.job(
        "fails", "class SourceSchemaError(Exception): pass\nraise SourceSchemaError('sales_order lacks staff_id')\n"
    )
    run_id = world.start("fails")
    run = world.ended("fails", run_id)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "SourceSchemaError: sales_order lacks staff_id")
    traceback = world.output(run_id, "error")
    assert traceback[0].startswith("Traceback")
    assert traceback[1].endswith('fails.py", line 2, in <module>')


@pytest.mark.parametrize(
    ("name", "script", "state", "message"),
    [
        ("exits-0", "import sys; sys.exit(0)", "SUCCEEDED", None),
        ("exits-3", "import sys; sys.exit(3)", "FAILED", "SystemExit: 3"),
        ("exits-hard", "import os; os._exit(7)", "FAILED", "Command failed with exit code 7"),
        ("is-killed", "import os; os.kill(os.getpid(), 9)", "FAILED", "Command was ended by signal 9"),
        ("no-python", "def (", "FAILED", "SyntaxError: invalid syntax (no-python.py, line 1)"),
    ],
)
def test_however_a_script_ends_its_run_ends(world: Any, name: str, script: str, state: str, message: str | None):
    """A run follows its process, also where that cannot say a word any more."""
    world.job(name, script)
    run = world.ended(name, world.start(name))
    assert (run["JobRunState"], run.get("ErrorMessage")) == (state, message)


def test_a_script_that_is_not_in_s3_fails_the_run_with_the_reason(world: Any):
    """A wrong ScriptLocation is no hang and no success."""
    url = f"s3://{world.bucket}/nothing.py"
    world.glue.create_job(Name="absent", Role="role", Command={"Name": "glueetl", "ScriptLocation": url})
    run = world.ended("absent", world.start("absent"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(f"Failed to download {url}: ")


def test_packages_and_files_are_beside_the_script(world: Any):
    """`--extra-py-files` can be imported, `--extra-files` opened."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("parcel/__init__.py", "WORD = 'from the zip'")
    zipped, settings = world.put("lib/parcel.zip", archive.getvalue()), world.put("lib/settings.txt", "from the file")
    world.job(
        "packages",
        "import parcel, subprocess, sys\nprint(parcel.WORD)\nprint(open('settings.txt').read())\n"
        "subprocess.run([sys.executable, '-c', 'import parcel; print(parcel.WORD)'], check=True)",
        DefaultArguments={"--extra-py-files": zipped, "--extra-files": settings},
    )
    run_id = world.start("packages")
    assert world.ended("packages", run_id)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) == ["from the zip", "from the file", "from the zip"]


def test_a_module_that_is_not_installed_fails_the_run(world: Any):
    """Nothing is installed for a local run, so what is missing is named."""
    world.job("modules", "", DefaultArguments={"--additional-python-modules": "boto3,nothing-like-it==1.0"})
    run = world.ended("modules", world.start("modules"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("ModuleNotFoundError: nothing-like-it==1.0 is not installed")


def test_a_job_reaches_this_aws_and_no_other(world: Any):
    """The job's own boto3 finds the endpoint, its region and its credentials."""
    world.job("client", "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])")
    run_id = world.start("client")
    assert world.ended("client", run_id)["JobRunState"] == "SUCCEEDED"
    assert world.bucket in world.output(run_id)[0]


def test_what_a_job_prints_can_be_read_while_it_runs_and_stays_in_files(world: Any):
    """Standard output is in CloudWatch Logs before the run ends, and in the run's folder."""
    world.job("prints", SLEEP)
    run_id = world.start("prints")
    world.in_state("prints", run_id, "RUNNING")
    world.wait(lambda: world.output(run_id), lambda lines: lines == ["begun"])
    assert world.run("prints", run_id)["JobRunState"] == "RUNNING"
    assert (world.aws.state.jobs / run_id / "stdout").read_text() == "begun\n"
    world.glue.batch_stop_job_run(JobName="prints", JobRunIds=[run_id])
    world.ended("prints", run_id)


def test_a_run_that_is_stopped_ends_with_its_processes(world: Any):
    """STOPPING, then STOPPED; children of the script end as well."""
    world.job("stopped", "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)\nimport time; time.sleep(60)")
    run_id = world.start("stopped")
    child = int(world.wait(lambda: world.in_state("stopped", run_id, "RUNNING") and world.output(run_id), bool)[0])
    answer = world.glue.batch_stop_job_run(JobName="stopped", JobRunIds=[run_id, "jr_none"])
    assert answer["SuccessfulSubmissions"] == [{"JobName": "stopped", "JobRunId": run_id}]
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert world.ended("stopped", run_id)["JobRunState"] == "STOPPED"
    world.wait(
        lambda: psutil.pid_exists(child) and psutil.Process(child).status(), lambda state: state in (False, "zombie")
    )
    again = world.glue.batch_stop_job_run(JobName="stopped", JobRunIds=[run_id])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "InvalidInputException"


def test_a_run_that_takes_too_long_times_out_and_is_not_retried(world: Any):
    """A minute is a second in these tests."""
    world.job("slow", SLEEP, Timeout=1, MaxRetries=2)
    run = world.ended("slow", world.start("slow"))
    assert run["JobRunState"] == "TIMEOUT"
    assert len(world.glue.get_job_runs(JobName="slow")["JobRuns"]) == 1
    longer = world.start("slow", Timeout=2)
    assert world.run("slow", longer)["Timeout"] == 2
    assert world.ended("slow", longer)["ExecutionTime"] >= 2


def test_no_more_runs_than_allowed(world: Any):
    """One by default; the next is refused, not queued."""
    world.job("single", SLEEP)
    run_id = world.start("single")
    with pytest.raises(ClientError) as refused:
        world.start("single")
    assert refused.value.response["Error"]["Code"] == "ConcurrentRunsExceededException"
    world.glue.batch_stop_job_run(JobName="single", JobRunIds=[run_id])
    world.ended("single", run_id)
    world.glue.batch_stop_job_run(JobName="single", JobRunIds=[world.start("single")])


def test_a_job_that_queues_its_runs_lets_the_next_one_wait(world: Any):
    """WAITING until there is room."""
    world.job("queued", "import time; time.sleep(1)", JobRunQueuingEnabled=True)
    first, second = world.start("queued"), world.start("queued")
    assert world.run("queued", second)["JobRunState"] == "WAITING"
    assert world.ended("queued", second)["JobRunState"] == "SUCCEEDED"
    assert world.run("queued", first)["CompletedOn"] <= world.run("queued", second)["StartedOn"]


def test_a_failed_run_is_retried_as_a_new_run(world: Any):
    """Attempts count up and point back."""
    world.job("retried", "raise ValueError('again')", MaxRetries=2)
    world.start("retried")
    runs = world.wait(
        lambda: world.glue.get_job_runs(JobName="retried")["JobRuns"],
        lambda found: len(found) == 3 and all("CompletedOn" in run for run in found),
    )
    assert [run["Attempt"] for run in runs] == [2, 1, 0]
    assert [run.get("PreviousRunId") for run in runs] == [runs[1]["Id"], runs[2]["Id"], None]
    assert {run["JobRunState"] for run in runs} == {"FAILED"}


def test_runs_come_newest_first_and_in_pages(world: Any):
    """A run that starts in between moves no page."""
    world.job("pages", "", ExecutionProperty={"MaxConcurrentRuns": 10})
    ids = [world.start("pages") for _ in range(3)]
    page = world.glue.get_job_runs(JobName="pages", MaxResults=2)
    ids_then = [run["Id"] for run in page["JobRuns"]]
    world.start("pages")
    rest = world.glue.get_job_runs(JobName="pages", MaxResults=2, NextToken=page["NextToken"])
    assert [*ids_then, *(run["Id"] for run in rest["JobRuns"])] == ids[::-1]
    assert "NextToken" not in rest
    world.wait(
        lambda: world.glue.get_job_runs(JobName="pages")["JobRuns"], lambda runs: all("CompletedOn" in r for r in runs)
    )


def test_job_states_become_events(world: Any):
    """A rule on failed jobs hears of them, with severity and message."""
    events, sqs = world.aws.client("events"), world.aws.client("sqs")
    queue = sqs.create_queue(QueueName="job-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.glue"], "detail-type": ["Glue Job State Change"], "detail": {"jobName": ["eventful"]}}
    events.put_rule(Name="jobs", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": arn}])
    world.job("eventful", "raise ValueError('no')")
    run_id = world.start("eventful")
    world.ended("eventful", run_id)
    messages = world.wait(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), bool)
    assert json.loads(messages[0]["Body"])["detail"] == {
        "jobName": "eventful",
        "severity": "ERROR",
        "state": "FAILED",
        "jobRunId": run_id,
        "message": "ValueError: no",
    }


def test_definitions_are_kept_replaced_listed_and_removed(world: Any):
    """What CreateJob and UpdateJob say is what GetJob shows, by all the ways of asking."""
    world.job("defined", "", Tags={"team": "data"}, Description="first", MaxRetries=1)
    job = world.glue.get_job(JobName="defined")["Job"]
    assert (job["Description"], job["MaxRetries"], job["ExecutionProperty"]) == ("first", 1, {"MaxConcurrentRuns": 1})
    world.glue.update_job(JobName="defined", JobUpdate={"Role": "other", "Command": job["Command"], "Timeout": 5})
    updated = world.glue.batch_get_jobs(JobNames=["defined", "undefined"])
    assert updated["JobsNotFound"] == ["undefined"]
    assert (updated["Jobs"][0]["Role"], updated["Jobs"][0]["Timeout"]) == ("other", 5)
    assert "Description" not in updated["Jobs"][0]
    assert updated["Jobs"][0]["CreatedOn"] == job["CreatedOn"]
    assert world.glue.list_jobs(Tags={"team": "data"})["JobNames"] == ["defined"]
    assert world.glue.get_tags(ResourceArn="arn:aws:glue:eu-west-2:123456789012:job/defined")["Tags"] == {
        "team": "data"
    }
    assert "defined" in [item["Name"] for item in world.glue.get_jobs()["Jobs"]]
    world.glue.delete_job(JobName="defined")
    world.glue.delete_job(JobName="defined")
    assert "defined" not in world.glue.list_jobs()["JobNames"]


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("get_job", {"JobName": "none"}, "EntityNotFoundException"),
        ("start_job_run", {"JobName": "none"}, "EntityNotFoundException"),
        ("get_job_run", {"JobName": "none", "RunId": "jr"}, "EntityNotFoundException"),
        ("get_job_runs", {"JobName": "none"}, "EntityNotFoundException"),
        ("update_job", {"JobName": "none", "JobUpdate": {}}, "EntityNotFoundException"),
        ("create_job", {"Name": "known", "Role": "r", "Command": {"ScriptLocation": "s"}}, "AlreadyExistsException"),
        ("create_job", {"Name": "x", "Role": "r", "Command": {}}, "InvalidInputException"),
        (
            "create_job",
            {"Name": "x", "Role": "r", "Command": {"ScriptLocation": "s"}, "ExecutionClass": "FAST"},
            "InvalidInputException",
        ),
        (
            "create_job",
            {"Name": "x", "Role": "r", "Command": {"ScriptLocation": "s"}, "MaxCapacity": 2.0, "WorkerType": "G.1X"},
            "InvalidInputException",
        ),
    ],
)
def test_wrong_requests_are_refused_by_their_codes(world: Any, operation: str, request_: dict[str, Any], code: str):
    """Clients catch these names."""
    if "known" not in world.glue.list_jobs()["JobNames"]:
        world.job("known")
    with pytest.raises(ClientError) as refused:
        getattr(world.glue, operation)(**request_)
    assert refused.value.response["Error"]["Code"] == code


def test_a_run_ends_soon_after_its_process(world: Any):
    """What has to be done after the end does not wait for anybody's look at the clock."""
    world.job("quick", "import time; print(time.time())")
    run_id = world.start("quick")
    completed = world.ended("quick", run_id)["CompletedOn"].timestamp()
    assert completed - float(world.output(run_id)[0]) < 5
    assert time.time() > completed
