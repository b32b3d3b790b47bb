"""A local environment: start, stop, restart after a kill, logs, status, schedules and cleanup."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from local_aws import processes
from local_aws.address import REGION
from local_aws.processes import has_ended
from local_aws.state import State
from ops.sandbox import aws, deployment, health, job_run, lifecycle, status
from ops.sandbox.errors import BusyError, NotRunningError

pytestmark = [pytest.mark.world, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]


INTERRUPT_AFTER_START = """
import os, signal, subprocess
from ops.cli import main

class Popen(subprocess.Popen):
    def __init__(self, command, **how):
        if "ops.sandbox.endpoint" not in command:
            return super().__init__(command, **how)
        super().__init__(["sh", "-c", 'sleep 5; exec "$@"', "sh", *command], **how)
        os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen = Popen
main()
"""


class Steps:
    """Records the names of the steps of a command."""

    def __init__(self):
        """Start with no steps."""
        self.names = []

    @contextmanager
    def __call__(self, name):
        """Record a step."""
        self.names.append(name)
        yield lambda _detail: None


def processes_of(state):
    """Return the processes whose command line or working directory contains the state folder."""
    found = [process for process in psutil.process_iter(["cmdline", "cwd"]) if process.pid != os.getpid()]
    return [
        process
        for process in found
        if str(state.root) in " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
    ]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Start an environment that the tests of this module share; each test leaves it running."""
    state = State(tmp_path_factory.mktemp("world").resolve() / "state")
    lifecycle.up(state, Steps())
    yield state
    lifecycle.purge(state, Steps())
    assert not state.root.exists()
    assert processes_of(state) == []


@pytest.fixture
def settings(state):
    """Return the settings of the running environment."""
    return lifecycle.up(state, Steps())


def test_aws_totesys_and_warehouse_are_available(state, settings):
    """AWS has Terraform's resources, totesys has its tables, and the warehouse's owner may create tables."""
    glue = aws.client(settings, "glue")
    names = deployment.outputs(state)

    assert glue.get_workflow(Name=names["workflow"])["Workflow"]["Name"] == "totelake-local"
    with psycopg.connect(settings.totesys_url) as connection:
        assert connection.execute("SELECT count(*) FROM sales_order").fetchone() == (0,)
    with psycopg.connect(settings.warehouse_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
        connection.rollback()


def test_up_is_idempotent(state, settings):
    """The same processes keep running, and no step is executed."""
    before = lifecycle.running(state, settings)
    steps = Steps()

    assert lifecycle.up(state, steps) == settings
    assert steps.names == []
    assert lifecycle.running(state, settings) == before


def test_files_with_secrets_are_readable_by_the_owner_only(state, settings):
    """Passwords are in world.json and in Terraform's variables."""
    for file in (state.world_file, state.terraform / "settings.tfvars.json"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_passwords_are_in_no_log_or_command_line(state, settings):
    """Other users and programs may read those."""
    said = "".join(path.read_text(errors="replace") for path in state.logs.iterdir())
    said += "".join(" ".join(process.cmdline()) for process in processes_of(state))

    assert [role for role, password in settings.passwords.items() if password in said] == []


def test_reader_role_of_totesys_cannot_write(settings):
    """Its INSERT is denied."""
    login = settings.login("totesys", "totelake_reader")
    url = f"postgresql://{login['username']}:{login['password']}@{login['host']}:{login['port']}/{login['database']}"
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error, match=r"read-only|permission denied"):
        connection.execute("INSERT INTO currency (currency_code) VALUES ('XXX')")


def totelake(state, *arguments):
    """Start a CLI command for the environment, and return its process."""
    command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state.root)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_failed_run_exits_with_1_and_sends_an_alert(state, settings):
    """The cause is in the output, in the alert and in the status."""
    with psycopg.connect(settings.totesys_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE currency RENAME COLUMN currency_code TO code")
        try:
            running = totelake(state, "run")
            said, _ = running.communicate(timeout=120)
        finally:
            connection.execute("ALTER TABLE currency RENAME COLUMN code TO currency_code")

    assert running.returncode == 1
    assert "ingest: failed" in said
    assert "ingest failed: SourceSchemaError: totesys.currency: column currency_code is missing." in said
    assert "totelake logs ingest" in said
    wait_until(lambda: status.gather(state).alerts)
    found = status.gather(state).to_json()
    assert [action["state"] for action in found["runs"][0]["actions"]] == ["failed", "waiting", "waiting"]
    assert found["runs"][0]["succeeded"] is False
    attempt = found["runs"][0]["actions"][0]["attempt"]
    mail = json.loads(found["alerts"][-1]["body"])
    assert mail["alert"] == "The Glue job totelake-local-ingest ended as FAILED."
    assert mail["error"].startswith("SourceSchemaError: totesys.currency: column currency_code is missing.")
    assert mail["run"] == attempt
    assert mail["log"].endswith(f"log-events/{attempt}")


def test_logs_prints_the_latest_runs_of_all_jobs_or_of_one(state, settings):
    """With all jobs, lines begin with the job's name; unknown jobs, runs and times are errors."""
    ingest = aws.client(settings, "glue").get_job_runs(JobName="totelake-local-ingest")["JobRuns"]
    own, _ = totelake(state, "logs", "ingest").communicate(timeout=30)
    all_of_them, _ = totelake(state, "logs").communicate(timeout=30)
    one, _ = totelake(state, "logs", ingest[0]["Id"]).communicate(timeout=30)

    assert own == one
    assert '"event": "job", "status": "failed"' in own
    assert [line for line in all_of_them.splitlines() if not line.startswith("ingest    | ")] == []
    assert all_of_them.replace("ingest    | ", "") == own
    for wrong, said in {
        "nothing": "There is no job nothing; the jobs are ",
        "jr_0": "No job has a run jr_0 that has written to its log yet; run: totelake run",
        "load": "No run of load has written to its log yet; run: totelake run",
    }.items():
        assert said in totelake(state, "logs", wrong).communicate(timeout=30)[1]
    assert "is not a duration; write it as 90s" in totelake(state, "logs", "--since", "soon").communicate(timeout=30)[1]


def test_logs_follow_prints_later_runs_until_ctrl_c(state, settings):
    """Lines older than `--since` are not printed."""
    following = totelake(state, "logs", "--follow", "--since", "1s")
    assert following.stderr.readline() == "Following the logs; Ctrl-C stops.\n"
    aws.client(settings, "glue").start_job_run(JobName="totelake-local-ingest")
    try:
        seen = next(line for line in following.stdout if '"event": "job"' in line)
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=30)

    assert '"status": "ok"' in seen
    assert following.returncode == 0


