"""Commands that start, follow and stop workflows and jobs."""

# ruff: noqa: PLC0415 - with all imports at the top `totelake --help` takes 1.1 s instead of 0.4 s

from enum import StrEnum
from typing import Annotated

import typer

from ops.cli.commands.options import DEFAULT_STATE, RunId, StateOption, running_sandbox
from ops.cli.screen import console


class RebuildTarget(StrEnum):
    """The zone that a rebuild writes."""

    PROCESSED = "processed"
    WAREHOUSE = "warehouse"


def run(
    folder: StateOption = DEFAULT_STATE,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run until it has ended.")] = True,
) -> None:
    """Run the workflow: ingest, transform, load. Exit status 1 when any of it failed."""
    from ops.cli import workflow_runs

    with running_sandbox(folder) as (state, settings):
        if wait:
            workflow_runs.run_to_success(state, settings)
        else:
            console.print(workflow_runs.start(state, settings), soft_wrap=True)


def reconcile(folder: StateOption = DEFAULT_STATE) -> None:
    """Compare the warehouse with totesys, row by row. Exit status 1 when they differ and nothing explains it."""
    from ops.cli import reconciliation

    when_interrupted = "Interrupted; the job keeps running. See its output with: totelake logs reconcile"
    with running_sandbox(folder, when_interrupted) as (state, settings):
        reconciliation.reconcile(state, settings)


def compact(folder: StateOption = DEFAULT_STATE) -> None:
    """Merge the small files of many batches into few, in both zones of the lake; no row changes."""
    from ops.cli import compaction

    when_interrupted = "Interrupted; the job keeps running. See its output with: totelake logs compact"
    with running_sandbox(folder, when_interrupted) as (state, settings):
        compaction.compact(state, settings)


def crawl(folder: StateOption = DEFAULT_STATE) -> None:
    """Run the crawler, and compare what it discovers with the declarations. Exit status 1 when they differ."""
    from ops.cli import workflow_runs

    with running_sandbox(folder) as (state, settings):
        workflow_runs.run_to_success(state, settings, workflow_runs.CRAWL)


def follow(run: RunId = None, folder: StateOption = DEFAULT_STATE) -> None:
    """Follow a run of the workflow until it has ended. Exit status 1 when any of it failed."""
    from ops.cli import workflow_runs

    with running_sandbox(folder) as (state, settings):
        run_id = run or workflow_runs.latest(state, settings)
        if not workflow_runs.follow(state, settings, run_id).succeeded:
            raise typer.Exit(1)


def stop(run: RunId = None, folder: StateOption = DEFAULT_STATE) -> None:
    """Stop a run of the workflow."""
    from ops.cli import workflow_runs

    with running_sandbox(folder) as (state, settings):
        workflow_runs.stop(state, settings, run or workflow_runs.latest(state, settings))


def rebuild(
    zone: Annotated[RebuildTarget, typer.Argument(metavar="ZONE", help="processed or warehouse.")],
    folder: StateOption = DEFAULT_STATE,
) -> None:
    """Rebuild the processed zone from the ingested one, or the warehouse from the processed one."""
    from ops.cli import rebuilds

    when_interrupted = "Interrupted; the job keeps running. Its output is committed completely or not at all."
    with running_sandbox(folder, when_interrupted) as (state, settings):
        rebuilds.rebuild(state, settings, zone)
