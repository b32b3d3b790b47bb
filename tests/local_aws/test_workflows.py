"""Glue workflow runs: triggers, predicates, properties, statistics, graph and errors."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.workflows import FAIL, SLEEP, error_code, start, states, workflow


def test_workflow_runs_its_jobs_in_order(world: Any):
    """By a start trigger and a conditional one; job runs have the workflow, their trigger and their predecessors."""
    name = workflow(world, "chain")
    first, second = world.job("chain-1", "import sys; print(sys.argv[1:])"), world.job("chain-2")
    world.trigger("chain-start", name, first)
    world.after("chain-next", name, {first: "SUCCEEDED"}, second)
    run_id = start(world, name)
    run = world.workflow_ended(name, run_id)
    assert run_id.startswith("wr_")
    assert (run["Status"], run["Name"], run["WorkflowRunId"]) == ("COMPLETED", name, run_id)
    assert run["Statistics"] == {
        "TotalActions": 2,
        "SucceededActions": 2,
        "TimeoutActions": 0,
        "FailedActions": 0,
        "StoppedActions": 0,
        "RunningActions": 0,
        "ErroredActions": 0,
        "WaitingActions": 0,
    }
    nodes = world.nodes(run)
    (one,), (two,) = (nodes[job]["JobDetails"]["JobRuns"] for job in (first, second))
    assert (one["TriggerName"], two["TriggerName"]) == ("chain-start", "chain-next")
    assert (one["PredecessorRuns"], two["PredecessorRuns"]) == ([], [{"JobName": first, "RunId": one["Id"]}])
    assert f"'--WORKFLOW_NAME', '{name}', '--WORKFLOW_RUN_ID', '{run_id}'" in world.output(one["Id"])[0]
    assert one["CompletedOn"] <= two["StartedOn"]


def test_graph_has_nodes_for_triggers_and_jobs_and_edges_between_them(world: Any):
    """A workflow has its graph before its first run; a run's graph has its job runs."""
    name = workflow(world, "drawn")
    first, second = world.job("drawn-1"), world.job("drawn-2")
    world.trigger("drawn-start", name, first)
    world.after("drawn-next", name, {first: "SUCCEEDED"}, second)
    shown = world.glue.get_workflow(Name=name, IncludeGraph=True)["Workflow"]
    assert "LastRun" not in shown
    graph = shown["Graph"]
    names = {node["UniqueId"]: node["Name"] for node in graph["Nodes"]}
    assert [(names[edge["SourceId"]], names[edge["DestinationId"]]) for edge in graph["Edges"]] == [
        ("drawn-start", first),
        (first, "drawn-next"),
        ("drawn-next", second),
    ]
    assert {node["Name"]: node["Type"] for node in graph["Nodes"]}["drawn-next"] == "TRIGGER"
    run_id = start(world, name)
    run = world.workflow_ended(name, run_id)
    assert {node["UniqueId"] for node in run["Graph"]["Nodes"]} == set(names)
    assert world.nodes(run)["drawn-next"]["TriggerDetails"]["Trigger"]["State"] == "ACTIVATED"
    assert "Graph" not in world.glue.get_workflow_run(Name=name, RunId=run_id)["Run"]
    assert world.glue.get_workflow(Name=name)["Workflow"]["LastRun"]["WorkflowRunId"] == run_id


def test_run_with_a_failed_job_completes_without_the_jobs_that_need_its_success(world: Any):
    """The status is COMPLETED; the statistics count the failure."""
    name = workflow(world, "broken")
    first, second, alarm = world.job("broken-1", FAIL), world.job("broken-2"), world.job("broken-alarm")
    world.trigger("broken-start", name, first)
    world.after("broken-next", name, {first: "SUCCEEDED"}, second)
    world.after("broken-if", name, {first: "FAILED"}, alarm)
    run = world.workflow_ended(name, start(world, name))
    assert run["Status"] == "COMPLETED"
    assert states(world, run) == {first: ["FAILED"], second: [], alarm: ["SUCCEEDED"]}
    statistics = run["Statistics"]
    assert (statistics["TotalActions"], statistics["FailedActions"], statistics["SucceededActions"]) == (3, 1, 1)


