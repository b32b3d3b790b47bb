"""The pipeline of a world at one moment: its workflows with the state of each node, and all that the status tells."""

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
from totelake.lake.quarantine import Fault

FRESH_SECONDS = 30 * 60
"""Within which a change in totesys has to be in the warehouse."""

_WORKFLOWS = ("workflow", "crawl")
_RUNS = 20


@dataclass(frozen=True, slots=True)
class PipelineNode:
    """A trigger, job or crawler of a workflow; a trigger has started what follows upon it, or it waits."""

    id: str
    kind: str
    name: str
    state: ActionState
    seconds: float | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineWorkflow:
    """A workflow as its last run left it: nodes, and edges as pairs of their ids."""

    name: str
    run: WorkflowRunSummary | None
    nodes: tuple[PipelineNode, ...]
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What was read at `read_at`; `reconciled` has what the last reconcile said of each table, `alarms` every alarm."""

    read_at: datetime
    prefix: str
    status: Status
    workflows: tuple[PipelineWorkflow, ...]
    faults: tuple[Fault, ...]
    reconciled: tuple[Mapping[str, Any], ...]
    reconciled_at: datetime | None
    alarms: tuple[dict[str, Any], ...]


def mark(state: State, settings: SandboxSettings) -> str:
    """Return a text that is another one whenever a node of a workflow has changed; it costs little."""
    glue, outputs = aws.client(settings, "glue"), deployment.outputs(state)
    runs = [glue.get_workflow(Name=outputs[name])["Workflow"].get("LastRun", {}) for name in _WORKFLOWS]
    return json.dumps([[run.get("WorkflowRunId"), run.get("Status"), run.get("Statistics")] for run in runs])


def gather(state: State, settings: SandboxSettings) -> Pipeline:
    """Return the pipeline of the world in `state`, all of which is up."""
    outputs = deployment.outputs(state)
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    faults = tuple(quarantine.faults(outputs["buckets"]["processed"], aws.OwnerClients(settings)))
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
    found = glue.get_workflow(Name=name, IncludeGraph=True)["Workflow"]
    last = found.get("LastRun")
    graph = (last or found)["Graph"]
    run = workflow_run.summarize(last, RowCounts(logs)) if last else None
    actions = {action.name: action for action in run.actions} if run else {}
    edges = tuple((edge["SourceId"], edge["DestinationId"]) for edge in graph.get("Edges", []))
    nodes = {node["UniqueId"]: node for node in graph["Nodes"]}

    def state_of(unique: str) -> ActionState:
        node = nodes[unique]
        if node["Type"] != "TRIGGER":
            return actions[node["Name"]].state if node["Name"] in actions else ActionState.WAITING
        after = [state_of(target) for source, target in edges if source == unique]
        return ActionState.WAITING if all(state == ActionState.WAITING for state in after) else ActionState.SUCCEEDED

    def node_of(unique: str) -> PipelineNode:
        node = nodes[unique]
        action = actions.get(node["Name"]) if node["Type"] != "TRIGGER" else None
        told = (action.seconds, action.rows) if action else (None, None)
        return PipelineNode(unique, node["Type"].lower(), node["Name"], state_of(unique), *told)

    return PipelineWorkflow(name, run, tuple(map(node_of, nodes)), edges)


def _reconciled(glue: Any, logs: Any, job: str) -> tuple[datetime | None, list[Mapping[str, Any]]]:
    """Return when the last reconcile that compared anything began, and what it said of each table."""
    for run in glue.get_job_runs(JobName=job)["JobRuns"]:
        printed = workflow_run.log_lines(logs, workflow_run.OUTPUT_GROUP, run["Id"])
        lines = [workflow_run.parsed_line(line) for line in printed]
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
    """Return how old the warehouse was, before and after each run that succeeded, and is now.

    Between two runs it ages; the end of a run makes it as young as the moment at which that run began.
    """
    points: list[dict[str, Any]] = []
    complete_up_to: datetime | None = None
    for began, ended in sorted(_whole(runs), key=itemgetter(1)):
        if complete_up_to is not None:
            points.append({"at": ended, "seconds": (ended - complete_up_to).total_seconds()})
        complete_up_to = began
        points.append({"at": ended, "seconds": (ended - began).total_seconds()})
    if complete_up_to is not None:
        points.append({"at": now, "seconds": (now - complete_up_to).total_seconds()})
    return points


def age(runs: tuple[WorkflowRunSummary, ...], now: datetime | None = None) -> float | None:
    """Return how old the warehouse is in seconds, None before the first run that succeeded."""
    points = ages(runs, now or datetime.now(UTC))
    return points[-1]["seconds"] if points else None


def _whole(runs: tuple[WorkflowRunSummary, ...]) -> Iterator[tuple[datetime, datetime]]:
    """Yield begin and end of each run that brought everything up to its begin."""
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
