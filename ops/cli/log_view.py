"""The logs of jobs on the screen."""

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
    """Return the time that `text` means, such as 90s, 10m, 2h or 1d; raise `BadParameter` when it means none."""
    found = _AGE.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{visible(text)} is no time; say it as 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def show(state: State, settings: SandboxSettings, job: str | None, since: timedelta | None, *, follow: bool) -> None:
    """Print what the latest runs of all jobs, or of one, have written; go on until Ctrl-C when told to `follow`.

    `job` is a stage or the id of a run. Raises `RunError` when there is no such job.
    """
    jobs = deployment.outputs(state)["jobs"]
    found = _logs(settings, jobs, job, since)
    lines = found.new_lines()
    if not lines and not follow:
        who = f"No run {job} of any job" if _is_run(job) else f"No run of {job or 'any job'}"
        raise RunError(f"{who} has written anything {'since then' if since else 'yet'}; run: totelake run")
    width = max(map(len, jobs)) if job is None else 0
    try:
        _print(lines, width)
        if follow:
            error_console.print("Following; Ctrl-C ends it.")
        while follow:
            time.sleep(_POLL_SECONDS)
            _print(found.new_lines(), width)
    except KeyboardInterrupt:
        if not follow:
            raise


def _logs(settings: SandboxSettings, jobs: Mapping[str, str], job: str | None, since: timedelta | None) -> JobLogs:
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    begin = datetime.now(UTC) - since if since else None
    if job is None or _is_run(job):
        return JobLogs(glue, logs, jobs, since=begin, run_id=job)
    if job not in jobs:
        raise RunError(f"There is no job {job}; there are {', '.join(jobs)}")
    return JobLogs(glue, logs, {job: jobs[job]}, since=begin)


def _is_run(job: str | None) -> bool:
    return job is not None and job.startswith("jr_")


def _print(lines: list[LogLine], width: int) -> None:
    for line in lines:
        print_data(f"{line.job:<{width}} | {line.text}" if width else line.text)
