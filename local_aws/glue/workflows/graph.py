"""The graph of a workflow: its nodes and edges, satisfied triggers and downstream nodes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

JOB = "JOB"
CRAWLER = "CRAWLER"
TRIGGER = "TRIGGER"
CONDITIONAL = "CONDITIONAL"


@dataclass(frozen=True, order=True)
class GraphNode:
    """A node of a workflow: a job, a crawler or a trigger. A job that two triggers start is one node."""

    kind: str
    name: str


@dataclass(frozen=True)
class Condition:
    """A condition of a trigger: a job or crawler in a state."""

    node: GraphNode
    state: str


@dataclass(frozen=True)
class TriggerAction:
    """A job or crawler that a trigger starts, with the members of the definition (Arguments, Timeout and so on)."""

    node: GraphNode
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Trigger:
    """A snapshot of a trigger; `definition` is the result of GetTrigger."""

    name: str
    kind: str
    active: bool
    every: bool
    """Whether all conditions must hold (AND) or one is enough (ANY)."""
    conditions: tuple[Condition, ...]
    actions: tuple[TriggerAction, ...]
    definition: Mapping[str, Any]

    @property
    def node(self) -> GraphNode:
        """The trigger's place in the graph."""
        return GraphNode(TRIGGER, self.name)

    @property
    def starts(self) -> bool:
        """Whether it starts a run, and is not conditional."""
        return self.kind != CONDITIONAL


@dataclass(frozen=True)
class Plan:
    """The triggers of a workflow, which are its graph."""

    triggers: tuple[Trigger, ...]

    @property
    def start(self) -> Trigger | None:
        """The trigger that begins a run."""
        return next((trigger for trigger in self.triggers if trigger.starts), None)

    @property
    def nodes(self) -> list[GraphNode]:
        """Every trigger, and every job and crawler in one of them, each once."""
        unique: dict[GraphNode, None] = {}
        for trigger in self.triggers:
            unique[trigger.node] = None
            unique.update(dict.fromkeys(condition.node for condition in trigger.conditions))
            unique.update(dict.fromkeys(action.node for action in trigger.actions))
        return list(unique)

    @property
    def edges(self) -> list[tuple[GraphNode, GraphNode]]:
        """From each trigger to the nodes that it starts, and to it from the nodes of its conditions."""
        unique: dict[tuple[GraphNode, GraphNode], None] = {}
        for trigger in self.triggers:
            unique.update(dict.fromkeys((condition.node, trigger.node) for condition in trigger.conditions))
            unique.update(dict.fromkeys((trigger.node, action.node) for action in trigger.actions))
        return list(unique)

    def downstream(self, nodes: Iterable[GraphNode]) -> set[GraphNode]:
        """Return the nodes reachable from `nodes`; one of these only where it is on a cycle."""
        following: dict[GraphNode, list[GraphNode]] = {}
        for source, target in self.edges:
            following.setdefault(source, []).append(target)
        reached: set[GraphNode] = set()
        waiting = [target for node in nodes for target in following.get(node, [])]
        while waiting:
            node = waiting.pop()
            if node not in reached:
                reached.add(node)
                waiting += following.get(node, [])
        return reached


def satisfied(trigger: Trigger, outcomes: Mapping[GraphNode, str]) -> bool:
    """Whether the trigger's predicate holds, given the final state of each job and crawler that has ended."""
    met = [outcomes.get(condition.node) == condition.state for condition in trigger.conditions]
    return bool(met) and (all(met) if trigger.every else any(met))


def trigger_of(definition: Mapping[str, Any]) -> Trigger:
    """Return the trigger that a definition, as GetTrigger shows it, describes."""
    predicate = definition.get("Predicate") or {}
    return Trigger(
        name=definition["Name"],
        kind=definition["Type"],
        active=definition["State"] == "ACTIVATED",
        every=predicate.get("Logical") != "ANY",
        conditions=tuple(_condition(item) for item in predicate.get("Conditions", [])),
        actions=tuple(TriggerAction(_node(item), item) for item in definition.get("Actions", [])),
        definition=definition,
    )


def unique_id(scope: str, node: GraphNode) -> str:
    """Return the id of a node within a workflow, which never changes."""
    return "wnode_" + hashlib.sha256(f"{scope}\0{node.kind}\0{node.name}".encode()).hexdigest()


def _node(item: Mapping[str, Any]) -> GraphNode:
    return GraphNode(JOB, item["JobName"]) if item.get("JobName") else GraphNode(CRAWLER, item["CrawlerName"])


def _condition(item: Mapping[str, Any]) -> Condition:
    node = _node(item)
    return Condition(node, item["State"] if node.kind == JOB else item["CrawlState"])
