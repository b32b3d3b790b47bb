"""One run of a Glue job, as GetJobRun describes it."""

import secrets
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

WAITING = "WAITING"
STARTING = "STARTING"
RUNNING = "RUNNING"
STOPPING = "STOPPING"
STOPPED = "STOPPED"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
TIMEOUT = "TIMEOUT"
ERROR = "ERROR"

ACTIVE = frozenset({STARTING, RUNNING, STOPPING})
FINAL = frozenset({STOPPED, SUCCEEDED, FAILED, TIMEOUT, ERROR})

LOG_GROUP = "/aws-glue/jobs"
"""The log group of GetJobRun; standard output goes to `<group>/output`, standard error to `<group>/error`."""

_TIMES = ("started_on", "last_modified_on", "completed_on")


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


def identifier(prefix: str) -> str:
    """Return a new id in the form of Glue's: the prefix and 64 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(32)}"


@dataclass(frozen=True)
class Predecessor:
    """A job run whose end made a conditional trigger start another one."""

    job_name: str
    run_id: str


@dataclass(frozen=True)
class GlueJobRun:
    """One run of a job; every change of state makes a new value. Times are in UTC, `timeout` is in minutes."""

    id: str
    job_name: str
    state: str
    arguments: dict[str, str]
    attempt: int = 0
    previous_run_id: str | None = None
    trigger_name: str | None = None
    workflow_name: str | None = None
    workflow_run_id: str | None = None
    predecessors: tuple[Predecessor, ...] = ()
    started_on: datetime = field(default_factory=now)
    last_modified_on: datetime = field(default_factory=now)
    completed_on: datetime | None = None
    error_message: str | None = None
    timeout: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Members that GetJobRun returns unchanged: WorkerType, NumberOfWorkers, MaxCapacity, GlueVersion and so on."""

    def to(self, state: str, *, error_message: str | None = None) -> "GlueJobRun":
        """Return the run in its next state; a final state sets the time of completion."""
        moment = now()
        completed = moment if state in FINAL else None
        message = error_message or self.error_message
        return replace(self, state=state, last_modified_on=moment, completed_on=completed, error_message=message)

    @property
    def execution_seconds(self) -> int:
        """Whole seconds from start to completion, or to now; none while it waits."""
        if self.state == WAITING:
            return 0
        return round(((self.completed_on or now()) - self.started_on).total_seconds())

    def described(self, *, predecessors: bool = True) -> dict[str, Any]:
        """Return the run in the form of the API."""
        described_ = {
            "Id": self.id,
            "Attempt": self.attempt,
            "PreviousRunId": self.previous_run_id,
            "TriggerName": self.trigger_name,
            "JobName": self.job_name,
            "StartedOn": self.started_on,
            "LastModifiedOn": self.last_modified_on,
            "CompletedOn": self.completed_on,
            "JobRunState": self.state,
            "Arguments": self.arguments,
            "ErrorMessage": self.error_message,
            "PredecessorRuns": [{"JobName": item.job_name, "RunId": item.run_id} for item in self.predecessors]
            if predecessors
            else None,
            "ExecutionTime": self.execution_seconds,
            "Timeout": self.timeout,
            "LogGroupName": LOG_GROUP,
            **self.settings,
        }
        return {name: value for name, value in described_.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON."""
        content = asdict(self)
        for name in _TIMES:
            content[name] = content[name] and content[name].isoformat()
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "GlueJobRun":
        """Return the run that `to_json` wrote; unknown members are ignored."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in content.items() if name in known}
        for name in _TIMES:
            values[name] = values.get(name) and datetime.fromisoformat(values[name])
        values["predecessors"] = tuple(Predecessor(**item) for item in content.get("predecessors", ()))
        return cls(**values)
