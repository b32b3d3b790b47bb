"""Glue job runs: states, times, arguments, logs, limits, retries and errors, tested with boto3."""

import io
import json
import time
import zipfile
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

REQUIREMENTS = "wheels/requirements.txt"
SLEEP = "import time\nprint('begun')\ntime.sleep(60)\n"


def test_successful_run_has_its_times_state_and_capacity(world: Any):
    """As GetJobRun returns them."""
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


def test_script_gets_the_same_arguments_as_on_glue(world: Any):
    """By precedence, without reserved names, and with the ids of the job and the run."""
    world.job(
        "arguments",
        "import json, sys; print(json.dumps(sys.argv[1:]))",
        DefaultArguments={"--a": "default", "--b": "default", "--mode": "mine", "--enable-metrics": ""},
        NonOverridableArguments={"--c": "fixed"},
    )
    run_id = world.start("arguments", Arguments={"--b": "run", "--c": "run"})
    run = world.ended("arguments", run_id)
    words = json.loads(world.output(run_id)[0])
    arguments = dict(zip(words[::2], words[1::2], strict=True))
    job_id = arguments.pop("--JOB_ID")
    assert job_id.startswith("j_")
    assert arguments == {
        "--a": "default",
        "--b": "run",
        "--c": "fixed",
        "--enable-metrics": "",
        "--JOB_NAME": "arguments",
        "--JOB_RUN_ID": run_id,
    }
    assert run["Arguments"]["--b"] == "run"


def test_failed_run_has_the_last_line_of_the_traceback_as_message(world: Any):
    """The exception class has no module prefix; the error log has the traceback from the script's first frame."""
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
def test_run_ends_with_its_process(world: Any, name: str, script: str, state: str, message: str | None):
    """Even if the process is killed or cannot be started."""
    world.job(name, script)
    run = world.ended(name, world.start(name))
    assert (run["JobRunState"], run.get("ErrorMessage")) == (state, message)