def test_and_trigger_waits_for_all_jobs_and_any_trigger_fires_once_after_the_first(world: Any):
    """Two jobs run in parallel, one of them slower."""
    name = workflow(world, "both")
    quick, slow = world.job("both-quick"), world.job("both-slow", "import time; time.sleep(1.5)")
    after_all, after_any = world.job("both-all"), world.job("both-any")
    world.trigger("both-start", name, quick, slow)
    world.after("both-and", name, {quick: "SUCCEEDED", slow: "SUCCEEDED"}, after_all)
    world.after("both-or", name, {quick: "SUCCEEDED", slow: "SUCCEEDED"}, after_any, logical="ANY")
    run = world.workflow_ended(name, start(world, name))
    assert states(world, run) == {job: ["SUCCEEDED"] for job in (quick, slow, after_all, after_any)}
    nodes = world.nodes(run)
    ended = nodes[slow]["JobDetails"]["JobRuns"][0]["CompletedOn"]
    assert nodes[after_any]["JobDetails"]["JobRuns"][0]["StartedOn"] < ended
    assert nodes[after_all]["JobDetails"]["JobRuns"][0]["StartedOn"] >= ended
    assert len(nodes[after_all]["JobDetails"]["JobRuns"][0]["PredecessorRuns"]) == 2


def test_predicate_is_evaluated_after_the_last_attempt(world: Any):
    """The first attempt fails and the second succeeds, so a trigger on failure does not fire."""
    name = workflow(world, "attempts")
    mark = world.aws.state.root / "attempted"
    script = f"import pathlib; p = pathlib.Path({str(mark)!r}); there = p.exists(); p.touch(); assert there"
    first, second, alarm = (
        world.job("attempts-1", script, MaxRetries=1),
        world.job("attempts-2"),
        world.job("attempts-a"),
    )
    world.trigger("attempts-start", name, first)
    world.after("attempts-next", name, {first: "SUCCEEDED"}, second)
    world.after("attempts-if", name, {first: "FAILED"}, alarm)
    run = world.workflow_ended(name, start(world, name))
    assert states(world, run) == {first: ["FAILED", "SUCCEEDED"], second: ["SUCCEEDED"], alarm: []}
    assert (run["Statistics"]["SucceededActions"], run["Statistics"]["FailedActions"]) == (2, 0)


def test_trigger_arguments_override_defaults_but_not_fixed_arguments(world: Any):
    """The action's timeout overrides the job's too."""
    name = workflow(world, "argued")
    job = world.job(
        "argued-1",
        "import sys; print(sys.argv[1:])",
        DefaultArguments={"--a": "default", "--b": "default"},
        NonOverridableArguments={"--c": "fixed"},
    )
    actions = [{"JobName": job, "Arguments": {"--b": "trigger", "--c": "trigger", "--d": "trigger"}, "Timeout": 7}]
    world.trigger("argued-start", name, Actions=actions)
    run = world.workflow_ended(name, start(world, name))
    (job_run,) = world.nodes(run)[job]["JobDetails"]["JobRuns"]
    given = {key: value for key, value in job_run["Arguments"].items() if len(key) == 3}
    assert given == {"--a": "default", "--b": "trigger", "--c": "fixed", "--d": "trigger"}
    assert job_run["Timeout"] == 7


def test_run_properties_start_with_the_defaults_and_can_be_changed(world: Any):
    """PutWorkflowRunProperties merges; the workflow's defaults are unchanged."""
    name = workflow(world, "proper", DefaultRunProperties={"a": "1", "b": "1"})
    world.trigger("proper-start", name, world.job("proper-1"))
    run_id = start(world, name, RunProperties={"b": "2"})
    world.glue.put_workflow_run_properties(Name=name, RunId=run_id, RunProperties={"c": "3", "a": "9"})
    properties = world.glue.get_workflow_run_properties(Name=name, RunId=run_id)["RunProperties"]
    assert properties == {"a": "9", "b": "2", "c": "3"}
    assert world.workflow_ended(name, run_id)["WorkflowRunProperties"] == properties
    assert world.glue.get_workflow(Name=name)["Workflow"]["DefaultRunProperties"] == {"a": "1", "b": "1"}


