"""Job definitions, made by CreateJob and UpdateJob."""

import threading
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument

from local_aws.glue.errors import AlreadyExistsError, EntityNotFoundError, InvalidInputError
from local_aws.glue.jobs.runs import identifier, now
from local_aws.iam import session_policies

DEFAULT_TIMEOUTS = {"pythonshell": 2880}
"""Minutes, where a job gives none; Spark jobs have 480."""

SESSION_POLICY = "ExecutionRoleSessionPolicy"
"""The setting of a run that limits its role."""

_DPUS = {"Standard": 1, "G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "Z.2X": 2}


class JobDefinitions:
    """The jobs of a world, by name, behind the lock of their runs."""

    def __init__(self, lock: threading.RLock) -> None:
        """Begin without jobs."""
        self._lock = lock
        self._definitions: dict[str, dict[str, Any]] = {}
        self._ids: dict[str, str] = {}

    def create(self, request: dict[str, Any]) -> None:
        """Add a job; raises AlreadyExistsError."""
        with self._lock:
            if request["Name"] in self._definitions:
                raise AlreadyExistsError(f"Job {request['Name']} already exists.")
            self._definitions[request["Name"]] = job_definition(request)
            self._ids[request["Name"]] = identifier("j")

    def update(self, name: str, update: dict[str, Any]) -> None:
        """Replace the definition of a job; runs that have started keep theirs."""
        with self._lock:
            existing = self.get(name)
            complete = {"Command": existing["Command"], "Role": existing["Role"], **update, "Name": name}
            self._definitions[name] = job_definition(complete, existing)

    def delete(self, name: str) -> None:
        """Remove a job; a missing one is not an error, as on AWS."""
        with self._lock:
            self._definitions.pop(name, None)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a job as GetJob shows it, if there is one of this name."""
        return self._definitions.get(name)

    def get(self, name: str) -> dict[str, Any]:
        """Return a job as GetJob shows it; raises EntityNotFoundError."""
        definition = self.find(name)
        if definition is None:
            raise EntityNotFoundError(f"Entity not found: job {name}")
        return definition

    def job_id(self, name: str) -> str:
        """Return the value of `--JOB_ID`, which never changes for a job."""
        return self._ids[name]

    def names(self) -> list[str]:
        """Return the names of all jobs, in the order in which they were made."""
        return list(self._definitions)


def job_definition(request: dict[str, Any], existing: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the job that a request defines, with Glue's defaults; an update keeps the name and the creation time.

    Raises InvalidInputError where members contradict each other.
    """
    command = request["Command"]
    if "ScriptLocation" not in command:
        raise InvalidInputError("Command.ScriptLocation is required")
    if "MaxCapacity" in request and ("WorkerType" in request or "NumberOfWorkers" in request):
        raise InvalidInputError("Please do not set Max Capacity if using Worker Type and Number of Workers.")
    if ("WorkerType" in request) != ("NumberOfWorkers" in request):
        raise InvalidInputError("Worker Type and Number of Workers have to be set together.")
    kind = command.get("Name", "glueetl")
    default_capacity = 0.0625 if kind == "pythonshell" else 10.0
    capacity = request.get("MaxCapacity", request.get("AllocatedCapacity", default_capacity))
    if "WorkerType" in request:
        capacity = _DPUS.get(request["WorkerType"], 1) * request["NumberOfWorkers"]
    moment = now()
    return {
        "MaxRetries": 0,
        "Timeout": DEFAULT_TIMEOUTS.get(kind, 480),
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "ExecutionClass": "STANDARD",
        "JobMode": "SCRIPT",
        **{name: value for name, value in request.items() if name != "Tags" and value is not None},
        "Command": {"Name": kind, **command},
        "MaxCapacity": float(capacity),
        "AllocatedCapacity": int(capacity),
        "CreatedOn": existing["CreatedOn"] if existing else moment,
        "LastModifiedOn": moment,
    }


def run_settings(definition: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a run: those of the request, else those of the job.

    A session policy comes from the request only. Raises InvalidInputError for one that is invalid.
    """
    names = (
        *("WorkerType", "NumberOfWorkers", "MaxCapacity", "AllocatedCapacity", "GlueVersion", "ExecutionClass"),
        *("SecurityConfiguration", "NotificationProperty", "JobMode", "JobRunQueuingEnabled", "MaintenanceWindow"),
    )
    settings = {name: value for name in names if (value := request.get(name, definition.get(name))) is not None}
    if (policy := request.get(SESSION_POLICY)) is None:
        return settings
    try:
        session_policies.check(policy)
    except MalformedPolicyDocument as error:
        raise InvalidInputError(f"{SESSION_POLICY} is not a valid policy: {error.message}") from error
    return {**settings, SESSION_POLICY: policy}
