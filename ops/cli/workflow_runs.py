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
"""The workflows, by their names in Terraform's outputs."""

_LOG_LINES = 12


def start(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Start a run of a workflow and return its id; raise `RunError` at its limit of concurrent runs."""
    run_id = _start(state, settings, which)
    if run_id is None:
        workflow = deployment.outputs(state)[which]
        raise RunError(f"Workflow {workflow} is already running; follow that run with: totelake follow")
    return run_id


def start_when_idle(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Start a run of a workflow and return its id; first follow the run that is under way, if any.

    That run may have taken its snapshot before the latest commits in totesys, so it does not replace a new one.
    """
    while (run_id := _start(state, settings, which)) is None:
        console.print("A run is under way, maybe a scheduled one; the new run starts after it.", soft_wrap=True)
        follow(state, settings, latest(state, settings, which))
    return run_id


def _start(state: State, settings: SandboxSettings, which: str) -> str | None:
    """Start a run and return its id, or None at the workflow's limit of concurrent runs."""
    glue, workflow = aws.client(settings, "glue"), deployment.outputs(state)[which]
    try:
        run_id: str = glue.start_workflow_run(Name=workflow)["RunId"]
    except glue.exceptions.ConcurrentRunsExceededException:
        return None
    return run_id


def follow(state: State, settings: SandboxSettings, run_id: str) -> WorkflowRunSummary:
    """Show a run until it has ended, and the errors of its failed actions."""
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    workflow, prefix = _workflow_of(glue, state, run_id), deployment.outputs(state)["prefix"]
    try:
        with run_view.live(prefix) as show:
            run = workflow_run.follow(glue, logs, workflow, run_id, show)
    except KeyboardInterrupt:
        console.print(
            f"\nThe run continues. Follow it with `totelake follow {run_id}`, stop it with `totelake stop {run_id}`.",
            soft_wrap=True,
        )
        raise
    for action in run.actions:
        if action.state == ActionState.FAILED:
            _print_failure(logs, prefix, action)
    if run.error:
        console.print(styled(f"The run ended in {run.status}:", "bold red"), run.error, soft_wrap=True)
    return run


def run_to_success(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> WorkflowRunSummary:
    """Start a run when the workflow is idle and follow it; exit with status 1 unless all of it succeeded."""
    run = follow(state, settings, start_when_idle(state, settings, which))
    if not run.succeeded:
        raise typer.Exit(1)
    return run


def latest(state: State, settings: SandboxSettings, which: str = WORKFLOW) -> str:
    """Return the id of the latest run of a workflow; raise `RunError` when it has never run."""
    glue, workflow = aws.client(settings, "glue"), deployment.outputs(state)[which]
    run_id: str | None = glue.get_workflow(Name=workflow)["Workflow"].get("LastRun", {}).get("WorkflowRunId")
    if run_id is None:
        raise RunError(f"Workflow {workflow} has not run yet; run: totelake run")
    return run_id


def exit_with_failure(job: str, run: FinishedJobRun) -> NoReturn:
    """Print the error of a job run and the command that shows its log, and exit with status 1."""
    console.print(styled(f"{job} ended in {run.state}:", "bold red"), run.error, soft_wrap=True)
    console.print(f"See its log: totelake logs {job}")
    raise typer.Exit(1)


def stop(state: State, settings: SandboxSettings, run_id: str) -> None:
    """Stop a run: its running actions are stopped, and its waiting ones never start."""
    glue = aws.client(settings, "glue")
    try:
        glue.stop_workflow_run(Name=_workflow_of(glue, state, run_id), RunId=run_id)
    except (glue.exceptions.IllegalWorkflowStateException, glue.exceptions.EntityNotFoundException) as error:
        raise RunError(f"{error.response['Error']['Message']} ({run_id})") from None


def _workflow_of(glue: Any, state: State, run_id: str) -> str:
    """Return the name of a run's workflow; for an unknown run the main one, whose API then raises the error."""
    outputs = deployment.outputs(state)
    try:
        glue.get_workflow_run(Name=outputs[CRAWL], RunId=run_id)
    except glue.exceptions.EntityNotFoundException:
        return str(outputs[WORKFLOW])
    return str(outputs[CRAWL])


def _print_failure(logs: object, prefix: str, action: ActionSummary) -> None:
    """Print the message of a failed action, the end of its error log, and the command that shows the whole log."""
    name = run_view.short_name(action, prefix)
    console.print()
    console.print(styled(f"{name} failed:", "bold red"), action.error or "no error message", soft_wrap=True)
    if action.attempt is None:
        return
    for line in workflow_run.log_lines(logs, workflow_run.ERROR_GROUP, action.attempt)[-_LOG_LINES:]:
        console.print(f"  {line}", style="dim", soft_wrap=True)
    console.print(f"See its log: totelake logs {name}")