def test_job_that_cannot_start_is_an_errored_action(world: Any):
    """The job is at its own limit; the run ends, and its job run has the message."""
    name = workflow(world, "errored")
    job = world.job("errored-1", SLEEP)
    world.trigger("errored-start", name, job)
    busy = world.start(job)
    run = world.workflow_ended(name, start(world, name))
    assert (run["Status"], run["Statistics"]["ErroredActions"]) == ("COMPLETED", 1)
    (job_run,) = world.nodes(run)[job]["JobDetails"]["JobRuns"]
    assert (job_run["JobRunState"], job_run["ErrorMessage"]) == ("ERROR", f"Concurrent runs exceeded for {job}")
    world.glue.batch_stop_job_run(JobName=job, JobRunIds=[busy])


def test_run_of_a_workflow_without_a_start_trigger_is_an_error(world: Any):
    """Its status is ERROR, not COMPLETED."""
    name = workflow(world, "beginless")
    run = world.workflow_ended(name, start(world, name))
    assert (run["Status"], run["ErrorMessage"]) == ("ERROR", "Workflow beginless has no start trigger.")


def test_running_workflow_uses_changed_jobs_but_not_changed_triggers(world: Any):
    """Its graph is fixed when the run starts."""
    name = workflow(world, "edited")
    gate = world.aws.state.root / "edited-gate"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)"
    first, second, third = world.job("edited-1", wait), world.job("edited-2"), world.job("edited-3")
    world.trigger("edited-start", name, first)
    world.after("edited-next", name, {first: "SUCCEEDED"}, second)
    run_id = start(world, name)
    update = world.glue.get_trigger(Name="edited-next")["Trigger"]
    world.glue.update_trigger(
        Name="edited-next", TriggerUpdate={"Actions": [{"JobName": third}], "Predicate": update["Predicate"]}
    )
    job = world.glue.get_job(JobName=second)["Job"]
    world.glue.update_job(
        JobName=second,
        JobUpdate={"Role": "role", "Command": job["Command"], "DefaultArguments": {"--edited": "yes"}},
    )
    gate.touch()
    run = world.workflow_ended(name, run_id)
    assert states(world, run) == {first: ["SUCCEEDED"], second: ["SUCCEEDED"]}
    assert world.nodes(run)[second]["JobDetails"]["JobRuns"][0]["Arguments"]["--edited"] == "yes"
    later = world.workflow_ended(name, start(world, name))
    assert states(world, later) == {first: ["SUCCEEDED"], third: ["SUCCEEDED"]}


def test_inactive_trigger_does_not_fire(world: Any):
    """The jobs of a stopped conditional trigger do not start."""
    name = workflow(world, "inactive")
    first, second = world.job("inactive-1"), world.job("inactive-2")
    world.trigger("inactive-start", name, first)
    world.after("inactive-next", name, {first: "SUCCEEDED"}, second)
    world.glue.stop_trigger(Name="inactive-next")
    run = world.workflow_ended(name, start(world, name))
    assert states(world, run) == {first: ["SUCCEEDED"], second: []}


def test_job_started_by_hand_fires_no_workflow_trigger(world: Any):
    """Conditional triggers react only to jobs that a trigger has started."""
    name = workflow(world, "manual")
    first, second = world.job("manual-1"), world.job("manual-2")
    world.trigger("manual-start", name, first)
    world.after("manual-next", name, {first: "SUCCEEDED"}, second)
    world.ended(first, world.start(first))
    assert world.glue.get_job_runs(JobName=second)["JobRuns"] == []
    assert world.glue.get_workflow_runs(Name=name)["Runs"] == []


