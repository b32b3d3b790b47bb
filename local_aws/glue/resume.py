"""Which part of a completed workflow run is repeated when it is resumed, and which is kept."""

from dataclasses import replace

from local_aws.glue.errors import IllegalWorkflowStateError, InvalidInputError
from local_aws.glue.graph import TRIGGER, Action, Node, Trigger, unique_id
from local_aws.glue.workflow_runs import COMPLETED, Step, WorkflowRun
from local_aws.glue.workflows import Seed


def seed(previous: WorkflowRun, node_ids: list[str]) -> tuple[Seed, list[str]]:
    """Return what the new run begins with, and the ids of the nodes at which it begins.

    The named nodes and all that is downstream of them run again; a named node that is downstream of another one drops
    out. Raises IllegalWorkflowStateError unless the run has completed, InvalidInputError for a node that it did not
    attempt.
    """
    if previous.status != COMPLETED:
        raise IllegalWorkflowStateError(
            f"Workflow run {previous.id} is in state {previous.status} and cannot be resumed."
        )
    named = _named(previous, node_ids)
    downstream = previous.plan.downstream(named)
    first = [node for node in named if node not in downstream]
    if not first:  # a circle of nodes, each downstream of the other: all that were named begin
        first = named
    repeated = downstream | set(first)
    kept = [replace(step, job_run_ids=list(step.job_run_ids)) for step in previous.steps if step.node not in repeated]
    again = [_taken(previous, step) for step in previous.steps if step.node in first]
    # A trigger that waited for anything that runs again waits again; the others have fired.
    waiting = {trigger.name for trigger in previous.plan.triggers if trigger.node in downstream}
    ids = [unique_id(previous.workflow, node) for node in first]
    return Seed(previous, kept, again, previous.fired - waiting), ids


def _named(previous: WorkflowRun, node_ids: list[str]) -> list[Node]:
    if not node_ids:
        raise InvalidInputError("NodeIds cannot be empty")
    nodes = {unique_id(previous.workflow, node): node for node in previous.plan.nodes}
    attempted = {step.node for step in previous.steps}
    for node_id in node_ids:
        node = nodes.get(node_id)
        if node is None:
            raise InvalidInputError(f"Node {node_id} is not in the graph of run {previous.id}.")
        if node.kind == TRIGGER or node not in attempted:
            raise InvalidInputError(f"Node {node_id} ({node.name}) was not attempted in run {previous.id}.")
    return [nodes[node_id] for node_id in dict.fromkeys(node_ids)]


def _taken(previous: WorkflowRun, step: Step) -> tuple[Trigger, Action]:
    trigger = next(item for item in previous.plan.triggers if item.name == step.trigger)
    return trigger, next(action for action in trigger.actions if action.node == step.node)
