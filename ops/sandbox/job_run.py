"""Runs one job outside a workflow, waits for its end, and returns its output."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.sandbox.errors import RunError
from ops.sandbox.workflow_run import OUTPUT_GROUP, log_lines, parsed_line

_ACTIVE_STATES = {"STARTING", "RUNNING", "STOPPING", "WAITING"}
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class FinishedJobRun:
    """A job run that has ended: its state, its error message, and the JSON lines of its log."""

    id: str
    state: str
    error: str
    lines: tuple[Mapping[str, Any], ...]

    @property
    def succeeded(self) -> bool:
        """Whether it ended without an error."""
        return self.state == "SUCCEEDED"


def run(glue: Any, logs: Any, job: str, arguments: Mapping[str, str] | None = None) -> FinishedJobRun:
    """Start the job with `arguments` that override its default ones, wait for its end and return the run.

    Raises `RunError` at the job's limit of concurrent runs.
    """
    try:
        run_id: str = glue.start_job_run(JobName=job, Arguments=dict(arguments or {}))["JobRunId"]
    except glue.exceptions.ConcurrentRunsExceededException:
        raise RunError(f"Job {job} is already running; try again when that run has ended") from None
    while (described := glue.get_job_run(JobName=job, RunId=run_id)["JobRun"])["JobRunState"] in _ACTIVE_STATES:
        time.sleep(_POLL_SECONDS)
    lines = tuple(fields for line in log_lines(logs, OUTPUT_GROUP, run_id) if (fields := parsed_line(line)))
    return FinishedJobRun(run_id, described["JobRunState"], described.get("ErrorMessage", ""), lines)
