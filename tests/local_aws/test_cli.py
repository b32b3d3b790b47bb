"""The CLI: errors without a local environment, purge, lineage, and how runs and reconcile results are shown."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from local_aws.state import State
from ops.cli import reconciliation, run_view
from ops.cli.screen import Screen
from ops.sandbox import workflow_run
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.workflow_run import ActionState, ActionSummary, RowCounts, WorkflowRunSummary, rows_done

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ROLES = ("postgres", "totesys_owner", "totelake_reader", "warehouse_owner")

LINE = '{"event": "table_ingested", "status": "ok", "rows": %d}'


def totelake(*arguments, state):
    """Run the CLI and return its completed process."""
    command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state)]
    environment = {**os.environ, "PYTHONPATH": "glue_jobs:.", "COLUMNS": "200"}
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        "seed",
        "activity",
        "run",
        "reconcile",
        "follow",
        "stop",
        "status",
        "dashboard",
        "urls",
        "down",
        "tables",
        "describe fact_payment",
        "query SELECT",
    ],
)
def test_command_without_an_environment_fails_and_names_totelake_up(command, tmp_path):
    """One sentence without a traceback, exit status 1, and no folder is created."""
    ended = totelake(*command.split(), state=tmp_path / "none")

    assert ended.returncode == 1
    assert (
        ended.stderr == f"totelake: There is no local environment in {tmp_path / 'none'}; start one with: totelake up\n"
    )
    assert not (tmp_path / "none").exists()


def test_command_with_a_stopped_environment_says_that_it_is_down(tmp_path):
    """Its settings exist, but its processes do not."""
    settings = {"endpoint_port": 1, "postgres_port": 2, "passwords": dict.fromkeys(ROLES, "secret")}
    (tmp_path / "world.json").write_text(json.dumps(settings))

    ended = totelake("run", state=tmp_path)

    assert ended.returncode == 1
    assert (
        f"The local environment in {tmp_path} is down (the local AWS and Postgres); start it with: totelake up"
        in ended.stderr
    )


def test_up_does_not_replace_unreadable_settings(tmp_path):
    """New passwords would not match those of the databases."""
    (tmp_path / "world.json").write_text("{")

    ended = totelake("up", state=tmp_path)

    assert ended.returncode == 1
    assert f"{tmp_path / 'world.json'} cannot be read" in ended.stderr
    assert (tmp_path / "world.json").read_text() == "{"


def test_urls_prints_all_addresses_as_json(tmp_path):
    """Also while the environment is down."""
    keys = {"access_key": "AKIA", "secret_key": "s3cret"}
    settings = {"endpoint_port": 4566, "postgres_port": 5432, "passwords": dict.fromkeys(ROLES, "se/cret"), **keys}
    (tmp_path / "world.json").write_text(json.dumps(settings))

    assert json.loads(totelake("urls", "--json", state=tmp_path).stdout) == {
        "aws": "http://127.0.0.1:4566",
        "region": "eu-west-2",
        **keys,
        "totesys": "postgresql://totesys_owner:se%2Fcret@127.0.0.1:5432/totesys?require_auth=scram-sha-256",
        "warehouse": "postgresql://warehouse_owner:se%2Fcret@127.0.0.1:5432/warehouse?require_auth=scram-sha-256",
        "lake": str(tmp_path / "s3"),
        "state": str(tmp_path),
    }


def test_lineage_of_a_warehouse_column_is_printed_as_json(tmp_path):
    """Types per zone, transformation and rules; no local environment is needed."""
    ended = totelake("lineage", "fact_sales_order.unit_price", "--json", state=tmp_path / "none")

    assert json.loads(ended.stdout) == [
        {
            "column": "fact_sales_order.unit_price",
            "description": "Price of one bag, in the order's currency.",
            "from": "sales_order.unit_price",
            "through": [],
            "how": "cast from decimal(38,18) to decimal(10,2)",
            "types": {
                "totesys": "numeric",
                "ingested": "decimal(38,18)",
                "processed": "decimal(10,2)",
                "warehouse": "numeric(10,2)",
                "redshift": "DECIMAL(10,2)",
            },
            "nullable": False,
            "references": None,
            "rules": {"not null": "has a value", "type": "fits decimal(10,2) exactly", "range": "2 to 4"},
        }
    ]
    assert not (tmp_path / "none").exists()


def test_lineage_of_a_source_column_lists_the_columns_that_use_it(tmp_path):
    """For a foreign key, the columns that are looked up through it."""
    ended = totelake("lineage", "department_id", state=tmp_path)

    assert "staff.department_id" in ended.stdout
    assert "dim_staff.location: joins to department.location" in ended.stdout
    assert "reference: is in department" in ended.stdout


def test_unknown_column_fails_with_similar_names(tmp_path):
    """In one sentence, with exit status 1."""
    ended = totelake("lineage", "unit_prise", state=tmp_path / "none")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == ("totelake: There is no column unit_prise; did you mean unit_price, item_unit_price?\n")


def test_purge_refuses_a_folder_that_is_not_an_environment(tmp_path):
    """It may be any folder, such as a home directory."""
    (tmp_path / "thesis.txt").touch()

    ended = totelake("down", "--purge", "--yes", state=tmp_path)

    assert (ended.returncode, (tmp_path / "thesis.txt").exists()) == (1, True)
    assert "It was not changed" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_purge_of_a_missing_folder_succeeds(tmp_path):
    """There is nothing to remove."""
    assert totelake("down", "--purge", "--yes", state=tmp_path / "none").returncode == 0


@pytest.mark.parametrize(("answer", "kept"), [("n", True), ("y", False)])
def test_purge_asks_for_confirmation(answer, kept, tmp_path):
    """On a terminal; nothing is removed unless the answer is yes."""
    state = tmp_path / "state"
    state.mkdir()
    SandboxSettings.new(1, 2).save(State(state))
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "ops.cli", "down", "--purge", "--state", str(state)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, text=True)
    os.write(ours, f"{answer}\n".encode())

    output = process.communicate(timeout=60)[0]

    assert "with totesys, lake and warehouse?" in output
    assert (process.returncode, state.exists()) == (int(kept), kept)


def test_purge_without_a_terminal_requires_yes(tmp_path):
    """In one sentence, with exit status 1, and nothing is changed."""
    (tmp_path / "world.json").write_text("{}")

    ended = totelake("down", "--purge", state=tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"totelake: There is no terminal to confirm the removal of {tmp_path}; add --yes. Nothing was changed.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ('{"event": "table_ingested", "status": "ok", "seconds": 1.0, "rows": 42}', 42),
        ('{"event": "table_loaded", "status": "ok", "rows": 0}', 0),
        ('{"event": "table_ingested", "status": "failed", "rows": 42}', None),
        ('{"event": "table_ingested", "status": "ok"}', None),
        ('{"event": "merge_table", "status": "ok", "rows": 42}', None),
        ('{"event": "ingest", "status": "ok", "total_rows": 42}', None),
        ("rows: 42", None),
        ("{not json", None),
    ],
)
def test_row_count_of_a_table_is_read_from_its_log_line(line, rows):
    """From the final line of each table, not from its steps or from the total."""
    assert rows_done(line) == rows


class Logs:
    """A fake CloudWatch Logs client with one stream, `jr_1`."""

    class exceptions:  # noqa: N801 - the name in boto3
        """The exceptions of the client."""

        class ResourceNotFoundException(Exception):  # noqa: N818 - the name in AWS
            """The stream does not exist."""

    def __init__(self):
        """Start with an empty stream."""
        self.lines = []

    def get_log_events(self, **place):
        """Return the events after the token."""
        if place["logStreamName"] != "jr_1":
            raise self.exceptions.ResourceNotFoundException
        events = [{"message": line} for line in self.lines[int(place.get("nextToken", 0)) :]]
        return {"events": events, "nextForwardToken": str(len(self.lines))}


def test_row_counts_add_up_while_a_job_runs():
    """Each line counts once, even if the log is read several times."""
    logs = Logs()
    rows = RowCounts(logs)
    counted = [rows.of("jr_1")]
    for line in (LINE % 40, "noise", LINE % 2):
        logs.lines.append(line)
        counted.append(rows.of("jr_1"))

    assert [*counted, rows.of("jr_1")] == [None, 40, 40, 42, 42]


@pytest.mark.parametrize(("stage", "rows"), [("ingest", 2), ("load", 42)])
def test_rows_of_a_failed_attempt_count_for_the_load_only(stage, rows):
    """A load has committed them, other stages have not."""
    logs = Logs()
    logs.lines += [LINE % 40, json.dumps({"event": "retry", "status": "waiting", "stage": stage}), LINE % 2]

    assert RowCounts(logs).of("jr_1") == rows


def test_job_without_a_log_has_no_row_count():
    """The job has just been started."""
    assert RowCounts(Logs()).of("jr_2") is None


def node(kind, name, **details):
    """Return a node of a workflow's graph."""
    return {"Type": kind, "Name": name, "UniqueId": f"wnode_{name}", **details}


