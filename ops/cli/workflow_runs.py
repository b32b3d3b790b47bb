"""Starting, following and stopping runs of a workflow."""

from typing import Any, NoReturn

import typer

from local_aws.state import State
from ops.cli import run_view
from ops.cli.screen import console, styled
from ops.sandbox import aws, deployment, workflow_run
from ops.sandbox.errors import RunError
from ops.sandbox.job_run import FinishedJobRun
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.workflow_run import ActionState, ActionSummary, WorkflowRunSummary

WORKFLOW, CRAWL = "workflow", "crawl"
"""The workflows, as Terraform's outputs call them."""

_TAIL = 12


def start(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Start a run of a workflow and return its id; raise `RunError` when as many run as may."""
    run_id = _start(state, settings, which)
    if run_id is None:
        workflow = deployment.outputs(state)[which]
        raise RunError(f"Workflow {workflow} runs already, and not twice at a time; see it with: totelake follow")
    return run_id


def start_in_turn(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Start a run of a workflow as soon as none is under way, and return its id; show the one that is until then.

    Of what was committed since that one began it brings nothing, so it does not do in place of a new one.
    """
    while (run_id := _start(state, settings, which)) is None:
        console.print("A run is under way, such as the schedule starts; the new one begins after it.", soft_wrap=True)
        follow(state, settings, latest(state, settings, which))
    return run_id


def _start(state: State, settings: SandboxSettings, which: str) -> str | None:
    glue, workflow = aws.client(settings, "glue"), deployment.outputs(state)[which]
    try:
        run_id: str = glue.start_workflow_run(Name=workflow)["RunId"]
    except glue.exceptions.ConcurrentRunsExceededException:
        return None
    return run_id


def follow(state: State, settings: SandboxSettings, run_id: str) -> WorkflowRunSummary:
    """Show a run until it has ended, and why it failed if it did."""
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    workflow, prefix = _workflow_of(glue, state, run_id), deployment.outputs(state)["prefix"]
    try:
        with run_view.showing(prefix) as show:
            run = workflow_run.follow(glue, logs, workflow, run_id, show)
    except KeyboardInterrupt:
        console.print(
            f"\nThe run goes on. Follow it with `totelake follow {run_id}`, stop it with `totelake stop {run_id}`.",
            soft_wrap=True,
        )
        raise
    for action in run.actions:
        if action.state == ActionState.FAILED:
            _explain(logs, prefix, action)
    if run.error:
        console.print(styled(f"The run ended in {run.status}:", "bold red"), run.error, soft_wrap=True)
    return run


def succeed(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> WorkflowRunSummary:
    """Start a run in its turn and follow it; end the command with exit status 1 unless all of it succeeded."""
    run = follow(state, settings, start_in_turn(state, settings, which))
    if not run.succeeded:
        raise typer.Exit(1)
    return run


def latest(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Return the id of the latest run of a workflow; raise `RunError` when there was none."""
    glue, workflow = aws.client(settings, "glue"), deployment.outputs(state)[which]
    run_id: str | None = glue.get_workflow(Name=workflow)["Workflow"].get("LastRun", {}).get("WorkflowRunId")
    if run_id is None:
        raise RunError(f"Workflow {workflow} has not run yet; run: totelake run")
    return run_id


def give_up(job: str, run: FinishedJobRun) -> NoReturn:
    """Say why the run of a job failed and where all that it wrote is, and end the command with exit status 1."""
    console.print(styled(f"{job} ended as {run.state}:", "bold red"), run.error, soft_wrap=True)
    console.print(f"See all that it wrote: totelake logs {job}")
    raise typer.Exit(1)


def stop(state: State, settings: SandboxSettings, run_id: str) -> None:
    """Stop a run: what runs is ended, what waits never starts."""
    glue = aws.client(settings, "glue")
    try:
        glue.stop_workflow_run(Name=_workflow_of(glue, state, run_id), RunId=run_id)
    except (glue.exceptions.IllegalWorkflowStateException, glue.exceptions.EntityNotFoundException) as error:
        raise RunError(f"{error.response['Error']['Message']} ({run_id})") from None


def _workflow_of(glue: Any, state: State, run_id: str) -> str:
    """Return the workflow that a run is one of; the main one where there is no such run, and it will say so."""
    outputs = deployment.outputs(state)
    try:
        glue.get_workflow_run(Name=outputs[CRAWL], RunId=run_id)
    except glue.exceptions.EntityNotFoundException:
        return str(outputs[WORKFLOW])
    return str(outputs[CRAWL])


def _explain(logs: object, prefix: str, action: ActionSummary) -> None:
    """Print why an action failed: its message, the end of its error log, and where the rest is."""
    name = run_view.name_of(action, prefix)
    console.print()
    console.print(styled(f"{name} failed:", "bold red"), action.error or "it did not say why", soft_wrap=True)
    if action.attempt is None:
        return
    for line in workflow_run.log_lines(logs, workflow_run.ERROR_GROUP, action.attempt)[-_TAIL:]:
        console.print(f"  {line}", style="dim", soft_wrap=True)
    console.print(f"See all that it wrote: totelake logs {name}")
