"""A workflow run as its user sees it: which jobs and crawlers wait, run, succeeded or failed, and what they did."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

OUTPUT_GROUP = "/aws-glue/jobs/output"
ERROR_GROUP = "/aws-glue/jobs/error"


class ActionState(StrEnum):
    """How far a job or crawler of a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


_STATES = {
    "SUCCEEDED": ActionState.SUCCEEDED,
    "FAILED": ActionState.FAILED,
    "TIMEOUT": ActionState.FAILED,
    "ERROR": ActionState.FAILED,
    "EXPIRED": ActionState.FAILED,
    "STOPPED": ActionState.STOPPED,
    "CANCELLED": ActionState.STOPPED,
}
_AT_WORK = {"RUNNING", "STOPPING"}
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ActionSummary:
    """A job or a crawler in a run; `attempt` is the id of its last job run, `rows` what that run said it wrote."""

    name: str
    kind: str
    state: ActionState
    attempt: str | None = None
    seconds: float | None = None
    rows: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowRunSummary:
    """A workflow run; `actions` are in the order in which they follow each other."""

    id: str
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    actions: tuple[ActionSummary, ...] = field(default=())
    error: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether anything of it still runs or may start."""
        return self.status in _AT_WORK

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end and all its actions with it."""
        return self.status == "COMPLETED" and all(action.state == ActionState.SUCCEEDED for action in self.actions)

    @property
    def seconds(self) -> float | None:
        """How long it lasted, or lasts by now."""
        return _seconds(self.started_at, self.completed_at)


class RowCounts:
    """The rows that job runs wrote, from the lines of JSON that they print; each line is read once."""

    def __init__(self, logs: Any) -> None:
        """Read through `logs`, a client of CloudWatch Logs."""
        self._logs = logs
        self._rows: dict[str, int | None] = {}
        self._tokens: dict[str, str] = {}

    def of(self, job_run_id: str) -> int | None:
        """Return the rows that the job run has told of by now, None when it told of none."""
        for message in self._new_messages(job_run_id):
            if restarts_count(message):
                self._rows.pop(job_run_id, None)
            elif (rows := rows_done(message)) is not None:
                self._rows[job_run_id] = (self._rows.get(job_run_id) or 0) + rows
        return self._rows.get(job_run_id)

    def _new_messages(self, stream: str) -> Iterable[str]:
        for page in pages(self._logs, OUTPUT_GROUP, stream, self._tokens.get(stream)):
            yield from (event["message"] for event in page["events"])
            self._tokens[stream] = page["nextForwardToken"]


def pages(logs: Any, group: str, stream: str, token: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield what a log stream holds after `token`, page by page; one that does not exist yet holds nothing."""
    while True:
        place = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        try:
            page = logs.get_log_events(**place, **({"nextToken": token} if token else {}))
        except logs.exceptions.ResourceNotFoundException:
            return
        yield page
        if not page["events"] or page["nextForwardToken"] == token:
            return
        token = page["nextForwardToken"]


def rows_done(line: str) -> int | None:
    """Return the rows that a job's line of JSON says are done, None when it tells of none or is something else.

    Only the lines `table_…` count (`table_ingested`, …): there is one for each table of a stage when it is done; others
    tell of steps on the way and of sums.
    """
    told = parsed_line(line)
    is_done = str(told.get("event")).startswith("table_") and told.get("status") == "ok"
    rows = told.get("rows")
    return rows if is_done and isinstance(rows, int) else None


def restarts_count(line: str) -> bool:
    """Return whether a job's line says that its rows up to here count for nothing, since the stage is tried again.

    A load commits batch by batch, and tells of rows that are committed.
    """
    told = parsed_line(line)
    return told.get("event") == "retry" and told.get("stage") != "load"


def read(run: Mapping[str, Any], rows: RowCounts) -> WorkflowRunSummary:
    """Return the run that GetWorkflowRun describes with its graph."""
    nodes = _in_order(run.get("Graph", {}))
    actions = tuple(_action(node, rows) for node in nodes if node["Type"] != "TRIGGER")
    return WorkflowRunSummary(
        id=run["WorkflowRunId"],
        status=run["Status"],
        started_at=run.get("StartedOn"),
        completed_at=run.get("CompletedOn"),
        actions=actions,
        error=run.get("ErrorMessage"),
    )


def follow(
    glue: Any, logs: Any, workflow: str, run_id: str, show: Callable[[WorkflowRunSummary], None]
) -> WorkflowRunSummary:
    """Call `show` with the run again and again until it has ended, and return how it ended."""
    rows = RowCounts(logs)
    while True:
        answer = glue.get_workflow_run(Name=workflow, RunId=run_id, IncludeGraph=True)
        run = read(answer["Run"], rows)
        show(run)
        if not run.is_active:
            return run
        time.sleep(_POLL_SECONDS)


def log_lines(logs: Any, group: str, job_run_id: str) -> list[str]:
    """Return the lines that the job run wrote to the log group."""
    events = (event for page in pages(logs, group, job_run_id) for event in page["events"])
    return [line for event in events for line in lines_of(event["message"])]


def lines_of(message: str) -> list[str]:
    """Return the lines of a log event; only a line feed ends one, so that no other character forges a line."""
    return [line.removesuffix("\r") for line in message.rstrip().split("\n")] if message.strip() else []


def parsed_line(line: str) -> Mapping[str, Any]:
    """Return what a line of JSON says, nothing where it is something else."""
    try:
        said = json.loads(line) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _action(node: Mapping[str, Any], rows: RowCounts) -> ActionSummary:
    """Return the job or crawler of a node, as its last attempt left it."""
    if node["Type"] == "JOB":
        attempts = node.get("JobDetails", {}).get("JobRuns", [])
        last = max(attempts, key=lambda attempt: attempt.get("Attempt", 0), default=None)
        state, attempt = (last or {}).get("JobRunState", ""), (last or {}).get("Id")
    else:
        last = next(reversed(node.get("CrawlerDetails", {}).get("Crawls", [])), None)
        state, attempt = (last or {}).get("State", ""), None
    if last is None:
        return ActionSummary(node["Name"], node["Type"].lower(), ActionState.WAITING)
    return ActionSummary(
        name=node["Name"],
        kind=node["Type"].lower(),
        state=_STATES.get(state, ActionState.RUNNING),
        attempt=attempt,
        seconds=_seconds(last.get("StartedOn"), last.get("CompletedOn")),
        rows=rows.of(attempt) if attempt else None,
        error=last.get("ErrorMessage")
        or (f"it ended in the state {state}" if state in {"TIMEOUT", "EXPIRED"} else None),
    )


def _in_order(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the nodes of a run so that each comes after those that it waits for, and else by name."""
    nodes = {node["UniqueId"]: node for node in graph.get("Nodes", [])}
    waits_for: dict[str, set[str]] = {unique: set() for unique in nodes}
    for edge in graph.get("Edges", []):
        waits_for[edge["DestinationId"]].add(edge["SourceId"])
    ordered: list[Mapping[str, Any]] = []
    while waits_for:
        free = [unique for unique, sources in waits_for.items() if not sources & waits_for.keys()] or list(waits_for)
        for unique in sorted(free, key=lambda unique: (nodes[unique]["Type"] == "CRAWLER", nodes[unique]["Name"])):
            ordered.append(nodes[unique])
            del waits_for[unique]
    return ordered


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return ((end or datetime.now(UTC)) - start).total_seconds() if start else None
