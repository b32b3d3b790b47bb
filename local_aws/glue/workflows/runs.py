"""One run of a workflow: its steps, its state, and its description in the API."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.glue.jobs import runs as job_runs
from local_aws.glue.jobs.runs import GlueJobRun, now
from local_aws.glue.workflows.graph import CRAWLER, JOB, TRIGGER, GraphNode, Plan, trigger_of, unique_id

RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
STOPPING = "STOPPING"
STOPPED = "STOPPED"
ERROR = "ERROR"

_COUNTERS = {
    job_runs.TIMEOUT: "TimeoutActions",
    job_runs.FAILED: "FailedActions",
    job_runs.STOPPED: "StoppedActions",
    "CANCELLED": "StoppedActions",
    job_runs.SUCCEEDED: "SucceededActions",
    job_runs.STARTING: "RunningActions",
    job_runs.RUNNING: "RunningActions",
    job_runs.STOPPING: "RunningActions",
    "CANCELLING": "RunningActions",
    job_runs.ERROR: "ErroredActions",
    job_runs.WAITING: "WaitingActions",
}

_OVER = job_runs.FINAL | {"CANCELLED"}


@dataclass
class WorkflowStep:
    """One action of a trigger that was started in a run: a job, with its attempts, or a crawl."""

    trigger: str
    node: GraphNode
    state: str
    job_run_ids: list[str] = field(default_factory=list)
    crawl: dict[str, Any] | None = None
    """The crawl as the API describes it."""

    @property
    def over(self) -> bool:
        """Whether its last attempt has ended."""
        return self.state in _OVER


@dataclass
class GlueWorkflowRun:
    """One run of a workflow; its plan was fixed when it started. Changed only under the lock of the workflows."""

    id: str
    workflow: str
    plan: Plan
    properties: dict[str, str]
    status: str = RUNNING
    previous_run_id: str | None = None
    started_on: datetime = field(default_factory=now)
    completed_on: datetime | None = None
    error_message: str | None = None
    batch: dict[str, int] | None = None
    """The batch of an EVENT trigger: BatchSize, BatchWindow."""
    fired: set[str] = field(default_factory=set)
    steps: list[WorkflowStep] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether it is in progress."""
        return self.status in (RUNNING, STOPPING)

    @property
    def outcomes(self) -> dict[GraphNode, str]:
        """The final state of every job and crawler that has ended; the latest one where it ran twice."""
        return {step.node: step.state for step in self.steps if step.over}

    def finish(self, status: str, error_message: str | None = None) -> None:
        """End the run in this status."""
        self.status, self.completed_on, self.error_message = status, now(), error_message

    def statistics(self) -> dict[str, int]:
        """Return the number of planned actions, and of started ones by state."""
        counts = dict.fromkeys(["TotalActions", *_COUNTERS.values()], 0)
        counts["TotalActions"] = sum(len(trigger.actions) for trigger in self.plan.triggers)
        for step in self.steps:
            counts[_COUNTERS[step.state]] += 1
        return counts

    def described(self, job_run: Callable[[str], GlueJobRun], *, graph: bool) -> dict[str, Any]:
        """Return the run in the form of the API; `job_run` returns a job run by its id."""
        described_ = {
            "Name": self.workflow,
            "WorkflowRunId": self.id,
            "PreviousRunId": self.previous_run_id,
            "WorkflowRunProperties": dict(self.properties),
            "StartedOn": self.started_on,
            "CompletedOn": self.completed_on,
            "Status": self.status,
            "ErrorMessage": self.error_message,
            "Statistics": self.statistics(),
            "StartingEventBatchCondition": self.batch,
            "Graph": described_graph(self.workflow, self.plan, self.steps, job_run) if graph else None,
        }
        return {name: value for name, value in described_.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Return the run as `from_json` takes it."""
        return {
            **{name: getattr(self, name) for name in _JSON_FIELDS},
            "triggers": [dict(trigger.definition) for trigger in self.plan.triggers],
            "started_on": self.started_on.isoformat(),
            "completed_on": self.completed_on and self.completed_on.isoformat(),
            "fired": sorted(self.fired),
            "steps": [
                {
                    "trigger": step.trigger,
                    "node": [step.node.kind, step.node.name],
                    "state": step.state,
                    "job_run_ids": step.job_run_ids,
                    "crawl": step.crawl and {key: _json_value(value) for key, value in step.crawl.items()},
                }
                for step in self.steps
            ],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "GlueWorkflowRun":
        """Return the run that `to_json` wrote."""
        completed = content["completed_on"]
        return cls(
            **{name: content[name] for name in _JSON_FIELDS},
            plan=Plan(tuple(trigger_of(definition) for definition in content["triggers"])),
            started_on=datetime.fromisoformat(content["started_on"]),
            completed_on=datetime.fromisoformat(completed) if completed else None,
            fired=set(content["fired"]),
            steps=[WorkflowStep(**{**step, "node": GraphNode(*step["node"])}) for step in content["steps"]],
        )


_JSON_FIELDS = ("id", "workflow", "properties", "status", "previous_run_id", "error_message", "batch")


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def described_graph(
    workflow: str, plan: Plan, steps: list[WorkflowStep], job_run: Callable[[str], GlueJobRun]
) -> dict[str, list[dict[str, Any]]]:
    """Return nodes and edges in the form of the API, each node with its runs."""
    definitions = {trigger.node: dict(trigger.definition) for trigger in plan.triggers}
    nodes = []
    for node in plan.nodes:
        described_: dict[str, Any] = {"Type": node.kind, "Name": node.name, "UniqueId": unique_id(workflow, node)}
        own = [step for step in steps if step.node == node]
        if node.kind == TRIGGER:
            described_["TriggerDetails"] = {"Trigger": definitions[node]}
        elif node.kind == JOB:
            runs = [job_run(run_id).described() for step in own for run_id in step.job_run_ids]
            described_["JobDetails"] = {"JobRuns": runs} if runs else {}
        elif node.kind == CRAWLER:
            described_["CrawlerDetails"] = {"Crawls": [step.crawl for step in own if step.crawl]}
        nodes.append(described_)
    edges = [
        {"SourceId": unique_id(workflow, source), "DestinationId": unique_id(workflow, target)}
        for source, target in plan.edges
    ]
    return {"Nodes": nodes, "Edges": edges}
