"""Jobs and their runs: concurrency limits, queueing, retries and the history of runs."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local_aws.glue.errors import ConcurrentRunsExceededError, EntityNotFoundError
from local_aws.glue.history import History
from local_aws.glue.jobs import arguments
from local_aws.glue.jobs.definitions import JobDefinitions, run_settings
from local_aws.glue.jobs.executor import INTERRUPTED, Executor, RunOutcome
from local_aws.glue.jobs.runs import (
    ACTIVE,
    ERROR,
    FAILED,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    WAITING,
    GlueJobRun,
    Predecessor,
    identifier,
    now,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRequest:
    """The request for a run of a job: its members, and those that a trigger adds."""

    request: Mapping[str, Any] = field(default_factory=dict)
    """Arguments, Timeout, WorkerType and the other parameters of StartJobRun."""
    trigger_arguments: Mapping[str, str] = field(default_factory=dict)
    trigger_name: str | None = None
    workflow_name: str | None = None
    workflow_run_id: str | None = None
    predecessors: tuple[Predecessor, ...] = ()
    attempt: int = 0
    previous_run_id: str | None = None


class Jobs:
    """The jobs of a world and their runs, behind one lock, which the workflows share.

    `on_run_ended` is called, without the lock, with every run that has ended.
    """

    def __init__(
        self, executor: Executor, history: History, lock: threading.RLock, on_run_ended: Callable[[GlueJobRun], None]
    ) -> None:
        """Read the runs of the history; those that were in progress count as ended with their endpoint."""
        self._executor = executor
        self._history = history
        self._lock = lock
        self._on_run_ended = on_run_ended
        self.definitions = JobDefinitions(lock)
        self._runs: dict[str, GlueJobRun] = {}
        self._requests: dict[str, RunRequest] = {}
        self._listeners: dict[str, Callable[[GlueJobRun], None]] = {}
        self._retries: dict[str, str] = {}
        for record in history.read():
            self._recover(GlueJobRun.from_json(record))

    def _recover(self, run: GlueJobRun) -> None:
        if run.state in ACTIVE | {WAITING}:
            run = run.to(FAILED, error_message=INTERRUPTED)
            self._history.write(run.to_json())
        self._runs[run.id] = run

    def run(self, run_id: str, job_name: str | None = None) -> GlueJobRun:
        """Return a run, of this job if one is named; raises EntityNotFoundError."""
        run = self._runs.get(run_id)
        if run is None or (job_name is not None and run.job_name != job_name):
            raise EntityNotFoundError(f"Job run not found: {run_id}")
        return run

    def runs(self, job_name: str) -> list[GlueJobRun]:
        """Return the runs of a job, newest first."""
        self.definitions.get(job_name)
        with self._lock:
            return [run for run in reversed(self._runs.values()) if run.job_name == job_name]

    def attempts(self, run_id: str) -> list[GlueJobRun]:
        """Return a run and the retries of it, in order."""
        with self._lock:
            attempts = [self.run(run_id)]
            while attempts[-1].id in self._retries:
                attempts.append(self.run(self._retries[attempts[-1].id]))
            return attempts

    def start(
        self, name: str, run_request: RunRequest, on_end: Callable[[GlueJobRun], None] | None = None
    ) -> GlueJobRun:
        """Start a run, or queue it where the job queues its runs.

        `on_end` is called, under the lock, when the last attempt has ended. Raises EntityNotFoundError and
        ConcurrentRunsExceededError.
        """
        with self._lock:
            definition = self.definitions.get(name)
            state = STARTING
            if not self._has_room(name):
                queued = run_request.request.get("JobRunQueuingEnabled", definition.get("JobRunQueuingEnabled", False))
                if not queued:
                    raise ConcurrentRunsExceededError(f"Concurrent runs exceeded for {name}")
                state = WAITING
            run = self._new_run(name, run_request, state)
            if on_end:
                self._listeners[run.id] = on_end
            if state == STARTING:
                self._begin(run)
            return run

    def refuse(self, name: str, run_request: RunRequest, reason: str) -> GlueJobRun:
        """Record a run that a trigger could not start, in state ERROR."""
        with self._lock:
            run = GlueJobRun(
                id=identifier("jr"),
                job_name=name,
                state=ERROR,
                arguments=dict(run_request.trigger_arguments),
                trigger_name=run_request.trigger_name,
                workflow_name=run_request.workflow_name,
                workflow_run_id=run_request.workflow_run_id,
                predecessors=run_request.predecessors,
            )
            self._keep(run.to(ERROR, error_message=reason))
            return self._runs[run.id]

    def stop(self, run_id: str) -> bool:
        """Stop a run; returns False when it has ended already."""
        with self._lock:
            run = self._runs[run_id]
            if run.state == WAITING:
                self._end(run.to(STOPPED))
                threading.Thread(target=self._on_run_ended, args=(self._runs[run_id],), daemon=True).start()
            elif run.state in (STARTING, RUNNING):
                self._keep(run.to(STOPPING))
                self._executor.stop(run_id, RunOutcome(STOPPED))
            return run.state in ACTIVE | {WAITING}

    def _has_room(self, name: str) -> bool:
        limit: int = self.definitions.get(name)["ExecutionProperty"].get("MaxConcurrentRuns", 1)
        return sum(run.job_name == name and run.state in ACTIVE for run in self._runs.values()) < limit

    def _new_run(self, name: str, run_request: RunRequest, state: str) -> GlueJobRun:
        definition, request = self.definitions.get(name), run_request.request
        run_id = identifier("jr")
        identity = {"--JOB_NAME": name, "--JOB_ID": self.definitions.job_id(name), "--JOB_RUN_ID": run_id}
        if run_request.workflow_name and run_request.workflow_run_id:
            identity |= {"--WORKFLOW_NAME": run_request.workflow_name, "--WORKFLOW_RUN_ID": run_request.workflow_run_id}
        run = GlueJobRun(
            id=run_id,
            job_name=name,
            state=state,
            arguments=arguments.merge(
                definition.get("DefaultArguments") or {},
                run_request.trigger_arguments,
                request.get("Arguments") or {},
                definition.get("NonOverridableArguments") or {},
                identity,
            ),
            attempt=run_request.attempt,
            previous_run_id=run_request.previous_run_id,
            trigger_name=run_request.trigger_name,
            workflow_name=run_request.workflow_name,
            workflow_run_id=run_request.workflow_run_id,
            predecessors=run_request.predecessors,
            timeout=request.get("Timeout") or definition["Timeout"],
            settings=run_settings(definition, dict(request)),
        )
        self._requests[run.id] = run_request
        self._keep(run)
        return run

    def _begin(self, run: GlueJobRun) -> None:
        self._executor.start(run, self.definitions.get(run.job_name), self._running, self._ended)

    def _running(self, run_id: str) -> None:
        with self._lock:
            if self._runs[run_id].state == STARTING:
                self._keep(self._runs[run_id].to(RUNNING))

    def _ended(self, run_id: str, outcome: RunOutcome) -> None:
        with self._lock:
            self._end(self._runs[run_id].to(outcome.state, error_message=outcome.error_message))
            run = self._runs[run_id]
        try:
            self._on_run_ended(run)
        except Exception:  # noqa: BLE001 - the end of a thread: there is no caller that could report it
            _LOG.exception("the callback for the end of job run %s failed", run_id)

    def _end(self, run: GlueJobRun) -> None:
        """Record the end of a run, then start its retry, or the next queued run and call the listener."""
        self._keep(run)
        run_request = self._requests.pop(run.id)
        listener = self._listeners.pop(run.id, None)
        definition = self.definitions.find(run.job_name)
        # A run that timed out or was stopped is never retried.
        if definition and run.state == FAILED and run.attempt < definition["MaxRetries"]:
            again = replace(run_request, attempt=run.attempt + 1, previous_run_id=run.id)
            retry = self._new_run(run.job_name, again, STARTING)
            self._retries[run.id] = retry.id
            if listener:
                self._listeners[retry.id] = listener
            self._begin(retry)
            return
        self._start_waiting(run.job_name)
        # (Undocumented.) A predicate is evaluated after the last attempt of a job.
        if listener:
            listener(run)

    def _start_waiting(self, name: str) -> None:
        for run in [item for item in self._runs.values() if item.job_name == name and item.state == WAITING]:
            if self.definitions.find(name) is None:
                self._end(run.to(FAILED, error_message=f"Job {name} was deleted while the run waited."))
            elif self._has_room(name):
                self._keep(replace(run.to(STARTING), started_on=now()))
                self._begin(self._runs[run.id])

    def _keep(self, run: GlueJobRun) -> None:
        previous = self._runs.get(run.id)
        self._runs[run.id] = run
        if previous is None or run.completed_on:
            self._history.write(run.to_json())
