"""A snapshot of the pipeline: workflows with the state of each node, status, quarantine, reconcile and alarms."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from local_aws.state import State
from ops.sandbox import aws, deployment, status, workflow_run
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.status import Status
from ops.sandbox.workflow_run import ActionState, RowCounts, WorkflowRunSummary
from totelake.lake import quarantine
from totelake.lake.quarantine import RuleViolation

FRESH_SECONDS = 30 * 60
"""The age up to which the warehouse is fresh."""

_WORKFLOWS = ("workflow", "crawl")
_RUNS = 20


@dataclass(frozen=True, slots=True)
class PipelineNode:
    """A trigger, job or crawler of a workflow; a trigger is `SUCCEEDED` once it has fired, else `WAITING`."""

    id: str
    kind: str
    name: str
    state: ActionState
    seconds: float | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineWorkflow:
    """A workflow in the state of its last run: nodes, and edges as pairs of node ids."""

    name: str
    run: WorkflowRunSummary | None
    nodes: tuple[PipelineNode, ...]
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline at `read_at`; `reconciled` has the log line of each table in the last reconcile."""

    read_at: datetime
    prefix: str
    status: Status
    workflows: tuple[PipelineWorkflow, ...]
    faults: tuple[RuleViolation, ...]
    reconciled: tuple[Mapping[str, Any], ...]
    reconciled_at: datetime | None
    alarms: tuple[dict[str, Any], ...]


def fingerprint(state: State, settings: SandboxSettings) -> str:
    """Return a text that changes when a node of a workflow changes its state; much cheaper than `gather`."""
    glue, outputs = aws.client(settings, "glue"), deployment.outputs(state)
    runs = [glue.get_workflow(Name=outputs[name])["Workflow"].get("LastRun", {}) for name in _WORKFLOWS]
    return json.dumps([[run.get("WorkflowRunId"), run.get("Status"), run.get("Statistics")] for run in runs])


def gather(state: State, settings: SandboxSettings) -> Pipeline:
    """Return the pipeline of a running local environment."""
    outputs = deployment.outputs(state)
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    faults = tuple(quarantine.violations(outputs["buckets"]["processed"], aws.OwnerClients(settings)))
    reconciled_at, reconciled = _reconciled(glue, logs, outputs["jobs"]["reconcile"])
    return Pipeline(
        read_at=datetime.now(UTC),
        prefix=outputs["prefix"],
        status=status.gather(state, _RUNS),
        workflows=tuple(_workflow(glue, logs, outputs[name]) for name in _WORKFLOWS),
        faults=faults,
        reconciled=tuple(reconciled),
        reconciled_at=reconciled_at,
        alarms=tuple(_alarms(settings)),
    )


def _workflow(glue: Any, logs: Any, name: str) -> PipelineWorkflow:
    workflow = glue.get_workflow(Name=name, IncludeGraph=True)["Workflow"]
    last = workflow.get("LastRun")
    graph = (last or workflow)["Graph"]
    run = workflow_run.summarize(last, RowCounts(logs)) if last else None
    actions = {action.name: action for action in run.actions} if run else {}
    edges = tuple((edge["SourceId"], edge["DestinationId"]) for edge in graph.get("Edges", []))
    nodes = {node["UniqueId"]: node for node in graph["Nodes"]}

    def state_of(node_id: str) -> ActionState:
        node = nodes[node_id]
        if node["Type"] != "TRIGGER":
            return actions[node["Name"]].state if node["Name"] in actions else ActionState.WAITING
        targets = [state_of(target) for source, target in edges if source == node_id]
        return ActionState.WAITING if all(state == ActionState.WAITING for state in targets) else ActionState.SUCCEEDED

    def node_of(node_id: str) -> PipelineNode:
        node = nodes[node_id]
        action = actions.get(node["Name"]) if node["Type"] != "TRIGGER" else None
        seconds, rows = (action.seconds, action.rows) if action else (None, None)
        return PipelineNode(node_id, node["Type"].lower(), node["Name"], state_of(node_id), seconds, rows)

    return PipelineWorkflow(name, run, tuple(map(node_of, nodes)), edges)


def _reconciled(glue: Any, logs: Any, job: str) -> tuple[datetime | None, list[Mapping[str, Any]]]:
    """Return the start and the table lines of the last reconcile that compared a table."""
    for run in glue.get_job_runs(JobName=job)["JobRuns"]:
        output = workflow_run.log_lines(logs, workflow_run.OUTPUT_GROUP, run["Id"])
        lines = [workflow_run.parsed_line(line) for line in output]
        if tables := [line for line in lines if line.get("event") == "table_reconciled" and line["status"] == "ok"]:
            return run["StartedOn"], tables
    return None, []


def _alarms(settings: SandboxSettings) -> Iterator[dict[str, Any]]:
    for page in aws.client(settings, "cloudwatch").get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            yield {
                "name": alarm["AlarmName"],
                "state": alarm["StateValue"],
                "since": alarm["StateUpdatedTimestamp"],
                "about": alarm.get("AlarmDescription", ""),
            }


def ages(runs: tuple[WorkflowRunSummary, ...], now: datetime) -> list[dict[str, Any]]:
    """Return the age of the warehouse before and after the end of each successful run, and now.

    It is the time since the start of the last run that has ended successfully.
    """
    points: list[dict[str, Any]] = []
    complete_up_to: datetime | None = None
    for start, end in sorted(_successful(runs), key=itemgetter(1)):
        if complete_up_to is not None:
            points.append({"at": end, "seconds": (end - complete_up_to).total_seconds()})
        complete_up_to = start
        points.append({"at": end, "seconds": (end - start).total_seconds()})
    if complete_up_to is not None:
        points.append({"at": now, "seconds": (now - complete_up_to).total_seconds()})
    return points


def age(runs: tuple[WorkflowRunSummary, ...], now: datetime | None = None) -> float | None:
    """Return the age of the warehouse in seconds, or None before the first successful run."""
    points = ages(runs, now or datetime.now(UTC))
    return points[-1]["seconds"] if points else None


def _successful(runs: tuple[WorkflowRunSummary, ...]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the start and the end of each successful run."""
    for run in runs:
        if run.succeeded and run.started_at and run.completed_at:
            yield run.started_at, run.completed_at


def rows_of(batches: tuple[Mapping[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the rows of each table in each of `batches`, oldest first."""
    return [
        {"batch": str(batch["sequence"]), "table": table, "rows": rows}
        for batch in reversed(batches)
        for table, rows in batch["tables"].items()
    ]
