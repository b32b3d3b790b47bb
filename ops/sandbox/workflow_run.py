"""Summaries of workflow runs: the state, duration, rows and error of each job and crawler."""

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
    """The state of a job or crawler in a workflow run."""

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
_ACTIVE_STATUSES = {"RUNNING", "STOPPING"}
_POLL_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class ActionSummary:
    """A job or crawler in a workflow run; `attempt` is the id of its last job run, `rows` what that run reported."""

    name: str
    kind: str
    state: ActionState
    attempt: str | None = None
    seconds: float | None = None
    rows: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowRunSummary:
    """A workflow run; `actions` are in topological order."""

    id: str
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    actions: tuple[ActionSummary, ...] = field(default=())
    error: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether an action of it is running or may still start."""
        return self.status in _ACTIVE_STATUSES

    @property
    def succeeded(self) -> bool:
        """Whether it completed and all its actions succeeded."""
        return self.status == "COMPLETED" and all(action.state == ActionState.SUCCEEDED for action in self.actions)

    @property
    def seconds(self) -> float | None:
        """Its duration, until now while it is active."""
        return _seconds(self.started_at, self.completed_at)


class RowCounts:
    """The rows that job runs report in the JSON lines of their logs; each line is read once, and none after its end."""

    def __init__(self, logs: Any) -> None:
        """Read with `logs`, a client of CloudWatch Logs."""
        self._logs = logs
        self._rows: dict[str, int | None] = {}
        self._tokens: dict[str, str] = {}
        self._complete: set[str] = set()

    def of(self, job_run_id: str, *, ended: bool = False) -> int | None:
        """Return the number of rows that the job run has reported so far, or None without a report.

        If the run has `ended`, its log is complete.
        """
        for message in self._new_messages(job_run_id) if job_run_id not in self._complete else ():
            if restarts_count(message):
                self._rows.pop(job_run_id, None)
            elif (rows := rows_done(message)) is not None:
                self._rows[job_run_id] = (self._rows.get(job_run_id) or 0) + rows
        if ended:
            self._complete.add(job_run_id)
        return self._rows.get(job_run_id)

    def _new_messages(self, stream: str) -> Iterable[str]:
        for page in pages(self._logs, OUTPUT_GROUP, stream, self._tokens.get(stream)):
            yield from (event["message"] for event in page["events"])
            self._tokens[stream] = page["nextForwardToken"]


def pages(logs: Any, group: str, stream: str, token: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of a log stream after `token`; none if the stream does not exist yet."""
    while True:
        request = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        try:
            page = logs.get_log_events(**request, **({"nextToken": token} if token else {}))
        except logs.exceptions.ResourceNotFoundException:
            return
        yield page
        if not page["events"] or page["nextForwardToken"] == token:
            return
        token = page["nextForwardToken"]


def rows_done(line: str) -> int | None:
    """Return the number of rows that a log line reports for a table, or None for any other line.

    These are the lines with an event `table_…` (`table_ingested`, …), one for each finished table of a stage; other
    events report intermediate steps and totals.
    """
    fields = parsed_line(line)
    is_done = str(fields.get("event")).startswith("table_") and fields.get("status") == "ok"
    rows = fields.get("rows")
    return rows if is_done and isinstance(rows, int) else None


def restarts_count(line: str) -> bool:
    """Return whether a log line reports a retry of the stage, which discards the rows reported so far.

    A retry of the load does not: it commits batch by batch, and reports committed rows only.
    """
    fields = parsed_line(line)
    return fields.get("event") == "retry" and fields.get("stage") != "load"


def summarize(run: Mapping[str, Any], rows: RowCounts) -> WorkflowRunSummary:
    """Return the summary of a run in the response of GetWorkflowRun with its graph."""
    nodes = _sorted_nodes(run.get("Graph", {}))
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
    """Poll the run and pass each state to `show` until it has ended; return the final state."""
    rows = RowCounts(logs)
    while True:
        response = glue.get_workflow_run(Name=workflow, RunId=run_id, IncludeGraph=True)
        run = summarize(response["Run"], rows)
        show(run)
        if not run.is_active:
            return run
        time.sleep(_POLL_SECONDS)


def log_lines(logs: Any, group: str, job_run_id: str) -> list[str]:
    """Return the lines of the job run in the log group."""
    events = (event for page in pages(logs, group, job_run_id) for event in page["events"])
    return [line for event in events for line in lines_of(event["message"])]


def lines_of(message: str) -> list[str]:
    """Return the lines of a log event; only a line feed separates them, so that no other character can forge a line."""
    return [line.removesuffix("\r") for line in message.rstrip().split("\n")] if message.strip() else []


def parsed_line(line: str) -> Mapping[str, Any]:
    """Return the fields of a line that is a JSON object, or an empty mapping for any other line."""
    try:
        fields = json.loads(line) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _action(node: Mapping[str, Any], rows: RowCounts) -> ActionSummary:
    """Return the summary of a job's or crawler's node, by its last attempt."""
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
        rows=rows.of(attempt, ended=state in _STATES) if attempt else None,
        error=last.get("ErrorMessage") or (f"ended in the state {state}" if state in {"TIMEOUT", "EXPIRED"} else None),
    )


def _sorted_nodes(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the nodes of a graph in topological order, jobs before crawlers, then by name."""
    nodes = {node["UniqueId"]: node for node in graph.get("Nodes", [])}
    predecessors: dict[str, set[str]] = {node_id: set() for node_id in nodes}
    for edge in graph.get("Edges", []):
        predecessors[edge["DestinationId"]].add(edge["SourceId"])
    ordered: list[Mapping[str, Any]] = []
    while predecessors:
        ready = [node_id for node_id, sources in predecessors.items() if not sources & predecessors.keys()] or list(
            predecessors
        )
        for node_id in sorted(ready, key=lambda node_id: (nodes[node_id]["Type"] == "CRAWLER", nodes[node_id]["Name"])):
            ordered.append(nodes[node_id])
            del predecessors[node_id]
    return ordered


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return ((end or datetime.now(UTC)) - start).total_seconds() if start else None