def test_job_without_a_connection_permission_fails_and_names_it(state, settings):
    """Each statement about connections is removed from the load's role in turn."""
    iam, name = aws.client(settings, "iam"), deployment.outputs(state)["jobs"]["load"]
    policy = iam.get_role_policy(RoleName=name, PolicyName="role")["PolicyDocument"]
    lacking = {"ReadConnections": "glue:GetConnection", "ReadSecrets": "secretsmanager:GetSecretValue"}
    try:
        for sid, action in lacking.items():
            rest = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
            document = json.dumps({**policy, "Statement": rest})
            iam.put_role_policy(RoleName=name, PolicyName="role", PolicyDocument=document)
            run = job_run.run(aws.client(settings, "glue"), aws.client(settings, "logs"), name)

            assert run.state == "FAILED"
            who = f"assumed-role/{name}/GlueJobRunnerSession"
            assert f"{who} is not authorized to perform: {action} on resource: " in run.error
    finally:
        iam.put_role_policy(RoleName=name, PolicyName="role", PolicyDocument=json.dumps(policy))


def test_ctrl_c_while_following_a_run_does_not_stop_it(state, settings):
    """The output names the commands that follow and stop the run, and both work."""
    with psycopg.connect(settings.totesys_url) as totesys:
        totesys.execute("LOCK TABLE payment")  # the ingest waits
        running = totelake(state, "run")
        run_id = running.stdout.readline().split()[-1]
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=30)

        assert running.returncode == 130
        follow, stop = f"`totelake follow {run_id}`", f"`totelake stop {run_id}`"
        assert f"The run continues. Follow it with {follow}, stop it with {stop}" in output
        assert totelake(state, "stop", run_id).wait(timeout=30) == 0
    assert totelake(state, "follow", run_id).wait(timeout=120) == 1
    assert status.gather(state).runs[0].status == "STOPPED"


