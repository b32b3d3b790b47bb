"""What jobs write, read from CloudWatch Logs: of their latest runs, of all since a moment, and on and on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.sandbox.workflow_run import ERROR_GROUP, OUTPUT_GROUP, lines_of, pages


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a run of a `job` wrote, and when it reached the log, in UTC."""

    at: datetime
    job: str
    text: str


class JobLogs:
    """The logs of some jobs, of which each line is read once."""

    def __init__(
        self, glue: Any, logs: Any, jobs: Mapping[str, str], *, since: datetime | None = None, run_id: str | None = None
    ) -> None:
        """Read the runs of `jobs`, whose names are by what they are called.

        That is the latest run of each, or all `since` a moment, or the one of this id. Those that begin later come too.
        """
        self._glue, self._logs, self._jobs = glue, logs, jobs
        self._since, self._run_id = since, run_id
        self._tokens: dict[tuple[str, str], str] = {}
        self._done: set[str] = set()
        self._first = True

    def new_lines(self) -> list[LogLine]:
        """Return what has been written since the last call, in the order of time, also by runs that began since."""
        found = [
            line for job, name in self._jobs.items() for run in self._wanted(name) for line in self._read(job, run)
        ]
        self._first = False
        return sorted(found, key=lambda line: line.at)

    def _wanted(self, name: str) -> list[Mapping[str, Any]]:
        """Return the runs of a job that may have something new to tell."""
        runs = _runs(self._glue, name)
        if self._run_id:
            runs = [run for run in runs if run["Id"] == self._run_id]
        elif self._since:
            runs = [run for run in runs if run.get("CompletedOn", self._since) >= self._since]
        elif self._first:
            self._done |= {run["Id"] for run in runs[1:]}
        return [run for run in runs if run["Id"] not in self._done]

    def _read(self, job: str, run: Mapping[str, Any]) -> Iterator[LogLine]:
        """Yield the new lines of a run; one that had ended before they were read has nothing more to tell."""
        for group in (OUTPUT_GROUP, ERROR_GROUP):
            place = (group, run["Id"])
            for page in pages(self._logs, *place, self._tokens.get(place)):
                self._tokens[place] = page["nextForwardToken"]
                for event in page["events"]:
                    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    if self._since is None or at >= self._since:
                        yield from (LogLine(at, job, text) for text in lines_of(event["message"]))
        if "CompletedOn" in run:
            self._done.add(run["Id"])


def _runs(glue: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the runs of a job, the latest first."""
    answer = glue.get_paginator("get_job_runs").paginate(JobName=name)
    runs: list[Mapping[str, Any]] = [run for page in answer for run in page["JobRuns"]]
    return sorted(runs, key=lambda run: run["StartedOn"], reverse=True)
