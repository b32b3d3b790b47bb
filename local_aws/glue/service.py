"""The local Glue of one world, which its API, its schedules and its events call."""

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from local_aws import events
from local_aws.glue.crawlers import Crawls
from local_aws.glue.drivers.warm import Spare, wanted
from local_aws.glue.errors import AlreadyExistsError, EntityNotFoundError, InvalidInputError
from local_aws.glue.history import History
from local_aws.glue.jobs.executor import Executor
from local_aws.glue.jobs.runner import Jobs
from local_aws.glue.jobs.runs import FAILED, STOPPED, SUCCEEDED, TIMEOUT, GlueJobRun, now
from local_aws.glue.workflows import triggers
from local_aws.glue.workflows.event_batches import EventBatch, EventBatches
from local_aws.glue.workflows.graph import Plan, Trigger
from local_aws.glue.workflows.resume import seed
from local_aws.glue.workflows.runner import WorkflowRuns
from local_aws.glue.workflows.runs import GlueWorkflowRun
from local_aws.glue.workflows.triggers import Triggers
from local_aws.glue.world import World
from local_aws.schedules import ScheduleEntry

_SEVERITIES = {SUCCEEDED: "INFO", STOPPED: "INFO", FAILED: "ERROR", TIMEOUT: "WARN"}
_MESSAGES = {SUCCEEDED: "Job run succeeded", STOPPED: "Job run stopped"}

_LOG = logging.getLogger(__name__)