def test_status_shows_the_rows_of_every_table(state, settings):
    """As JSON and as text."""
    told, _ = totelake(state, "status", "--json").communicate(timeout=60)
    found = json.loads(told)

    parts = {"state", "workflow", "down", "runs", "batches", "rows", "last_success", "alerts", "alarms", "schedules"}
    assert found.keys() == parts | {"live_files"}
    assert (found["alarms"], found["schedules"]) == ([], {})
    assert (found["state"], found["down"]) == (str(state.root), [])
    assert found["rows"]["totesys"]["sales_order"] == 0
    assert found["batches"] == {zone: {"count": 0, "latest": []} for zone in ("ingested", "processed")}
    assert found["last_success"] == {"at": None, "age_seconds": None}
    shown = totelake(state, "status")
    assert "sales_order" in shown.communicate(timeout=60)[0]
    assert shown.returncode == 0


def test_killed_environment_restarts_with_its_data(state, settings):
    """Objects, rows and Terraform's resources are restored, and jobs of the killed environment are ended."""
    bucket = deployment.outputs(state)["buckets"]["artifacts"]
    aws.client(settings, "s3").put_object(Bucket=bucket, Key="kept", Body=b"here")
    with psycopg.connect(settings.totesys_url) as connection:
        connection.execute("INSERT INTO currency (currency_code) VALUES ('CHF')")
    for process in processes_of(state):
        with contextlib.suppress(psutil.NoSuchProcess):  # some end with the one before
            process.send_signal(signal.SIGKILL)
    with pytest.raises(NotRunningError, match="start it with: totelake up"):
        lifecycle.require(state)
    folder = state.jobs / "jr_left"
    folder.mkdir(parents=True, exist_ok=True)
    job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=folder)

    again = lifecycle.up(state, Steps())

    assert again == settings
    assert aws.client(again, "s3").get_object(Bucket=bucket, Key="kept")["Body"].read() == b"here"
    assert aws.client(again, "glue").get_job(JobName="totelake-local-ingest")["Job"]["Name"] == "totelake-local-ingest"
    with psycopg.connect(again.totesys_url) as connection:
        assert connection.execute("DELETE FROM currency WHERE currency_code = 'CHF'").rowcount == 1
    job.wait(timeout=10)
    assert not psutil.pid_exists(job.pid)


def test_down_ends_all_processes_and_up_replaces_a_port_in_use(state, settings):
    """Postgres gets another port, Glue's connections are updated, and other settings are unchanged."""
    assert lifecycle.down(state, Steps())
    assert processes_of(state) == []
    assert not lifecycle.down(state, Steps())
    with socket.create_server(("127.0.0.1", settings.postgres_port)):
        moved = lifecycle.up(state, Steps())

    assert moved.postgres_port != settings.postgres_port
    assert moved == settings.with_ports(settings.endpoint_port, moved.postgres_port)
    connection = aws.client(moved, "glue").get_connection(Name=deployment.outputs(state)["connections"]["totesys"])
    url = connection["Connection"]["ConnectionProperties"]["JDBC_CONNECTION_URL"]
    assert f":{moved.postgres_port}/" in url


def test_interrupted_deployment_is_repeated_with_a_new_endpoint(state, settings):
    """Its progress is unknown, so the endpoint restarts with an empty state."""
    boot = lifecycle.running(state, settings).endpoint.boot
    (state.root / "deployment.json").unlink()

    lifecycle.up(state, Steps())

    assert lifecycle.running(state, settings).endpoint.boot != boot
    assert aws.client(settings, "glue").get_workflow(Name="totelake-local")


def test_second_endpoint_for_the_same_environment_is_rejected(state, settings):
    """Two endpoints would have different states."""
    command = [sys.executable, "-m", "ops.sandbox.endpoint", "--state", str(state.root), "--listener", "0"]

    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)

    assert ended.returncode == 1
    assert f"Process {health.pid(state)} already serves the local environment in {state.root}" in ended.stderr


def test_moto_api_is_not_accessible(settings):
    """Moto's own routes could reset the environment; not even its owner may use them."""
    request = AWSRequest("GET", f"{settings.aws_url}/moto-api/data.json")
    S3SigV4Auth(Credentials(settings.access_key, settings.secret_key), "s3", REGION).add_auth(request)
    assert URLLib3Session().send(request.prepare()).status_code == 404
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request.url)  # noqa: S310 - the address is our own


