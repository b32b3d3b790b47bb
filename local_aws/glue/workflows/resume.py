"""Resumption of a completed workflow run: the steps that are repeated, and those that are kept."""

from dataclasses import replace

from local_aws.glue.errors import IllegalWorkflowStateError, InvalidInputError
from local_aws.glue.workflows.graph import TRIGGER, GraphNode, Trigger, TriggerAction, unique_id
from local_aws.glue.workflows.runner import Seed
from local_aws.glue.workflows.runs import COMPLETED, GlueWorkflowRun, WorkflowStep


def seed(previous: GlueWorkflowRun, node_ids: list[str]) -> tuple[Seed, list[str]]:
    """Return the initial state of the new run, and the ids of its first nodes.

    The requested nodes and all downstream of them run again; a requested node downstream of another one is not a first
    node. Raises IllegalWorkflowStateError unless the run has completed, InvalidInputError for a node that it did not
    attempt.
    """
    if previous.status != COMPLETED:
        raise IllegalWorkflowStateError(
            f"Workflow run {previous.id} is in state {previous.status} and cannot be resumed."
        )
    requested = _nodes_of(previous, node_ids)
    downstream = previous.plan.downstream(requested)
    first = [node for node in requested if node not in downstream]
    if not first:  # a cycle of nodes: all requested ones are first
        first = requested
    repeated = downstream | set(first)
    kept = [replace(step, job_run_ids=list(step.job_run_ids)) for step in previous.steps if step.node not in repeated]
    repeated_actions = [_trigger_and_action(previous, step) for step in previous.steps if step.node in first]
    # A trigger downstream of a repeated node waits again; the others have fired.
    waiting = {trigger.name for trigger in previous.plan.triggers if trigger.node in downstream}
    ids = [unique_id(previous.workflow, node) for node in first]
    return Seed(previous, kept, repeated_actions, previous.fired - waiting), ids


def _nodes_of(previous: GlueWorkflowRun, node_ids: list[str]) -> list[GraphNode]:
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


def _trigger_and_action(previous: GlueWorkflowRun, step: WorkflowStep) -> tuple[Trigger, TriggerAction]:
    trigger = next(item for item in previous.plan.triggers if item.name == step.trigger)
    return trigger, next(action for action in trigger.actions if action.node == step.node)