def edge(source, destination):
    """Return an edge of a workflow's graph."""
    return {"SourceId": f"wnode_{source}", "DestinationId": f"wnode_{destination}"}


def attempt(state, **rest):
    """Return a job run of a node."""
    return {"Id": "jr_9", "Attempt": 0, "JobRunState": state, "StartedOn": START, **rest}


def run_with(*nodes, status="COMPLETED", edges=()):
    """Return the workflow run that is read from a GetWorkflowRun response with these nodes."""
    described = {"WorkflowRunId": "wr_1", "Status": status, "StartedOn": START, "CompletedOn": START}
    return workflow_run.summarize(
        described | {"Graph": {"Nodes": list(nodes), "Edges": list(edges)}}, RowCounts(Logs())
    )


@pytest.mark.parametrize(
    ("job_state", "state"),
    [
        ("STARTING", ActionState.RUNNING),
        ("WAITING", ActionState.RUNNING),
        ("STOPPING", ActionState.RUNNING),
        ("SUCCEEDED", ActionState.SUCCEEDED),
        ("FAILED", ActionState.FAILED),
        ("TIMEOUT", ActionState.FAILED),
        ("ERROR", ActionState.FAILED),
        ("STOPPED", ActionState.STOPPED),
    ],
)
def test_every_job_state_is_mapped_to_an_action_state(job_state, state):
    """There are five action states."""
    (action,) = run_with(node("JOB", "ingest", JobDetails={"JobRuns": [attempt(job_state)]})).actions

    assert action.state == state