def test_concurrent_up_is_rejected(state, settings):
    """The message says to try again."""
    with processes.locked(state.root / "world.lock"), pytest.raises(BusyError, match="try again"):
        lifecycle.up(state, Steps())


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Return the state folder of a second environment, whose first start is interrupted several times."""
    state = State(tmp_path_factory.mktemp("other").resolve() / "state")
    yield state
    lifecycle.purge(state, Steps())


@pytest.mark.parametrize("moment", ["logs/endpoint.log", "terraform/settings.tfvars.json"])
def test_ctrl_c_during_up_stops_all_started_processes(other, moment):
    """At an early and at a late step."""
    (other.root / moment).unlink(missing_ok=True)
    command = [sys.executable, "-m", "ops.cli", "up", "--state", str(other.root)]
    starting = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until((other.root / moment).exists)
    os.killpg(starting.pid, signal.SIGINT)
    _, said = starting.communicate(timeout=60)

    assert starting.returncode == 130
    assert "everything that this command started was stopped" in said
    assert [process.info["cmdline"] for process in processes_of(other)] == []


def test_ctrl_c_before_a_started_process_is_ready_stops_it(other):
    """The signal arrives right after the process is created."""
    command = [sys.executable, "-c", INTERRUPT_AFTER_START, "up", "--state", str(other.root)]
    starting = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert starting.returncode == 130
    assert "everything that this command started was stopped" in starting.stderr
    assert [process.info["cmdline"] for process in processes_of(other)] == []


def test_two_environments_run_independently(state, settings, other):
    """With separate ports, databases and AWS resources, even after interrupted starts."""
    theirs = lifecycle.up(other, Steps())
    assert {theirs.endpoint_port, theirs.postgres_port}.isdisjoint({settings.endpoint_port, settings.postgres_port})
    aws.client(theirs, "s3").put_object(Bucket="totelake-local-artifacts", Key="theirs", Body=b"x")

    assert lifecycle.down(other, Steps())

    assert lifecycle.running(state, settings).missing == []
    listed = aws.client(settings, "s3").list_objects_v2(Bucket="totelake-local-artifacts", Prefix="theirs")
    assert listed["KeyCount"] == 0


def wait_until(condition):
    """Poll the condition until it is true, for at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_schedules_start_runs_and_a_manual_run_waits_for_a_scheduled_one(state, settings):
    """Each quarter of an hour, here earlier with the same target; the freshness alarm exists."""
    started = {run.id for run in status.gather(state).runs}
    lifecycle.up(state, Steps(), schedules=True)
    scheduler = aws.client(settings, "scheduler")
    target = scheduler.get_schedule(Name="totelake-local-run")["Target"]
    immediately = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    scheduler.create_schedule(Name="immediately", **immediately)
    wait_until(lambda: [run for run in status.gather(state).runs if run.id not in started])
    scheduler.delete_schedule(Name="immediately")
    by_hand = totelake(state, "run")
    said = list(itertools.takewhile(lambda line: not line.endswith("  COMPLETED\n"), by_hand.stdout))
    assert said[0] == "A run is under way, maybe a scheduled one; the new run starts after it.\n"
    assert by_hand.stdout.readline().startswith("Workflow run wr_")
    by_hand.send_signal(signal.SIGINT)
    by_hand.communicate(timeout=30)

    due = status.gather(state).next_starts
    assert due.keys() >= {"totelake-local-run", "totelake-local-reconcile-run", "totelake-local-compact-run"}
    assert due["totelake-local-run"] - datetime.now(UTC) < timedelta(minutes=15)
    assert due["totelake-local-run"].minute % 15 == 0
    shown, _ = totelake(state, "status").communicate(timeout=60)
    assert "Schedule totelake-local-run: next start in " in shown
    described = aws.client(settings, "cloudwatch").describe_alarms(AlarmNames=["totelake-local-freshness"])
    assert len(described["MetricAlarms"]) == 1


def test_environment_ends_when_its_folder_is_removed(tmp_path):
    """Endpoint, Postgres and the warm JVM end within seconds, the data is removed, and the folder is not recreated."""
    state = State(tmp_path / "state")
    lifecycle.up(state, Steps())
    data = state.postgres.resolve()
    parts = [process for process in psutil.process_iter() if belongs_to(process, state.root, data)]
    assert {"java", "postgres"} <= {process.name() for process in parts}

    shutil.rmtree(state.root)

    deadline = time.monotonic() + 20
    while not all(has_ended(process) for process in parts) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [process for process in parts if not has_ended(process)] == []
    assert not data.exists()
    assert not state.root.exists()


def belongs_to(process, *folders):
    """Return whether the command line or working directory of a process contains one of the folders."""
    with contextlib.suppress(psutil.Error):
        words = " ".join([*process.cmdline(), process.cwd()])
        return process.pid != os.getpid() and any(str(folder) in words for folder in folders)
    return False
