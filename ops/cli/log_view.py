"""The logs of job runs on the screen."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import typer

from local_aws.state import State
from local_aws.visible_text import visible
from ops.cli.screen import error_console, print_data
from ops.sandbox import aws, deployment
from ops.sandbox.errors import RunError
from ops.sandbox.job_logs import JobLogs, LogLine
from ops.sandbox.settings import SandboxSettings

_POLL_SECONDS = 1.0
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def age(text: str) -> timedelta:
    """Return the duration in `text`, such as 90s, 10m, 2h or 1d; raise `BadParameter` for anything else."""
    match = _AGE.fullmatch(text)
    if not match:
        raise typer.BadParameter(f"{visible(text)} is not a duration; write it as 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def show(state: State, settings: SandboxSettings, job: str | None, since: timedelta | None, *, follow: bool) -> None:
    """Print the log of the latest run of each job, or of one; with `follow` keep printing until Ctrl-C.

    `job` is a stage or the id of a job run. Raises `RunError` for an unknown job, and when there is nothing to print.
    """
    jobs = deployment.outputs(state)["jobs"]
    job_logs = _job_logs(settings, jobs, job, since)
    lines = job_logs.new_lines()
    if not lines and not follow:
        who = f"No job has a run {job} that" if _is_run_id(job) else f"No run of {job or 'any job'}"
        raise RunError(f"{who} has written to its log {'since then' if since else 'yet'}; run: totelake run")
    width = max(map(len, jobs)) if job is None else 0
    try:
        _print(lines, width)
        if follow:
            error_console.print("Following the logs; Ctrl-C stops.")
        while follow:
            time.sleep(_POLL_SECONDS)
            _print(job_logs.new_lines(), width)
    except KeyboardInterrupt:
        if not follow:
            raise


def _job_logs(settings: SandboxSettings, jobs: Mapping[str, str], job: str | None, since: timedelta | None) -> JobLogs:
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    start = datetime.now(UTC) - since if since else None
    if job is None or _is_run_id(job):
        return JobLogs(glue, logs, jobs, since=start, run_id=job)
    if job not in jobs:
        raise RunError(f"There is no job {job}; the jobs are {', '.join(jobs)}")
    return JobLogs(glue, logs, {job: jobs[job]}, since=start)


def _is_run_id(job: str | None) -> bool:
    return job is not None and job.startswith("jr_")


def _print(lines: list[LogLine], width: int) -> None:
    for line in lines:
        print_data(f"{line.job:<{width}} | {line.text}" if width else line.text)
