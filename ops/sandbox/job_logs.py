"""The logs of jobs, read from CloudWatch Logs: of the latest runs, or of all since a moment, and new lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.sandbox.workflow_run import ERROR_GROUP, OUTPUT_GROUP, lines_of, pages


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line from a run of `job`, with the time of its log event in UTC."""

    at: datetime
    job: str
    text: str


class JobLogs:
    """The logs of some jobs; each line is read once."""

    def __init__(
        self, glue: Any, logs: Any, jobs: Mapping[str, str], *, since: datetime | None = None, run_id: str | None = None
    ) -> None:
        """Read the runs of `jobs`, a mapping of stages to job names.

        These are the latest run of each job, or all `since` a moment, or the one of this id; and all that start later.
        """
        self._glue, self._logs, self._jobs = glue, logs, jobs
        self._since, self._run_id = since, run_id
        self._tokens: dict[tuple[str, str], str] = {}
        self._done: set[str] = set()
        self._first = True

    def new_lines(self) -> list[LogLine]:
        """Return the lines since the last call in order of time, those of newly started runs included."""
        lines = [
            line for job, name in self._jobs.items() for run in self._unfinished(name) for line in self._read(job, run)
        ]
        self._first = False
        return sorted(lines, key=lambda line: line.at)

    def _unfinished(self, name: str) -> list[Mapping[str, Any]]:
        """Return the selected runs of a job whose logs have not been read to the end."""
        runs = _runs(self._glue, name)
        if self._run_id:
            runs = [run for run in runs if run["Id"] == self._run_id]
        elif self._since:
            runs = [run for run in runs if run.get("CompletedOn", self._since) >= self._since]
        elif self._first:
            self._done |= {run["Id"] for run in runs[1:]}
        return [run for run in runs if run["Id"] not in self._done]

    def _read(self, job: str, run: Mapping[str, Any]) -> Iterator[LogLine]:
        """Yield the new lines of a run; mark it as done if it had ended before they were read."""
        for group in (OUTPUT_GROUP, ERROR_GROUP):
            stream = (group, run["Id"])
            for page in pages(self._logs, *stream, self._tokens.get(stream)):
                self._tokens[stream] = page["nextForwardToken"]
                for event in page["events"]:
                    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    if self._since is None or at >= self._since:
                        yield from (LogLine(at, job, text) for text in lines_of(event["message"]))
        if "CompletedOn" in run:
            self._done.add(run["Id"])


def _runs(glue: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the runs of a job, latest first."""
    run_pages = glue.get_paginator("get_job_runs").paginate(JobName=name)
    runs: list[Mapping[str, Any]] = [run for page in run_pages for run in page["JobRuns"]]
    return sorted(runs, key=lambda run: run["StartedOn"], reverse=True)
