"""Workflow runs: triggers fire, jobs and crawlers start, their ends lead to the next ones, until nothing is left."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moto.glue.exceptions import GlueClientError

from local_aws.glue import crawlers, workflow_runs
from local_aws.glue.crawlers import Crawl
from local_aws.glue.errors import ConcurrentRunsExceededError, EntityNotFoundError, GlueError, IllegalWorkflowStateError
from local_aws.glue.executor import INTERRUPTED
from local_aws.glue.graph import JOB, Action, Node, Plan, Trigger, satisfied
from local_aws.glue.history import History
from local_aws.glue.job_runs import ERROR, JobRun, Predecessor, identifier
from local_aws.glue.jobs import Jobs, Order
from local_aws.glue.workflow_runs import RUNNING, STOPPED, STOPPING, Step, WorkflowRun

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seed:
    """What a run begins with when it does not begin at its start trigger: a resumed one."""

    previous: WorkflowRun
    steps: list[Step] = field(default_factory=list)
    """The steps of the previous run that are kept."""
    again: list[tuple[Trigger, Action]] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)


class WorkflowRuns:
    """All runs of all workflows, and the chains of triggers that belong to no workflow, behind the lock of the jobs."""

    def __init__(self, jobs: Jobs, history: History, lock: threading.RLock) -> None:
        """Begin with the runs that the history knows; those that were under way have ended with their endpoint."""
        self._jobs = jobs
        self._history = history
        self._lock = lock
        self._runs: dict[str, WorkflowRun] = {}
        for record in history.read():
            self._recover(WorkflowRun.from_json(record))

    def interrupt(self) -> None:
        """End every run that is under way, because the endpoint ends; nothing in it starts any more."""
        with self._lock:
            for run in self._runs.values():
                if run.open:
                    run.finish(STOPPED, INTERRUPTED)
                    self._history.write(run.to_json())

    def _recover(self, run: WorkflowRun) -> None:
        if run.open:
            for step in run.steps:
                if not step.over:
                    step.state = self._jobs.run(step.job_run_ids[-1]).state if step.job_run_ids else ERROR
            run.finish(STOPPED, INTERRUPTED)
            self._history.write(run.to_json())
        self._runs[run.id] = run

    def of(self, workflow: str) -> list[WorkflowRun]:
        """Return the runs of a workflow, newest first."""
        with self._lock:
            return [run for run in reversed(self._runs.values()) if run.workflow == workflow]

    def get(self, workflow: str, run_id: str) -> WorkflowRun:
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
        by_hand: bool = True,
        seed: Seed | None = None,
    ) -> WorkflowRun:
        """Begin a run and return it; `plan` is its graph for good.

        Where `limit` runs are under way already, a run that somebody asks for raises ConcurrentRunsExceededError, and
        one that a trigger begins is recorded with status ERROR.
        """
        with self._lock:
            run = WorkflowRun(identifier("wr"), workflow, plan, dict(properties), batch=batch)
            busy = limit is not None and sum(item.open for item in self.of(workflow)) >= limit
            message = f"Concurrent runs exceeded for workflow: {workflow}."
            if busy and by_hand:
                raise ConcurrentRunsExceededError(message)
            self._runs[run.id] = run
            if busy:
                run.finish(workflow_runs.ERROR, message)
            elif seed:
                self._begin_again(run, seed)
            elif plan.start is None:
                # (Undocumented.) A run that has nothing to begin with did not start.
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
            run = WorkflowRun(identifier("wr"), "", plan, {})
            self._fire(run, start)
            self._advance(run)

    def stop(self, workflow: str, run_id: str) -> None:
        """Stop what runs and start nothing more; raises IllegalWorkflowStateError where nothing runs."""
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

    def _stop_step(self, step: Step) -> None:
        if step.node.kind == JOB:
            self._jobs.stop(self._jobs.attempts(step.job_run_ids[0])[-1].id)
            return
        try:
            crawlers.stop(step.node.name)
        except GlueClientError:
            _LOG.exception("crawler %s could not be stopped", step.node.name)

    def refresh(self, run: WorkflowRun) -> WorkflowRun:
        """Bring the states of the jobs that are under way up to date, and return the run."""
        with self._lock:
            for step in run.steps:
                if step.node.kind == JOB and not step.over:
                    attempts = self._jobs.attempts(step.job_run_ids[0])
                    step.job_run_ids = [attempt.id for attempt in attempts]
                    step.state = attempts[-1].state
            return run

    def _begin_again(self, run: WorkflowRun, seed: Seed) -> None:
        run.previous_run_id = seed.previous.id
        run.steps = seed.steps
        run.fired = seed.fired
        for trigger, action in seed.again:
            self._take(run, trigger, action)

    def _fire(self, run: WorkflowRun, trigger: Trigger) -> None:
        run.fired.add(trigger.name)
        for action in trigger.actions:
            self._take(run, trigger, action)

    def _take(self, run: WorkflowRun, trigger: Trigger, action: Action) -> None:
        step = Step(trigger.name, action.node, RUNNING)
        run.steps.append(step)
        if action.node.kind == JOB:
            self._start_job(run, trigger, action, step)
        else:
            self._start_crawl(run, step)

    def _start_job(self, run: WorkflowRun, trigger: Trigger, action: Action, step: Step) -> None:
        name = action.node.name
        order = Order(
            request={key: value for key, value in action.request.items() if key != "Arguments"},
            trigger_arguments=action.request.get("Arguments") or {},
            trigger_name=trigger.name,
            workflow_name=run.workflow or None,
            workflow_run_id=run.id if run.workflow else None,
            predecessors=tuple(self._predecessors(run, trigger)),
        )

        def ended(job_run: JobRun) -> None:
            step.job_run_ids = [attempt.id for attempt in self._jobs.attempts(step.job_run_ids[0])]
            self._ended(run, step, job_run.state)

        try:
            job_run = self._jobs.start(name, order, ended)
        except GlueError as error:
            job_run = self._jobs.refuse(name, order, error.message)
        step.job_run_ids = [job_run.id]
        step.state = job_run.state

    def _start_crawl(self, run: WorkflowRun, step: Step) -> None:
        def ended(crawl: Crawl) -> None:
            with self._lock:
                step.crawl = crawl.described()
                self._ended(run, step, crawl.state)

        try:
            crawl = crawlers.start(step.node.name, ended)
        except GlueClientError as error:
            step.state = ERROR
            step.crawl = {"State": ERROR, "ErrorMessage": error.message}
        else:
            if not step.over:
                step.crawl = crawl.described()

    def _predecessors(self, run: WorkflowRun, trigger: Trigger) -> Sequence[Predecessor]:
        met = {
            condition.node for condition in trigger.conditions if run.outcomes.get(condition.node) == condition.state
        }
        last = {step.node: step.job_run_ids[-1] for step in run.steps if step.node in met and step.job_run_ids}
        return [Predecessor(node.name, run_id) for node, run_id in last.items()]

    def _ended(self, run: WorkflowRun, step: Step, state: str) -> None:
        """Note the end of a step and fire the triggers that waited for it."""
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

    def _advance(self, run: WorkflowRun) -> None:
        """End the run when nothing in it runs or waits: no unfired trigger is satisfied then, since each was asked."""
        if run.open and all(step.over for step in run.steps):
            run.finish(STOPPED if run.status == STOPPING else workflow_runs.COMPLETED)


def _names(trigger: Trigger, node: Node) -> bool:
    return any(condition.node == node for condition in trigger.conditions)
