"""The graph of a workflow, as values and pure functions: which trigger is satisfied, what is downstream of what."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

JOB = "JOB"
CRAWLER = "CRAWLER"
TRIGGER = "TRIGGER"
CONDITIONAL = "CONDITIONAL"


@dataclass(frozen=True, order=True)
class Node:
    """A node of a workflow: a job, a crawler or a trigger. A job that two triggers start is one node."""

    kind: str
    name: str


@dataclass(frozen=True)
class Condition:
    """What a conditional trigger waits for: a job or crawler in a state."""

    node: Node
    state: str


@dataclass(frozen=True)
class Action:
    """What a trigger starts, with the members that its definition gives (Arguments, Timeout and so on)."""

    node: Node
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Trigger:
    """A trigger as it was when it was looked at; `definition` is what GetTrigger shows."""

    name: str
    kind: str
    active: bool
    every: bool
    """Whether all conditions must hold (AND) or one is enough (ANY)."""
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    definition: Mapping[str, Any]

    @property
    def node(self) -> Node:
        """The trigger's place in the graph."""
        return Node(TRIGGER, self.name)

    @property
    def starts(self) -> bool:
        """Whether it begins a run, and does not follow upon something in it."""
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
    def nodes(self) -> list[Node]:
        """Every trigger, and every job and crawler that one of them names, each once."""
        found: dict[Node, None] = {}
        for trigger in self.triggers:
            found[trigger.node] = None
            found.update(dict.fromkeys(condition.node for condition in trigger.conditions))
            found.update(dict.fromkeys(action.node for action in trigger.actions))
        return list(found)

    @property
    def edges(self) -> list[tuple[Node, Node]]:
        """From each trigger to what it starts, and from what it waits for to the trigger."""
        found: dict[tuple[Node, Node], None] = {}
        for trigger in self.triggers:
            found.update(dict.fromkeys((condition.node, trigger.node) for condition in trigger.conditions))
            found.update(dict.fromkeys((trigger.node, action.node) for action in trigger.actions))
        return list(found)

    def downstream(self, nodes: Iterable[Node]) -> set[Node]:
        """Return what is reached from `nodes` along the edges; a node itself only where a path leads back to it."""
        following: dict[Node, list[Node]] = {}
        for source, target in self.edges:
            following.setdefault(source, []).append(target)
        reached: set[Node] = set()
        waiting = [target for node in nodes for target in following.get(node, [])]
        while waiting:
            node = waiting.pop()
            if node not in reached:
                reached.add(node)
                waiting += following.get(node, [])
        return reached


def satisfied(trigger: Trigger, outcomes: Mapping[Node, str]) -> bool:
    """Whether the trigger's predicate holds, given the final state of each job and crawler that has ended."""
    held = [outcomes.get(condition.node) == condition.state for condition in trigger.conditions]
    return bool(held) and (all(held) if trigger.every else any(held))


def trigger_of(definition: Mapping[str, Any]) -> Trigger:
    """Return the trigger that a definition, as GetTrigger shows it, describes."""
    predicate = definition.get("Predicate") or {}
    return Trigger(
        name=definition["Name"],
        kind=definition["Type"],
        active=definition["State"] == "ACTIVATED",
        every=predicate.get("Logical") != "ANY",
        conditions=tuple(_condition(item) for item in predicate.get("Conditions", [])),
        actions=tuple(Action(_node(item), item) for item in definition.get("Actions", [])),
        definition=definition,
    )


def unique_id(scope: str, node: Node) -> str:
    """Return the id of a node within a workflow: the same one for as long as the node is in it."""
    return "wnode_" + hashlib.sha256(f"{scope}\0{node.kind}\0{node.name}".encode()).hexdigest()


def _node(item: Mapping[str, Any]) -> Node:
    return Node(JOB, item["JobName"]) if item.get("JobName") else Node(CRAWLER, item["CrawlerName"])


def _condition(item: Mapping[str, Any]) -> Condition:
    node = _node(item)
    return Condition(node, item["State"] if node.kind == JOB else item["CrawlState"])
