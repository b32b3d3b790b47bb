"""The definitions of triggers, their validation and their states."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.glue.errors import (
    AlreadyExistsError,
    EntityNotFoundError,
    InvalidInputError,
    ResourceNumberLimitExceededError,
)
from local_aws.glue.jobs.runs import now
from local_aws.glue.workflows.graph import CONDITIONAL, CRAWLER, JOB, Plan, Trigger, trigger_of
from local_aws.schedules import ScheduleExpressionError, next_fire

ON_DEMAND = "ON_DEMAND"
SCHEDULED = "SCHEDULED"
EVENT = "EVENT"
CREATED = "CREATED"
ACTIVATED = "ACTIVATED"
DEACTIVATED = "DEACTIVATED"

JOB_STATES = ("SUCCEEDED", "STOPPED", "FAILED", "TIMEOUT")
CRAWL_STATES = ("SUCCEEDED", "FAILED", "CANCELLED")
_UNCHANGEABLE = ("Name", "Type", "WorkflowName", "State")
"""The members that an update does not change."""

MOST_CRAWLERS = 2
LARGEST_WORKFLOW = 100
"""Jobs, crawlers and triggers together."""


class Triggers:
    """The triggers of a world, behind the lock of the jobs.

    `require_job` and `require_workflow` raise EntityNotFoundError for a name that does not exist.
    """

    def __init__(
        self, lock: threading.RLock, require_job: Callable[[str], Any], require_workflow: Callable[[str], Any]
    ) -> None:
        """Begin without triggers."""
        self._lock = lock
        self._require_job = require_job
        self._require_workflow = require_workflow
        self._definitions: dict[str, dict[str, Any]] = {}

    def create(self, request: Mapping[str, Any]) -> None:
        """Add a trigger; raises AlreadyExistsError, EntityNotFoundError, InvalidInputError and the limit's error."""
        with self._lock:
            name, workflow = request["Name"], request.get("WorkflowName")
            if name in self._definitions:
                raise AlreadyExistsError(f"Trigger with name {name} already submitted")
            if workflow:
                self._require_workflow(workflow)
            if request["Type"] == ON_DEMAND and request.get("StartOnCreation"):
                raise InvalidInputError("StartOnCreation is not supported for on-demand triggers.")
            definition = _definition(request)
            definition["State"] = ACTIVATED if request.get("StartOnCreation") else CREATED
            self._check(definition)
            self._definitions[name] = definition

    def update(self, name: str, update: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the actions, the predicate and the schedule of a trigger; name, type, workflow and state stay."""
        with self._lock:
            existing = self.definition(name)
            unchanged: dict[str, Any] = {key: existing[key] for key in _UNCHANGEABLE if key in existing}
            definition = _definition({"Actions": existing["Actions"], **update, **unchanged})
            self._check(definition)
            self._definitions[name] = definition
            return definition

    def delete(self, name: str) -> None:
        """Remove a trigger; a missing one is not an error, as on AWS."""
        with self._lock:
            self._definitions.pop(name, None)

    def definition(self, name: str) -> dict[str, Any]:
        """Return a trigger as GetTrigger shows it; raises EntityNotFoundError."""
        try:
            return self._definitions[name]
        except KeyError:
            raise EntityNotFoundError(f"Entity not found: trigger {name}") from None

    def names(self, job: str | None = None) -> list[str]:
        """Return the names of all triggers, or of those that start a job."""
        with self._lock:
            if job is None:
                return list(self._definitions)
            return [
                name
                for name, definition in self._definitions.items()
                if any(action.get("JobName") == job for action in definition["Actions"])
            ]

    def set_state(self, name: str, state: str) -> None:
        """Activate or deactivate a trigger."""
        with self._lock:
            self._definitions[name] = {**self.definition(name), "State": state}

    def plan(self, workflow: str | None) -> Plan:
        """Return the current triggers of a workflow, or those without a workflow."""
        with self._lock:
            return Plan(
                tuple(
                    trigger_of(definition)
                    for definition in self._definitions.values()
                    if definition.get("WorkflowName") == workflow
                )
            )

    def scheduled(self) -> list[dict[str, Any]]:
        """Return the SCHEDULED triggers that are active."""
        with self._lock:
            return [
                definition
                for definition in self._definitions.values()
                if definition["Type"] == SCHEDULED and definition["State"] == ACTIVATED
            ]

    def _check(self, definition: dict[str, Any]) -> None:
        _check_type(definition)
        if definition["Type"] == CONDITIONAL:
            _check_predicate(definition.get("Predicate") or {})
        _check_actions(definition["Actions"])
        trigger = trigger_of(definition)
        predicate_nodes = {condition.node for condition in trigger.conditions}
        both = [
            action.node.name for action in trigger.actions if action.node.kind == JOB and action.node in predicate_nodes
        ]
        if both:
            raise InvalidInputError(f"Job {both[0]} cannot be both in the predicate and in the actions of a trigger.")
        for node in [*predicate_nodes, *(action.node for action in trigger.actions)]:
            if node.kind == JOB:
                self._require_job(node.name)
        if definition.get("WorkflowName"):
            self._check_workflow(definition["WorkflowName"], trigger)

    def _check_workflow(self, workflow: str, trigger: Trigger) -> None:
        others = [item for item in self.plan(workflow).triggers if item.name != trigger.name]
        start = next((item for item in others if item.starts), None)
        if trigger.starts and start:
            raise InvalidInputError(f"Workflow {workflow} has a start trigger already: {start.name}.")
        if len(Plan((*others, trigger)).nodes) > LARGEST_WORKFLOW:
            raise ResourceNumberLimitExceededError(
                f"Workflow {workflow} would hold more than {LARGEST_WORKFLOW} jobs, crawlers and triggers."
            )


def _definition(request: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("StartOnCreation", "Tags")
    definition = {key: value for key, value in request.items() if key not in left_out and value is not None}
    if definition["Type"] == EVENT:
        condition = definition.get("EventBatchingCondition") or {"BatchSize": 1}
        definition["EventBatchingCondition"] = {"BatchWindow": 900, **condition}
    return definition


def _check_type(definition: Mapping[str, Any]) -> None:
    """Raise InvalidInputError where members of a trigger contradict its type."""
    kind = definition["Type"]
    if definition.get("Schedule") and kind != SCHEDULED:
        raise InvalidInputError(f"Schedule is not supported for triggers of type {kind}.")
    if (definition.get("Predicate") or {}).get("Conditions") and kind != CONDITIONAL:
        raise InvalidInputError(f"Predicate is not supported for triggers of type {kind}.")
    if definition.get("EventBatchingCondition") and kind != EVENT:
        raise InvalidInputError(f"EventBatchingCondition is not supported for triggers of type {kind}.")
    if kind == EVENT and not definition.get("WorkflowName"):
        raise InvalidInputError("A trigger of type EVENT has to belong to a workflow.")
    if kind == SCHEDULED:
        if not definition.get("Schedule"):
            raise InvalidInputError("Schedule cannot be null or empty for triggers of type SCHEDULED.")
        try:
            next_fire(definition["Schedule"], "UTC", now())
        except ScheduleExpressionError as error:
            raise InvalidInputError(str(error)) from error


def _check_predicate(predicate: Mapping[str, Any]) -> None:
    conditions = predicate.get("Conditions") or []
    if not conditions:
        raise InvalidInputError("Predicate cannot be null or empty")
    if len(conditions) > 1 and not predicate.get("Logical"):
        raise InvalidInputError("Logical cannot be null or empty for a predicate with more than one condition")
    for condition in conditions:
        if not condition.get("LogicalOperator"):
            raise InvalidInputError("Logical operator cannot be null or empty")
        if bool(condition.get("JobName")) == bool(condition.get("CrawlerName")):
            raise InvalidInputError("Exactly one of JobName and CrawlerName has to be in a condition")
        kind, state, allowed = (
            (JOB, condition.get("State"), JOB_STATES)
            if condition.get("JobName")
            else (CRAWLER, condition.get("CrawlState"), CRAWL_STATES)
        )
        if state not in allowed:
            raise InvalidInputError(
                f"State {state} cannot be waited for, choose from one of the following {kind.lower()} states: "
                f"[{', '.join(allowed)}]"
            )


def _check_actions(actions: list[Mapping[str, Any]]) -> None:
    if not actions:
        raise InvalidInputError("Actions cannot be null or empty")
    for action in actions:
        if bool(action.get("JobName")) == bool(action.get("CrawlerName")):
            raise InvalidInputError("Exactly one of JobName and CrawlerName has to be in an action")
    if sum("CrawlerName" in action for action in actions) > MOST_CRAWLERS:
        raise InvalidInputError(f"A trigger cannot start more than {MOST_CRAWLERS} crawlers.")
