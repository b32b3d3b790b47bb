"""The graph of a workflow: predicates, edges, downstream nodes, statistics and node ids."""

from typing import Any

import pytest

from local_aws.glue.workflows.graph import (
    CRAWLER,
    JOB,
    TRIGGER,
    GraphNode,
    Plan,
    Trigger,
    satisfied,
    trigger_of,
    unique_id,
)
from local_aws.glue.workflows.runs import GlueWorkflowRun, WorkflowStep


def trigger(name: str, *actions: str, after: dict[str, str] | None = None, logical: str = "AND") -> Trigger:
    """Return a trigger that starts jobs: on demand, or on the states of the jobs in `after`."""
    conditions = [{"JobName": job, "State": state} for job, state in (after or {}).items()]
    definition: dict[str, Any] = {
        "Name": name,
        "Type": "CONDITIONAL" if after else "ON_DEMAND",
        "State": "ACTIVATED",
        "Actions": [{"JobName": action} for action in actions],
        "Predicate": {"Logical": logical, "Conditions": conditions},
    }
    return trigger_of(definition)


CHAIN = Plan(
    (trigger("start", "a"), trigger("t", "b", after={"a": "SUCCEEDED"}), trigger("u", "c", after={"b": "FAILED"}))
)


@pytest.mark.parametrize(
    ("logical", "outcomes", "expected"),
    [
        ("AND", {"a": "SUCCEEDED"}, False),
        ("AND", {"a": "SUCCEEDED", "b": "FAILED"}, True),
        ("AND", {"a": "SUCCEEDED", "b": "SUCCEEDED"}, False),
        ("ANY", {"a": "SUCCEEDED"}, True),
        ("ANY", {"a": "FAILED", "b": "SUCCEEDED"}, False),
        ("ANY", {}, False),
    ],
)
def test_predicate_is_met_by_all_or_any_of_its_conditions(logical: str, outcomes: dict[str, str], expected: bool):
    """AND requires every condition, ANY one."""
    conditional = trigger("t", "c", after={"a": "SUCCEEDED", "b": "FAILED"}, logical=logical)
    assert satisfied(conditional, {GraphNode(JOB, name): state for name, state in outcomes.items()}) is expected


def test_crawler_condition_is_not_met_by_a_job_of_the_same_name():
    """Jobs and crawlers have separate namespaces."""
    definition = {
        "Name": "t",
        "Type": "CONDITIONAL",
        "State": "ACTIVATED",
        "Predicate": {"Conditions": [{"CrawlerName": "x", "CrawlState": "SUCCEEDED"}]},
    }
    conditional = trigger_of(definition)
    assert not satisfied(conditional, {GraphNode(JOB, "x"): "SUCCEEDED"})
    assert satisfied(conditional, {GraphNode(CRAWLER, "x"): "SUCCEEDED"})


def test_edges_lead_from_triggers_to_actions_and_from_conditions_to_triggers():
    """As in the graph of GetWorkflowRun."""
    names = [(source.name, target.name) for source, target in CHAIN.edges]
    assert names == [("start", "a"), ("a", "t"), ("t", "b"), ("b", "u"), ("u", "c")]


def test_downstream_returns_the_triggers_and_jobs_after_a_job():
    """The job itself is not included, unless the graph has a cycle."""
    assert CHAIN.downstream([GraphNode(JOB, "b")]) == {GraphNode(TRIGGER, "u"), GraphNode(JOB, "c")}


def test_statistics_count_planned_actions_and_started_ones_by_state():
    """An action that was never started counts in the total only."""
    run = GlueWorkflowRun("wr_1", "w", CHAIN, {})
    run.steps = [
        WorkflowStep("start", GraphNode(JOB, "a"), "SUCCEEDED"),
        WorkflowStep("t", GraphNode(JOB, "b"), "TIMEOUT"),
    ]
    counts = run.statistics()
    assert (counts["TotalActions"], counts["SucceededActions"], counts["TimeoutActions"]) == (3, 1, 1)
    assert counts["RunningActions"] == counts["FailedActions"] == counts["ErroredActions"] == 0


def test_workflow_run_survives_a_json_round_trip():
    """The JSON holds the graph, the steps and the properties."""
    run = GlueWorkflowRun("wr_1", "w", CHAIN, {"k": "v"}, fired={"start"}, batch={"BatchSize": 2, "BatchWindow": 1})
    run.steps = [WorkflowStep("start", GraphNode(JOB, "a"), "FAILED", ["jr_1", "jr_2"])]
    run.finish("COMPLETED")
    assert GlueWorkflowRun.from_json(run.to_json()) == run


def test_ids_of_nodes_differ_by_workflow_kind_and_name():
    """An id identifies one node of one workflow."""
    ids = {
        unique_id("w", GraphNode(JOB, "a")),
        unique_id("v", GraphNode(JOB, "a")),
        unique_id("w", GraphNode(TRIGGER, "a")),
    }
    assert len(ids) == 3
    assert all(item.startswith("wnode_") and len(item) == len("wnode_") + 64 for item in ids)
