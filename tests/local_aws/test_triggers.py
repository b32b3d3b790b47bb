"""Glue triggers: validation, states, schedules, event batches, and triggers without a workflow."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

CONDITION = {"LogicalOperator": "EQUALS", "JobName": "t-watched", "State": "SUCCEEDED"}


@pytest.fixture(scope="module", autouse=True)
def jobs(world: Any) -> None:
    """Create two jobs and a workflow for the requests."""
    world.job("t-watched")
    world.job("t-started")
    world.glue.create_workflow(Name="t-workflow")


def conditional(**changes: Any) -> dict[str, Any]:
    """Return a request for a conditional trigger, with `changes`."""
    predicate = {"Conditions": [CONDITION]}
    return {"Type": "CONDITIONAL", "Actions": [{"JobName": "t-started"}], "Predicate": predicate, **changes}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (conditional(Predicate={"Conditions": []}), "InvalidInputException"),
        (conditional(Predicate={"Conditions": [CONDITION, {**CONDITION, "State": "FAILED"}]}), "InvalidInputException"),
        (conditional(Predicate={"Conditions": [{**CONDITION, "State": "ERROR"}]}), "InvalidInputException"),
        (conditional(Predicate={"Conditions": [{**CONDITION, "LogicalOperator": "LIKE"}]}), "InvalidInputException"),
        (conditional(Predicate={"Conditions": [{"JobName": "t-watched", "State": "FAILED"}]}), "InvalidInputException"),
        (conditional(Actions=[{"JobName": "t-watched"}]), "InvalidInputException"),
        (conditional(Actions=[{"JobName": "t-none"}]), "EntityNotFoundException"),
        (conditional(Actions=[]), "InvalidInputException"),
        (conditional(Actions=[{"CrawlerName": name} for name in "abc"]), "InvalidInputException"),
        (conditional(WorkflowName="t-no-workflow"), "EntityNotFoundException"),
        (conditional(Type="SOMETIMES"), "InvalidInputException"),
        (
            {"Type": "ON_DEMAND", "Actions": [{"JobName": "t-started"}], "StartOnCreation": True},
            "InvalidInputException",
        ),
        ({"Type": "SCHEDULED", "Actions": [{"JobName": "t-started"}]}, "InvalidInputException"),
        (
            {"Type": "SCHEDULED", "Actions": [{"JobName": "t-started"}], "Schedule": "cron(nonsense)"},
            "InvalidInputException",
        ),
        ({"Type": "EVENT", "Actions": [{"JobName": "t-started"}]}, "InvalidInputException"),
        (
            {
                "Type": "EVENT",
                "WorkflowName": "t-workflow",
                "Actions": [{"JobName": "t-started"}],
                "EventBatchingCondition": {"BatchSize": 101},
            },
            "InvalidInputException",
        ),
    ],
)
def test_invalid_trigger_is_rejected(world: Any, request_: dict[str, Any], code: str):
    """By the rules of CreateTrigger."""
    with pytest.raises(ClientError) as error:
        world.glue.create_trigger(Name="t-refused", **request_)
    assert error.value.response["Error"]["Code"] == code
    assert "t-refused" not in world.glue.list_triggers()["TriggerNames"]


def test_workflow_has_at_most_one_start_trigger(world: Any):
    """A second one is rejected, whatever its type."""
    world.glue.create_workflow(Name="t-one")
    world.trigger("t-one-start", "t-one", "t-started")
    with pytest.raises(ClientError, match="t-one-start") as error:
        world.trigger("t-one-again", "t-one", "t-started", Type="SCHEDULED", Schedule="cron(0 0 * * ? *)")
    assert error.value.response["Error"]["Code"] == "InvalidInputException"


def test_workflow_has_at_most_a_hundred_nodes(world: Any):
    """Jobs, crawlers and triggers are counted together."""
    world.glue.create_workflow(Name="t-large")
    many = [world.job(f"t-large-{number}") for number in range(99)]
    world.trigger("t-large-start", "t-large", *many)
    with pytest.raises(ClientError) as error:
        world.after("t-large-next", "t-large", {many[0]: "SUCCEEDED"}, "t-started")
    assert error.value.response["Error"]["Code"] == "ResourceNumberLimitExceededException"


def test_trigger_is_created_activated_deactivated_updated_and_deleted(world: Any):
    """States and definitions as GetTrigger returns them."""
    name = "t-states"

    def state() -> str:
        return str(world.glue.get_trigger(Name=name)["Trigger"]["State"])

    world.glue.create_trigger(Name=name, Tags={"team": "data"}, **conditional())
    assert state() == "CREATED"
    world.glue.start_trigger(Name=name)
    assert state() == "ACTIVATED"
    world.glue.stop_trigger(Name=name)
    assert state() == "DEACTIVATED"
    update = {**conditional(Description="new"), "Actions": [{"JobName": "t-started", "Timeout": 3}]}
    del update["Type"]
    updated = world.glue.update_trigger(Name=name, TriggerUpdate=update)["Trigger"]
    assert (updated["State"], updated["Description"], updated["Type"]) == ("DEACTIVATED", "new", "CONDITIONAL")
    assert updated["Actions"] == [{"JobName": "t-started", "Timeout": 3}]
    assert name in world.glue.list_triggers(DependentJobName="t-started")["TriggerNames"]
    assert world.glue.list_triggers(Tags={"team": "data"})["TriggerNames"] == [name]
    batch = world.glue.batch_get_triggers(TriggerNames=[name, "t-none"])
    assert ([item["Name"] for item in batch["Triggers"]], batch["TriggersNotFound"]) == ([name], ["t-none"])
    assert name in [item["Name"] for item in world.glue.get_triggers()["Triggers"]]
    with pytest.raises(ClientError) as error:
        world.glue.create_trigger(Name=name, **conditional())
    assert error.value.response["Error"]["Code"] == "AlreadyExistsException"
    world.glue.delete_trigger(Name=name)
    with pytest.raises(ClientError) as error:
        world.glue.get_trigger(Name=name)
    assert error.value.response["Error"]["Code"] == "EntityNotFoundException"


def test_on_demand_trigger_fires_and_stays_created(world: Any):
    """Its jobs start, and then conditional triggers without a workflow; a job started by hand fires none."""
    first, second = world.job("t-alone-1", "import sys; print(sys.argv[1:])"), world.job("t-alone-2")
    world.trigger("t-alone", None, Actions=[{"JobName": first, "Arguments": {"--from": "trigger"}}])
    world.after("t-alone-next", None, {first: "SUCCEEDED"}, second)
    world.ended(first, world.start(first))
    world.glue.start_trigger(Name="t-alone")
    assert world.glue.get_trigger(Name="t-alone")["Trigger"]["State"] == "CREATED"
    (followed,) = world.wait(
        lambda: world.glue.get_job_runs(JobName=second)["JobRuns"], lambda runs: runs and "CompletedOn" in runs[0]
    )
    fired = world.glue.get_job_runs(JobName=first)["JobRuns"][0]
    assert followed["PredecessorRuns"] == [{"JobName": first, "RunId": fired["Id"]}]
    assert (fired["TriggerName"], followed["TriggerName"]) == ("t-alone", "t-alone-next")
    assert (fired["Arguments"]["--from"], "--WORKFLOW_NAME" in fired["Arguments"]) == ("trigger", False)


def test_on_demand_start_trigger_starts_a_workflow_run(world: Any):
    """StartTrigger has the same effect as StartWorkflowRun."""
    world.glue.create_workflow(Name="t-demanded")
    world.trigger("t-demanded-start", "t-demanded", world.job("t-demanded-1"))
    world.glue.start_trigger(Name="t-demanded-start")
    (run,) = world.glue.get_workflow_runs(Name="t-demanded")["Runs"]
    assert world.workflow_ended("t-demanded", run["WorkflowRunId"])["Statistics"]["SucceededActions"] == 1


def test_schedule_fires_its_trigger_while_the_trigger_is_active(world: Any):
    """The schedule entry starts a run, and is removed when the trigger is deactivated."""
    world.glue.create_workflow(Name="t-daily", MaxConcurrentRuns=1)
    job = world.job("t-daily-1", "import time; time.sleep(60)")
    world.trigger("t-daily-start", "t-daily", job, Type="SCHEDULED", Schedule="cron(0 6 * * ? *)")

    def entries() -> dict[str, Any]:
        return {entry.key: entry for entry in world.aws.glue.schedule_entries()}

    entry = entries()["glue-trigger/t-daily-start"]
    assert entry.expression == "cron(0 6 * * ? *)"
    entry.fire(datetime.now(UTC))
    (run,) = world.glue.get_workflow_runs(Name="t-daily")["Runs"]
    entry.fire(datetime.now(UTC))
    rejected = world.glue.get_workflow_runs(Name="t-daily")["Runs"][0]
    assert rejected["Status"] == "ERROR"
    assert rejected["ErrorMessage"] == "Concurrent runs exceeded for workflow: t-daily."
    world.glue.stop_trigger(Name="t-daily-start")
    assert entries() == {}
    world.glue.stop_workflow_run(Name="t-daily", RunId=run["WorkflowRunId"])
    world.workflow_ended("t-daily", run["WorkflowRunId"])


def test_event_trigger_starts_a_run_when_the_batch_is_full(world: Any):
    """The run has the size of the batch, its seconds, and the ids of the events."""
    world.glue.create_workflow(Name="t-batch")
    batching = {"BatchSize": 2}
    world.trigger("t-batch-start", "t-batch", world.job("t-batch-1"), Type="EVENT", EventBatchingCondition=batching)
    assert world.glue.get_trigger(Name="t-batch-start")["Trigger"]["EventBatchingCondition"] == {
        "BatchSize": 2,
        "BatchWindow": 900,
    }
    world.aws.glue.notify("t-batch", "event-1")
    assert world.glue.get_workflow_runs(Name="t-batch")["Runs"] == []
    world.aws.glue.notify("t-batch", "event-2")
    (run,) = world.glue.get_workflow_runs(Name="t-batch")["Runs"]
    assert run["StartingEventBatchCondition"] == {"BatchSize": 2, "BatchWindow": 0}
    assert run["WorkflowRunProperties"] == {"aws:eventIds": "[event-1,event-2]"}
    assert world.workflow_ended("t-batch", run["WorkflowRunId"])["Statistics"]["SucceededActions"] == 1


def test_event_trigger_starts_a_run_when_the_window_closes(world: Any):
    """Here with one event of a batch of two."""
    world.glue.create_workflow(Name="t-window")
    batching = {"BatchSize": 2, "BatchWindow": 1}
    world.trigger("t-window-start", "t-window", world.job("t-window-1"), Type="EVENT", EventBatchingCondition=batching)
    notified = time.monotonic()
    world.aws.glue.notify("t-window", "event-1")
    (run,) = world.wait(lambda: world.glue.get_workflow_runs(Name="t-window")["Runs"], bool)
    started = run["StartingEventBatchCondition"]
    assert started["BatchSize"] == 1
    assert 1 <= started["BatchWindow"] <= max(1, time.monotonic() - notified)  # it closes late on a busy machine
    world.workflow_ended("t-window", run["WorkflowRunId"])


def test_eventbridge_rule_starts_a_workflow_run(world: Any):
    """The workflow's ARN is the rule's target; the run has the event's id."""
    world.glue.create_workflow(Name="t-rule")
    world.trigger("t-rule-start", "t-rule", world.job("t-rule-1"), Type="EVENT")
    events = world.aws.client("events")
    events.put_rule(Name="t-rule", EventPattern='{"source": ["t-rule"]}')
    arn = "arn:aws:glue:eu-west-2:123456789012:workflow/t-rule"
    events.put_targets(Rule="t-rule", Targets=[{"Id": "workflow", "Arn": arn, "RoleArn": "arn:aws:iam::1:role/r"}])
    (entry,) = events.put_events(Entries=[{"Source": "t-rule", "DetailType": "x", "Detail": "{}"}])["Entries"]
    (run,) = world.wait(lambda: world.glue.get_workflow_runs(Name="t-rule")["Runs"], bool)
    assert run["WorkflowRunProperties"]["aws:eventIds"] == f"[{entry['EventId']}]"
    world.workflow_ended("t-rule", run["WorkflowRunId"])