class Glue:
    """Jobs, triggers and workflows of one world."""

    def __init__(self, world: World) -> None:
        """Assemble it; the runs of an earlier endpoint are read from the state folder."""
        self.world = world
        self.lock = threading.RLock()
        self.spare = Spare(world) if wanted() else None
        self.executor = Executor(world, self.spare)
        folder = world.state.jobs
        self.jobs = Jobs(self.executor, History(folder / "job-runs.jsonl"), self.lock, self._emit_state_change)
        self.triggers = Triggers(self.lock, self.jobs.definitions.get, self.workflow)
        self.crawls = Crawls()
        self.runs = WorkflowRuns(self.jobs, self.crawls, History(folder / "workflow-runs.jsonl"), self.lock)
        self.batches = EventBatches(self._start_by_events)
        self._workflows: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        """End every crawl and every process that it started; nothing starts after that."""
        self.crawls.stop_all()
        self.batches.close()
        self.runs.interrupt()
        self.executor.close()

    def create_workflow(self, request: Mapping[str, Any]) -> None:
        """Add a workflow; raises AlreadyExistsError."""
        with self.lock:
            if request["Name"] in self._workflows:
                raise AlreadyExistsError(f"Workflow with name {request['Name']} already exists.")
            moment = now()
            members = {name: value for name, value in request.items() if name != "Tags" and value is not None}
            self._workflows[request["Name"]] = {**members, "CreatedOn": moment, "LastModifiedOn": moment}

    def update_workflow(self, request: Mapping[str, Any]) -> None:
        """Change the members of a workflow that the request names."""
        with self.lock:
            members = {name: value for name, value in request.items() if value is not None}
            self._workflows[request["Name"]] = {
                **self.workflow(request["Name"]),
                **members,
                "LastModifiedOn": now(),
            }

    def delete_workflow(self, name: str) -> None:
        """Remove a workflow; its runs continue, and a missing one is not an error."""
        with self.lock:
            self._workflows.pop(name, None)

    def workflow(self, name: str) -> dict[str, Any]:
        """Return the definition of a workflow; raises EntityNotFoundError."""
        try:
            return self._workflows[name]
        except KeyError:
            raise EntityNotFoundError(f"Entity not found: workflow {name}") from None

    def workflow_names(self) -> list[str]:
        """Return the names of all workflows."""
        return list(self._workflows)

    def workflow_run(self, name: str, run_id: str) -> GlueWorkflowRun:
        """Return a run of a workflow, up to date."""
        self.workflow(name)
        return self.runs.refresh(self.runs.get(name, run_id))

    def start_workflow(
        self, name: str, properties: Mapping[str, str], *, batch: EventBatch | None = None, is_requested: bool = True
    ) -> GlueWorkflowRun:
        """Start a run of a workflow with its default properties, overridden by these."""
        with self.lock:
            workflow = self.workflow(name)
            return self.runs.start(
                name,
                self.triggers.plan(name),
                {**(workflow.get("DefaultRunProperties") or {}), **properties, **(batch.properties if batch else {})},
                workflow.get("MaxConcurrentRuns"),
                batch=batch.condition if batch else None,
                is_requested=is_requested,
            )

    def resume_workflow(self, name: str, run_id: str, node_ids: list[str]) -> tuple[GlueWorkflowRun, list[str]]:
        """Start a run that repeats nodes of a completed one and all downstream; return it and the first nodes' ids."""
        with self.lock:
            workflow, previous = self.workflow(name), self.workflow_run(name, run_id)
            begin, repeated = seed(previous, node_ids)
            limit = workflow.get("MaxConcurrentRuns")
            return self.runs.start(name, previous.plan, previous.properties, limit, seed=begin), repeated

    def start_trigger(self, name: str) -> None:
        """Fire an ON_DEMAND trigger at once; activate one of another type."""
        with self.lock:
            definition = self.triggers.definition(name)
            if definition["Type"] == triggers.ON_DEMAND:
                self._fire(definition)
            else:
                self.triggers.set_state(name, triggers.ACTIVATED)

    def stop_trigger(self, name: str) -> None:
        """Deactivate a trigger; raises InvalidInputError for an ON_DEMAND one, which is never active."""
        with self.lock:
            if self.triggers.definition(name)["Type"] == triggers.ON_DEMAND:
                raise InvalidInputError(f"Trigger {name} is of type ON_DEMAND and cannot be stopped.")
            self.triggers.set_state(name, triggers.DEACTIVATED)

    def notify(self, workflow: str, event_id: str) -> None:
        """Pass an event to the EVENT trigger of a workflow; raises EntityNotFoundError where there is no active one."""
        with self.lock:
            self.workflow(workflow)
            start = self.triggers.plan(workflow).start
            if start is None or start.kind != triggers.EVENT or not start.active:
                raise EntityNotFoundError(f"Workflow {workflow} has no active start trigger of type EVENT.")
            condition = start.definition["EventBatchingCondition"]
        self.batches.add(workflow, event_id, condition["BatchSize"], condition["BatchWindow"])

    def receive_event(self, workflow: str, event_id: str) -> None:
        """Pass an event to a workflow in another thread: the lock may be held while an event is emitted."""
        thread = threading.Thread(
            target=self._notify_logged, args=(workflow, event_id), name=f"notify-{workflow}", daemon=True
        )
        thread.start()

    def _notify_logged(self, workflow: str, event_id: str) -> None:
        try:
            self.notify(workflow, event_id)
        except Exception:  # noqa: BLE001 - the end of a thread: there is no caller that could report it
            _LOG.exception("event %s did not start the Glue workflow %s", event_id, workflow)

    def schedule_entries(self) -> Iterable[ScheduleEntry]:
        """Yield the schedules of active SCHEDULED triggers; Glue evaluates cron in UTC."""
        for definition in self.triggers.scheduled():
            yield ScheduleEntry(
                f"glue-trigger/{definition['Name']}", definition["Schedule"], self._fire_when_active(definition["Name"])
            )

    def _fire_when_active(self, name: str) -> Any:
        def fire(_: datetime) -> None:
            with self.lock:
                definition = self.triggers.definition(name)
                if definition["State"] == triggers.ACTIVATED:
                    self._fire(definition, is_requested=False)

        return fire

    def _fire(self, definition: Mapping[str, Any], *, is_requested: bool = True) -> None:
        """Fire a start trigger: run its workflow, or without one, its actions."""
        workflow = definition.get("WorkflowName")
        if workflow:
            self.start_workflow(workflow, {}, is_requested=is_requested)
            return
        plan = self.triggers.plan(None)
        start: Trigger = next(trigger for trigger in plan.triggers if trigger.name == definition["Name"])
        followers = [trigger for trigger in plan.triggers if not trigger.starts]
        self.runs.chain(Plan((start, *followers)), start)

    def _start_by_events(self, workflow: str, batch: EventBatch) -> None:
        try:
            self.start_workflow(workflow, {}, batch=batch, is_requested=False)
        except EntityNotFoundError:
            _LOG.exception("events %s are lost", ", ".join(batch.events))

    def _emit_state_change(self, run: GlueJobRun) -> None:
        """Emit the state change of a run; runs in ERROR emit none."""
        if run.state in _SEVERITIES:
            detail = {
                "jobName": run.job_name,
                "severity": _SEVERITIES[run.state],
                "state": run.state,
                "jobRunId": run.id,
                "message": _MESSAGES.get(run.state) or run.error_message or f"Job run is in state {run.state}",
            }
            events.emit("aws.glue", "Glue Job State Change", detail)

    def put_run_properties(self, name: str, run_id: str, properties: Mapping[str, str]) -> None:
        """Add properties to a run, or change them; the workflow's defaults stay as they are."""
        with self.lock:
            run = self.workflow_run(name, run_id)
            run.properties = {**run.properties, **properties}