def test_last_attempt_determines_the_state():
    """A successful retry replaces the failed attempt."""
    failed = attempt("FAILED", ErrorMessage="first")
    retry = attempt("SUCCEEDED", Attempt=1, CompletedOn=START + timedelta(seconds=5))

    run = run_with(node("JOB", "ingest", JobDetails={"JobRuns": [retry, failed]}))

    assert run.succeeded
    assert (run.actions[0].seconds, run.actions[0].error) == (5.0, None)


def test_a_completed_run_with_a_failed_job_did_not_succeed():
    """Its status in Glue is COMPLETED."""
    run = run_with(
        node("JOB", "ingest", JobDetails={"JobRuns": [attempt("FAILED", ErrorMessage="No route to host")]}),
        node("JOB", "transform"),
    )

    assert not run.succeeded
    assert [(action.state, action.error) for action in run.actions] == [
        (ActionState.FAILED, "No route to host"),
        (ActionState.WAITING, None),
    ]


def test_a_failed_crawl_is_a_failed_action():
    """Crawlers have their own states."""
    run = run_with(node("CRAWLER", "raw", CrawlerDetails={"Crawls": [{"State": "FAILED", "ErrorMessage": "Denied"}]}))

    assert (run.actions[0].state, run.actions[0].error) == (ActionState.FAILED, "Denied")


def test_actions_are_listed_in_the_order_of_the_graph():
    """Not in the order of the nodes, and without triggers."""
    run = run_with(
        node("JOB", "load"),
        node("TRIGGER", "b"),
        node("CRAWLER", "a raw crawler"),
        node("JOB", "transform"),
        node("JOB", "ingest"),
        node("TRIGGER", "a"),
        edges=[
            edge("ingest", "a"),
            edge("a", "transform"),
            edge("a", "a raw crawler"),
            edge("transform", "b"),
            edge("b", "load"),
        ],
    )

    assert [action.name for action in run.actions] == ["ingest", "transform", "a raw crawler", "load"]


def test_run_table_shows_state_rows_and_seconds():
    """An action that waits in a completed run is shown as never started."""
    actions = (
        ActionSummary("totelake-local-ingest", "job", ActionState.FAILED, seconds=12.34, rows=43045),
        ActionSummary("totelake-local-transform", "job", ActionState.WAITING),
    )
    console = Screen(width=100, record=True, file=StringIO())
    console.print(run_view.table("totelake-local", WorkflowRunSummary("wr_1", "COMPLETED", START, START, actions)))

    lines = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]

    assert "ingest ✘ failed 43,045 12.3 s" in lines
    assert "transform · never started" in lines


def test_reconcile_results_are_shown_by_table():
    """Differences with columns and keys, explained ones with their reason."""
    counts = {"rows_in_totesys": 1200, "rows_in_warehouse": 1199}
    missing = {"what": "missing in the warehouse", "reason": None, "rows": 1, "keys": [7], "columns": []}
    wrong = {"what": "different", "reason": None, "rows": 6, "keys": [1, 2, 3, 4, 5], "columns": ["paid"]}
    newer = {"what": "different", "reason": "newer than the last batch", "rows": 1, "keys": [9], "columns": ["paid"]}
    lines = [
        {"table": "dim_staff", **counts, "differences": 0, "findings": []},
        {"table": "fact_payment", **counts, "differences": 7, "findings": [missing, wrong, newer]},
    ]
    console = Screen(width=140, record=True, file=StringIO())
    console.print(reconciliation.table(lines))

    shown = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]

    assert shown[-6:-1] == [
        "dim_staff 1,200 1,199 0",
        "fact_payment 1,200 1,199 7",
        "missing in the warehouse 1 7",
        "different in paid 6 1, 2, 3, 4, 5, …",
        "newer than the last batch 1 9",
    ]
