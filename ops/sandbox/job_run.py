"""One job run of its own, outside a workflow: started, waited for, and what it printed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.sandbox.errors import RunError
from ops.sandbox.workflow_run import OUTPUT_GROUP, log_lines, parsed_line

_AT_WORK = {"STARTING", "RUNNING", "STOPPING", "WAITING"}
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class FinishedJobRun:
    """A job run that has ended: how, why when not well, and the lines of JSON that it printed."""

    id: str
    state: str
    error: str
    lines: tuple[Mapping[str, Any], ...]

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end without an error."""
        return self.state == "SUCCEEDED"


def run(glue: Any, logs: Any, job: str, arguments: Mapping[str, str] | None = None) -> FinishedJobRun:
    """Start the job with these `arguments` besides its own, wait for its end and return it.

    Raises `RunError` when as many run as may.
    """
    try:
        run_id: str = glue.start_job_run(JobName=job, Arguments=dict(arguments or {}))["JobRunId"]
    except glue.exceptions.ConcurrentRunsExceededException:
        raise RunError(f"Job {job} runs already, and not twice at a time; try again when it has ended") from None
    while (found := glue.get_job_run(JobName=job, RunId=run_id)["JobRun"])["JobRunState"] in _AT_WORK:
        time.sleep(_POLL_SECONDS)
    told = tuple(said for line in log_lines(logs, OUTPUT_GROUP, run_id) if (said := parsed_line(line)))
    return FinishedJobRun(run_id, found["JobRunState"], found.get("ErrorMessage", ""), told)