def test_crawler_can_be_an_action_and_a_condition(world: Any):
    """The success of a job starts a crawler, whose success starts another job."""
    name = workflow(world, "crawling")
    world.put("crawled/rows.json", json.dumps({"a": 1}))
    world.glue.create_database(DatabaseInput={"Name": "crawling"})
    world.glue.create_crawler(
        Name="crawling-crawler",
        Role="role",
        DatabaseName="crawling",
        Targets={"S3Targets": [{"Path": f"s3://{world.bucket}/nothing-here/"}]},
    )
    first, last = world.job("crawling-1"), world.job("crawling-2")
    world.trigger("crawling-start", name, first)
    succeeded = {"LogicalOperator": "EQUALS", "JobName": first, "State": "SUCCEEDED"}
    world.trigger(
        "crawling-crawl",
        name,
        Type="CONDITIONAL",
        Actions=[{"CrawlerName": "crawling-crawler"}],
        Predicate={"Conditions": [succeeded]},
    )
    crawled = {"LogicalOperator": "EQUALS", "CrawlerName": "crawling-crawler", "CrawlState": "SUCCEEDED"}
    world.trigger("crawling-next", name, last, Type="CONDITIONAL", Predicate={"Conditions": [crawled]})
    run = world.workflow_ended(name, start(world, name))
    assert run["Statistics"]["SucceededActions"] == 3
    (crawl,) = world.nodes(run)["crawling-crawler"]["CrawlerDetails"]["Crawls"]
    assert (crawl["State"], crawl["LogGroup"]) == ("SUCCEEDED", "/aws-glue/crawlers")
    assert crawl["StartedOn"] <= crawl["CompletedOn"]
    assert states(world, run)[last] == ["SUCCEEDED"]


def test_missing_crawler_is_an_errored_action(world: Any):
    """The run ends, and the crawl has the error message."""
    name = workflow(world, "uncrawled")
    world.trigger("uncrawled-start", name, Actions=[{"CrawlerName": "no-such-crawler"}])
    run = world.workflow_ended(name, start(world, name))
    (crawl,) = world.nodes(run)["no-such-crawler"]["CrawlerDetails"]["Crawls"]
    assert (run["Statistics"]["ErroredActions"], crawl["State"]) == (1, "ERROR")
    assert "no-such-crawler" in crawl["ErrorMessage"]


def test_workflow_runs_are_listed_from_the_newest_in_pages(world: Any):
    """The graph is included on request."""
    name = workflow(world, "paged", MaxConcurrentRuns=5)
    world.trigger("paged-start", name, world.job("paged-1", ExecutionProperty={"MaxConcurrentRuns": 5}))
    ids = [start(world, name) for _ in range(3)]
    page = world.glue.get_workflow_runs(Name=name, MaxResults=2)
    rest = world.glue.get_workflow_runs(Name=name, IncludeGraph=True, NextToken=page["NextToken"])
    assert [run["WorkflowRunId"] for run in [*page["Runs"], *rest["Runs"]]] == ids[::-1]
    assert ("Graph" in page["Runs"][0], "Graph" in rest["Runs"][0]) == (False, True)
    for run_id in ids:
        world.workflow_ended(name, run_id)


def test_workflow_definitions_are_created_updated_listed_and_deleted(world: Any):
    """Operations on a deleted workflow are rejected."""
    name = workflow(world, "kept", Description="first", Tags={"team": "data"})
    with pytest.raises(ClientError) as error:
        workflow(world, name)
    assert error_code(error) == "AlreadyExistsException"
    world.glue.update_workflow(Name=name, Description="second", MaxConcurrentRuns=3)
    shown = world.glue.batch_get_workflows(Names=[name, "none"])
    assert shown["MissingWorkflows"] == ["none"]
    assert (shown["Workflows"][0]["Description"], shown["Workflows"][0]["MaxConcurrentRuns"]) == ("second", 3)
    tags = world.glue.get_tags(ResourceArn=f"arn:aws:glue:eu-west-2:123456789012:workflow/{name}")["Tags"]
    assert tags == {"team": "data"}
    listed = world.glue.list_workflows(MaxResults=25)["Workflows"]
    assert listed
    world.glue.delete_workflow(Name=name)
    for operation, request in (
        (world.glue.get_workflow, {"Name": name}),
        (world.glue.start_workflow_run, {"Name": name}),
        (world.glue.get_workflow_runs, {"Name": name}),
        (world.glue.get_workflow_run, {"Name": name, "RunId": "wr_1"}),
        (world.glue.update_workflow, {"Name": name}),
    ):
        with pytest.raises(ClientError) as error:
            operation(**request)
        assert error_code(error) == "EntityNotFoundException"
