"""Execution of workflow runs: triggers fire, start jobs and crawlers, and fire again when these end."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moto.glue.exceptions import GlueClientError

from local_aws.glue.crawlers import Crawl, Crawls
from local_aws.glue.errors import ConcurrentRunsExceededError, EntityNotFoundError, GlueError, IllegalWorkflowStateError
from local_aws.glue.history import History
from local_aws.glue.jobs.executor import INTERRUPTED
from local_aws.glue.jobs.runner import Jobs, RunRequest
from local_aws.glue.jobs.runs import ERROR, GlueJobRun, Predecessor, identifier
from local_aws.glue.workflows import runs as workflow_runs
from local_aws.glue.workflows.graph import JOB, GraphNode, Plan, Trigger, TriggerAction, satisfied
from local_aws.glue.workflows.runs import RUNNING, STOPPED, STOPPING, GlueWorkflowRun, WorkflowStep

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seed:
    """The initial state of a resumed run, which does not begin at its start trigger."""

    previous: GlueWorkflowRun
    steps: list[WorkflowStep] = field(default_factory=list)
    """The steps of the previous run that are kept."""
    repeated: list[tuple[Trigger, TriggerAction]] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)


class WorkflowRuns:
    """All runs of all workflows, and the chains of triggers that belong to no workflow, behind the lock of the jobs."""

    def __init__(self, jobs: Jobs, crawls: Crawls, history: History, lock: threading.RLock) -> None:
        """Read the runs of the history; those that were in progress count as ended with their endpoint."""
        self._jobs = jobs
        self._crawls = crawls
        self._history = history
        self._lock = lock
        self._runs: dict[str, GlueWorkflowRun] = {}
        for record in history.read():
            self._recover(GlueWorkflowRun.from_json(record))

    def interrupt(self) -> None:
        """End every run in progress, because the endpoint ends; nothing in it starts any more."""
        with self._lock:
            for run in self._runs.values():
                if run.open:
                    run.finish(STOPPED, INTERRUPTED)
                    self._history.write(run.to_json())

    def _recover(self, run: GlueWorkflowRun) -> None:
        if run.open:
            for step in run.steps:
                if not step.over:
                    step.state = self._jobs.run(step.job_run_ids[-1]).state if step.job_run_ids else ERROR
            run.finish(STOPPED, INTERRUPTED)
            self._history.write(run.to_json())
        self._runs[run.id] = run

    def of(self, workflow: str) -> list[GlueWorkflowRun]:
        """Return the runs of a workflow, newest first."""
        with self._lock:
            return [run for run in reversed(self._runs.values()) if run.workflow == workflow]

    def get(self, workflow: str, run_id: str) -> GlueWorkflowRun:
        """Return a run; raises EntityNotFoundError."""
        run = self._runs.get(run_id)
        if run is None or run.workflow != workflow:
            raise EntityNotFoundError(f"Entity not found: run {run_id} of workflow {workflow}")
        return run

    def start(
        self,
        workflow: str,
        plan: Plan,
        properties: Mapping[str, str],
        limit: int | None,
        *,
        batch: dict[str, int] | None = None,
        is_requested: bool = True,
        seed: Seed | None = None,
    ) -> GlueWorkflowRun:
        """Start a run and return it; `plan` is its graph, which does not change.

        Where `limit` runs are in progress already, a requested run raises ConcurrentRunsExceededError, and one that a
        trigger starts is recorded with status ERROR.
        """
        with self._lock:
            run = GlueWorkflowRun(identifier("wr"), workflow, plan, dict(properties), batch=batch)
            busy = limit is not None and sum(item.open for item in self.of(workflow)) >= limit
            message = f"Concurrent runs exceeded for workflow: {workflow}."
            if busy and is_requested:
                raise ConcurrentRunsExceededError(message)
            self._runs[run.id] = run
            if busy:
                run.finish(workflow_runs.ERROR, message)
            elif seed:
                self._start_resumed(run, seed)
            elif plan.start is None:
                # (Undocumented.) A run without a start trigger fails.
                run.finish(workflow_runs.ERROR, f"Workflow {workflow} has no start trigger.")
            else:
                self._fire(run, plan.start)
            self._advance(run)
            self._history.write(run.to_json())
            return run

    def chain(self, plan: Plan, start: Trigger) -> None:
        """Fire a trigger that belongs to no workflow, and the conditional ones of `plan` that follow from it.

        (Undocumented.) As in a workflow, the conditional triggers are those that are active when the first one fires.
        """
        with self._lock:
            run = GlueWorkflowRun(identifier("wr"), "", plan, {})
            self._fire(run, start)
            self._advance(run)

    def stop(self, workflow: str, run_id: str) -> None:
        """Stop a run and all that runs in it; raises IllegalWorkflowStateError for one that does not run."""
        with self._lock:
            run = self.get(workflow, run_id)
            if run.status != RUNNING:
                raise IllegalWorkflowStateError(
                    f"Workflow run {run_id} is in state {run.status} and cannot be stopped."
                )
            run.status = STOPPING
            for step in run.steps:
                if not step.over:
                    self._stop_step(step)
            self._advance(run)

    def _stop_step(self, step: WorkflowStep) -> None:
        if step.node.kind == JOB:
            self._jobs.stop(self._jobs.attempts(step.job_run_ids[0])[-1].id)
            return
        try:
            self._crawls.stop(step.node.name)
        except GlueClientError:
            _LOG.exception("crawler %s could not be stopped", step.node.name)

    def refresh(self, run: GlueWorkflowRun) -> GlueWorkflowRun:
        """Update the states of the jobs in progress, and return the run."""
        with self._lock:
            for step in run.steps:
                if step.node.kind == JOB and not step.over:
                    attempts = self._jobs.attempts(step.job_run_ids[0])
                    step.job_run_ids = [attempt.id for attempt in attempts]
                    step.state = attempts[-1].state
            return run

    def _start_resumed(self, run: GlueWorkflowRun, seed: Seed) -> None:
        run.previous_run_id = seed.previous.id
        run.steps = seed.steps
        run.fired = seed.fired
        for trigger, action in seed.repeated:
            self._start_action(run, trigger, action)

    def _fire(self, run: GlueWorkflowRun, trigger: Trigger) -> None:
        run.fired.add(trigger.name)
        for action in trigger.actions:
            self._start_action(run, trigger, action)

    def _start_action(self, run: GlueWorkflowRun, trigger: Trigger, action: TriggerAction) -> None:
        step = WorkflowStep(trigger.name, action.node, RUNNING)
        run.steps.append(step)
        if action.node.kind == JOB:
            self._start_job(run, trigger, action, step)
        else:
            self._start_crawl(run, step)

    def _start_job(self, run: GlueWorkflowRun, trigger: Trigger, action: TriggerAction, step: WorkflowStep) -> None:
        name = action.node.name
        run_request = RunRequest(
            request={key: value for key, value in action.request.items() if key != "Arguments"},
            trigger_arguments=action.request.get("Arguments") or {},
            trigger_name=trigger.name,
            workflow_name=run.workflow or None,
            workflow_run_id=run.id if run.workflow else None,
            predecessors=tuple(self._predecessors(run, trigger)),
        )

        def ended(job_run: GlueJobRun) -> None:
            step.job_run_ids = [attempt.id for attempt in self._jobs.attempts(step.job_run_ids[0])]
            self._ended(run, step, job_run.state)

        try:
            job_run = self._jobs.start(name, run_request, ended)
        except GlueError as error:
            job_run = self._jobs.refuse(name, run_request, error.message)
        step.job_run_ids = [job_run.id]
        step.state = job_run.state

    def _start_crawl(self, run: GlueWorkflowRun, step: WorkflowStep) -> None:
        def ended(crawl: Crawl) -> None:
            with self._lock:
                step.crawl = crawl.described()
                self._ended(run, step, crawl.state)

        try:
            crawl = self._crawls.start(step.node.name, ended)
        except GlueClientError as error:
            step.state = ERROR
            step.crawl = {"State": ERROR, "ErrorMessage": error.message}
        else:
            if not step.over:
                step.crawl = crawl.described()

    def _predecessors(self, run: GlueWorkflowRun, trigger: Trigger) -> Sequence[Predecessor]:
        met_nodes = {
            condition.node for condition in trigger.conditions if run.outcomes.get(condition.node) == condition.state
        }
        last = {step.node: step.job_run_ids[-1] for step in run.steps if step.node in met_nodes and step.job_run_ids}
        return [Predecessor(node.name, run_id) for node, run_id in last.items()]

    def _ended(self, run: GlueWorkflowRun, step: WorkflowStep, state: str) -> None:
        """Record the end of a step and fire the triggers that waited for it."""
        step.state = state
        if run.status == RUNNING:
            for trigger in run.plan.triggers:
                # (Undocumented.) A trigger, also an ANY one, fires at most once in a run.
                waits = trigger.name not in run.fired and trigger.active
                if waits and _names(trigger, step.node) and satisfied(trigger, run.outcomes):
                    self._fire(run, trigger)
        self._advance(run)
        if run.workflow:
            self._history.write(run.to_json())

    def _advance(self, run: GlueWorkflowRun) -> None:
        """End the run when nothing in it runs or waits: every satisfied trigger has fired then."""
        if run.open and all(step.over for step in run.steps):
            run.finish(STOPPED if run.status == STOPPING else workflow_runs.COMPLETED)


def _names(trigger: Trigger, node: GraphNode) -> bool:
    return any(condition.node == node for condition in trigger.conditions)
