"""Glue workflow runs: concurrency limits, stop and resume."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.workflows import FAIL, SLEEP, error_code, start, states, workflow


def test_start_is_rejected_at_the_limit_of_concurrent_workflow_runs(world: Any):
    """The limit here is one run."""
    name = workflow(world, "limited", MaxConcurrentRuns=1)
    world.trigger("limited-start", name, world.job("limited-1", SLEEP))
    run_id = start(world, name)
    with pytest.raises(ClientError) as error:
        start(world, name)
    assert error_code(error) == "ConcurrentRunsExceededException"
    world.glue.stop_workflow_run(Name=name, RunId=run_id)
    world.workflow_ended(name, run_id)


def test_stopping_a_run_stops_its_jobs_and_starts_no_more(world: Any):
    """Triggers on STOPPED do not fire; a second stop is rejected."""
    name = workflow(world, "halted")
    first, second = world.job("halted-1", SLEEP), world.job("halted-2")
    world.trigger("halted-start", name, first)
    world.after("halted-next", name, {first: "STOPPED"}, second)
    run_id = start(world, name)
    world.wait(lambda: world.workflow_run(name, run_id), lambda run: run["Statistics"]["RunningActions"] == 1)
    world.glue.stop_workflow_run(Name=name, RunId=run_id)
    run = world.workflow_ended(name, run_id)
    assert run["Status"] == "STOPPED"
    assert states(world, run) == {first: ["STOPPED"], second: []}
    assert run["Statistics"]["StoppedActions"] == 1
    with pytest.raises(ClientError) as error:
        world.glue.stop_workflow_run(Name=name, RunId=run_id)
    assert error_code(error) == "IllegalWorkflowStateException"


def test_stopping_a_job_by_hand_fires_triggers_on_stopped(world: Any):
    """STOPPED is a valid state of a condition."""
    name = workflow(world, "by-hand")
    first, second = world.job("by-hand-1", SLEEP), world.job("by-hand-2")
    world.trigger("by-hand-start", name, first)
    world.after("by-hand-next", name, {first: "STOPPED"}, second)
    run_id = start(world, name)
    job_runs = world.glue.get_job_runs(JobName=first)["JobRuns"]
    world.glue.batch_stop_job_run(JobName=first, JobRunIds=[job_runs[0]["Id"]])
    run = world.workflow_ended(name, run_id)
    assert (run["Status"], states(world, run)) == ("COMPLETED", {first: ["STOPPED"], second: ["SUCCEEDED"]})


def test_resumed_run_repeats_the_named_node_and_its_downstream_nodes(world: Any):
    """The second of three jobs has failed; the resumed run keeps the first and repeats the others."""
    name = workflow(world, "resumed")
    first, second, third = world.job("resumed-1"), world.job("resumed-2", FAIL), world.job("resumed-3")
    world.trigger("resumed-start", name, first)
    world.after("resumed-next", name, {first: "SUCCEEDED"}, second)
    world.after("resumed-last", name, {second: "SUCCEEDED"}, third)
    run_id = start(world, name, RunProperties={"kept": "yes"})
    run = world.workflow_ended(name, run_id)
    nodes = world.nodes(run)
    world.put("scripts/resumed-2.py", "print('mended')")
    response = world.glue.resume_workflow_run(Name=name, RunId=run_id, NodeIds=[nodes[second]["UniqueId"]])
    assert response["NodeIds"] == [nodes[second]["UniqueId"]]
    resumed = world.workflow_ended(name, response["RunId"])
    assert (resumed["PreviousRunId"], resumed["WorkflowRunProperties"]) == (run_id, {"kept": "yes"})
    assert states(world, resumed) == {first: ["SUCCEEDED"], second: ["SUCCEEDED"], third: ["SUCCEEDED"]}
    kept = world.nodes(resumed)[first]["JobDetails"]["JobRuns"][0]["Id"]
    assert kept == nodes[first]["JobDetails"]["JobRuns"][0]["Id"]
    assert world.workflow_run(name, run_id)["Statistics"]["FailedActions"] == 1


def test_resume_ignores_nodes_downstream_of_another_named_node(world: Any):
    """Resuming at the first and second job resumes at the first."""
    name = workflow(world, "dropped")
    first, second = world.job("dropped-1"), world.job("dropped-2")
    world.trigger("dropped-start", name, first)
    world.after("dropped-next", name, {first: "SUCCEEDED"}, second)
    run_id = start(world, name)
    nodes = world.nodes(world.workflow_ended(name, run_id))
    ids = [nodes[second]["UniqueId"], nodes[first]["UniqueId"]]
    response = world.glue.resume_workflow_run(Name=name, RunId=run_id, NodeIds=ids)
    assert response["NodeIds"] == [nodes[first]["UniqueId"]]
    resumed = world.workflow_ended(name, response["RunId"])
    assert resumed["Statistics"]["SucceededActions"] == 2
    again = {job: world.nodes(resumed)[job]["JobDetails"]["JobRuns"][0]["Id"] for job in (first, second)}
    assert all(again[job] != nodes[job]["JobDetails"]["JobRuns"][0]["Id"] for job in again)


def test_resume_requires_a_completed_run_and_nodes_that_ran(world: Any):
    """A wrong state and wrong nodes have different error codes."""
    name = workflow(world, "unresumable")
    first, second = world.job("unresumable-1", SLEEP), world.job("unresumable-2")
    world.trigger("unresumable-start", name, first)
    world.after("unresumable-next", name, {first: "SUCCEEDED"}, second)
    run_id = start(world, name)
    nodes = world.nodes(world.workflow_run(name, run_id))
    with pytest.raises(ClientError) as error:
        world.glue.resume_workflow_run(Name=name, RunId=run_id, NodeIds=[nodes[first]["UniqueId"]])
    assert error_code(error) == "IllegalWorkflowStateException"
    job_runs = world.glue.get_job_runs(JobName=first)["JobRuns"]
    world.glue.batch_stop_job_run(JobName=first, JobRunIds=[job_runs[0]["Id"]])
    world.workflow_ended(name, run_id)
    for wrong in (nodes[second]["UniqueId"], "wnode_none"):
        with pytest.raises(ClientError) as error:
            world.glue.resume_workflow_run(Name=name, RunId=run_id, NodeIds=[wrong])
        assert error_code(error) == "InvalidInputException"
