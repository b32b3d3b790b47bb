"""How the CLI reads and shows workflow runs, row counts and the results of single jobs."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from ops.cli import compaction, reconciliation, run_view
from ops.cli.screen import Screen
from ops.sandbox import workflow_run
from ops.sandbox.workflow_run import ActionState, ActionSummary, RowCounts, WorkflowRunSummary, rows_done
from totelake.lake.file_sets import FileSet, LiveFiles

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
LINE = '{"event": "table_ingested", "status": "ok", "rows": %d}'


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


def test_completed_run_with_a_failed_job_did_not_succeed():
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


def test_failed_crawl_is_a_failed_action():
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


def test_merged_tables_are_shown_with_their_file_sets():
    """Before and after the compaction, by table."""
    sets = tuple(FileSet(f"tables/payment/batch_id=b{number}/", 10, 500, number, number) for number in (1, 2, 3))
    merged = FileSet("tables/payment/batch_id=c/", 30, 1200, 1, 3, compacted=True)
    before = {"ingested": LiveFiles(3, {"payment": sets}), "processed": LiveFiles()}
    after = {"ingested": LiveFiles(3, {"payment": (merged,)}), "processed": LiveFiles()}
    console = Screen(width=140, record=True, file=StringIO())
    console.print(compaction.table([{"table": "payment", "rows": 30, "bytes": 1200}], before, after))

    shown = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]

    assert shown[-2] == "payment 3 1 30 1,200"