ENDING = """
import atexit, os, sys, threading, time

def finish():
    time.sleep(0.5)
    print("thread")

atexit.register(print, "exit handler")
threading.Thread(target=finish).start()
child = os.fork()
if not child:
    sys.exit(5)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_threads_and_exit_handlers_of_a_script_end_before_its_process(world: Any):
    """The output is complete, and a forked child has its own exit status."""
    name = world.job("ending", ENDING)
    run_id = world.start(name)
    assert world.ended(name, run_id)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
    assert [line for line in world.output(run_id) if line != "exit handler"] == ["child 5", "thread"]
    assert world.output(run_id)[-1] == "exit handler"


def test_missing_script_fails_the_run(world: Any):
    """The message names the ScriptLocation."""
    url = f"s3://{world.bucket}/nothing.py"
    world.glue.create_job(Name="absent", Role="role", Command={"Name": "glueetl", "ScriptLocation": url})
    run = world.ended("absent", world.start("absent"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(f"Failed to download {url}: ")


def test_extra_packages_and_files_are_available_to_the_script(world: Any):
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


@pytest.mark.parametrize("name", ["replaced.py", "tmp", "outcome", "stdout", "stderr"])
def test_file_of_a_job_cannot_replace_another_in_the_folder_of_the_run(world: Any, name: str):
    """Neither the script nor what the local Glue has there."""
    job = f"replaced-{name}".removesuffix(".py")
    url = world.put(f"other/{name}", "print('other')")
    world.put("scripts/replaced.py", "print('the script')")
    script = {"Name": "pythonshell", "ScriptLocation": f"s3://{world.bucket}/scripts/replaced.py"}
    world.job(job, "", Command=script, DefaultArguments={"--extra-files": url})
    run = world.ended(job, world.start(job))
    assert run["ErrorMessage"] == f"InvalidInputException: {url}: the folder of the run has another file '{name}'"


def test_missing_python_module_fails_the_run(world: Any):
    """Nothing is installed for a local run; the message names the missing module."""
    world.job("modules", "", DefaultArguments={"--additional-python-modules": "boto3,nothing-like-it==1.0"})
    run = world.ended("modules", world.start("modules"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("ModuleNotFoundError: nothing-like-it==1.0 is not installed")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((REQUIREMENTS, f"wheels/boto3-{boto3.__version__}-py3-none-any.whl"), None),
        ((REQUIREMENTS, "wheels/boto3-1.0-py3-none-any.whl"), "ModuleNotFoundError: boto3==1.0 is required and "),
        ((REQUIREMENTS,), "InvalidInputException: {url} has no folder `wheels` with wheels and a requirements.txt"),
        (("boto3-1.0-py3-none-any.whl",), "InvalidInputException: {url} has no folder `wheels`"),
        ((), "InvalidInputException: {url} is not a zip of wheels: "),
    ],
    ids=["installed", "other-version", "no-wheels", "no-folder", "no-zip"],
)
def test_modules_in_a_zip_of_wheels_are_required(world: Any, names: tuple[str, ...], problem: str | None):
    """Its wheels are compared with the installed packages, and its layout with the one that Glue documents."""
    content = io.BytesIO()
    if names:
        with zipfile.ZipFile(content, "w") as archive:
            for name in names:
                archive.writestr(name, "")
    job = f"wheels-{len(names)}-{len(''.join(names))}"
    url = world.put(f"lib/{job}.gluewheels.zip", content.getvalue())
    world.job(job, "", DefaultArguments={"--additional-python-modules": url})
    run = world.ended(job, world.start(job))
    assert (run["JobRunState"], run.get("ErrorMessage", "").startswith((problem or "").format(url=url))) == (
        "FAILED" if problem else "SUCCEEDED",
        True,
    )


def test_boto3_in_a_job_uses_the_local_endpoint(world: Any):
    """Endpoint, region and credentials are set in its environment."""
    world.job("client", "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])")
    run_id = world.start("client")
    assert world.ended("client", run_id)["JobRunState"] == "SUCCEEDED"
    assert world.bucket in world.output(run_id)[0]


def test_output_of_a_running_job_is_in_its_log_and_its_folder(world: Any):
    """Standard output is in CloudWatch Logs before the run ends, and in a file."""
    world.job("prints", SLEEP)
    run_id = world.start("prints")
    world.in_state("prints", run_id, "RUNNING")
    world.wait(lambda: world.output(run_id), lambda lines: lines == ["begun"])
    assert world.run("prints", run_id)["JobRunState"] == "RUNNING"
    assert (world.aws.state.jobs / run_id / "stdout").read_text() == "begun\n"
    world.glue.batch_stop_job_run(JobName="prints", JobRunIds=[run_id])
    world.ended("prints", run_id)


def test_stopped_run_ends_with_all_its_processes(world: Any):
    """Child processes end too; a second stop is rejected."""
    world.job("stopped", "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)\nimport time; time.sleep(60)")
    run_id = world.start("stopped")
    child = int(world.wait(lambda: world.in_state("stopped", run_id, "RUNNING") and world.output(run_id), bool)[0])
    response = world.glue.batch_stop_job_run(JobName="stopped", JobRunIds=[run_id, "jr_none"])
    assert response["SuccessfulSubmissions"] == [{"JobName": "stopped", "JobRunId": run_id}]
    assert response["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert world.ended("stopped", run_id)["JobRunState"] == "STOPPED"
    world.wait(
        lambda: psutil.pid_exists(child) and psutil.Process(child).status(), lambda state: state in (False, "zombie")
    )
    again = world.glue.batch_stop_job_run(JobName="stopped", JobRunIds=[run_id])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "InvalidInputException"


def test_run_times_out_and_is_not_retried(world: Any):
    """A minute of the timeout lasts a second in these tests."""
    world.job("slow", SLEEP, Timeout=1, MaxRetries=2)
    run = world.ended("slow", world.start("slow"))
    assert run["JobRunState"] == "TIMEOUT"
    assert len(world.glue.get_job_runs(JobName="slow")["JobRuns"]) == 1
    longer = world.start("slow", Timeout=2)
    assert world.run("slow", longer)["Timeout"] == 2
    assert world.ended("slow", longer)["ExecutionTime"] >= 2


def test_start_is_rejected_at_the_limit_of_concurrent_runs(world: Any):
    """The limit is one by default; the next run is not queued."""
    world.job("single", SLEEP)
    run_id = world.start("single")
    with pytest.raises(ClientError) as error:
        world.start("single")
    assert error.value.response["Error"]["Code"] == "ConcurrentRunsExceededException"
    world.glue.batch_stop_job_run(JobName="single", JobRunIds=[run_id])
    world.ended("single", run_id)
    world.glue.batch_stop_job_run(JobName="single", JobRunIds=[world.start("single")])


def test_queued_run_starts_when_the_previous_one_has_ended(world: Any):
    """It is WAITING until then."""
    world.job("queued", "import time; time.sleep(1)", JobRunQueuingEnabled=True)
    first, second = world.start("queued"), world.start("queued")
    assert world.run("queued", second)["JobRunState"] == "WAITING"
    assert world.ended("queued", second)["JobRunState"] == "SUCCEEDED"
    assert world.run("queued", first)["CompletedOn"] <= world.run("queued", second)["StartedOn"]


def test_failed_run_is_retried_as_a_new_run(world: Any):
    """Each retry has the next attempt number and the id of the previous run."""
    world.job("retried", "raise ValueError('again')", MaxRetries=2)
    world.start("retried")
    runs = world.wait(
        lambda: world.glue.get_job_runs(JobName="retried")["JobRuns"],
        lambda runs: len(runs) == 3 and all("CompletedOn" in run for run in runs),
    )
    assert [run["Attempt"] for run in runs] == [2, 1, 0]
    assert [run.get("PreviousRunId") for run in runs] == [runs[1]["Id"], runs[2]["Id"], None]
    assert {run["JobRunState"] for run in runs} == {"FAILED"}


def test_runs_are_listed_from_the_newest_in_stable_pages(world: Any):
    """A run that starts between two pages does not shift them."""
    world.job("pages", "", ExecutionProperty={"MaxConcurrentRuns": 10})
    ids = [world.start("pages") for _ in range(3)]
    page = world.glue.get_job_runs(JobName="pages", MaxResults=2)
    first_ids = [run["Id"] for run in page["JobRuns"]]
    world.start("pages")
    rest = world.glue.get_job_runs(JobName="pages", MaxResults=2, NextToken=page["NextToken"])
    assert [*first_ids, *(run["Id"] for run in rest["JobRuns"])] == ids[::-1]
    assert "NextToken" not in rest
    world.wait(
        lambda: world.glue.get_job_runs(JobName="pages")["JobRuns"], lambda runs: all("CompletedOn" in r for r in runs)
    )


def test_job_state_change_is_an_event(world: Any):
    """A rule on the job receives it, with severity and message."""
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


def test_run_completes_soon_after_its_process_ends(world: Any):
    """Completion does not wait for a polling interval."""
    world.job("quick", "import time; print(time.time())")
    run_id = world.start("quick")
    completed = world.ended("quick", run_id)["CompletedOn"].timestamp()
    assert completed - float(world.output(run_id)[0]) < 5
    assert time.time() > completed
