"""Commands that start, stop and show the local environment."""

# ruff: noqa: PLC0415 - with all imports at the top `totelake --help` takes 1.1 s instead of 0.4 s

import shlex
import sys
import sysconfig
from typing import Annotated

import typer

from local_aws.visible_text import visible
from ops.cli.commands.options import DEFAULT_STATE, AsJson, StateOption, running_sandbox, state_in
from ops.cli.screen import console, print_data, print_json, refuse, report_errors, steps
from ops.sandbox.settings import SandboxSettings


def up(
    folder: StateOption = DEFAULT_STATE,
    schedules: Annotated[
        bool,
        typer.Option(
            "--schedules/--no-schedules",
            envvar="TOTELAKE_SCHEDULES",
            help="Run the workflow every 15 minutes, reconcile every hour, compact every 4 hours, verify daily.",
        ),
    ] = True,
) -> None:
    """Start the local environment and its schedules in the background: AWS, totesys, warehouse, Terraform applied."""
    from ops.sandbox import lifecycle

    state = state_in(folder)
    with report_errors(state, "Interrupted; everything that this command started was stopped. Run: totelake up"):
        with steps() as show:
            settings = lifecycle.up(state, show, schedules=schedules)
        console.print(
            f"Up: AWS at {settings.aws_url}; all other addresses: totelake urls"
            + ("\nThe schedules are enabled; next runs and alarms: totelake status" if schedules else ""),
            soft_wrap=True,
        )


def status(folder: StateOption = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Show the last runs, the committed batches, the rows of every table, the age of the last success, the alerts."""
    from ops.cli import status_view
    from ops.sandbox import status as sandbox_status

    state = state_in(folder)
    with report_errors(state):
        current = sandbox_status.gather(state)
        if as_json:
            print_json(current.to_json(), default=sandbox_status.as_text)
        else:
            status_view.show(current)


def dashboard(
    folder: StateOption = DEFAULT_STATE,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="Port to serve it on; a free one without it.")
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Serve the dashboard: sales, purchases, payments and the pipeline, live from the warehouse, until Ctrl-C."""
    from ops.cli import dashboard as dashboard_server

    with running_sandbox(folder, "The dashboard was stopped.") as (state, _):
        dashboard_server.serve(state, port, browser=browser)


def urls(folder: StateOption = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Print all addresses: AWS with its key, the databases with their passwords, the folder of the lake."""
    state = state_in(folder)
    with report_errors(state):
        addresses = SandboxSettings.load(state).urls(state)
        if as_json:
            print_json(addresses)
        else:
            for name, address in addresses.items():
                console.print(f"{name:<16} {address}", soft_wrap=True)


def env(folder: StateOption = DEFAULT_STATE) -> None:
    """Print variables for a shell that uses the local environment: eval "$(totelake env)"."""
    from ops.sandbox import deployment, postgres

    with running_sandbox(folder) as (state, settings):
        outputs = deployment.outputs(state)
        log_group = outputs["log_groups"]["ingest"]["output"].removesuffix("/output")
        for name, value in settings.shell_environment(outputs["prefix"], log_group).items():
            print_data(f"export {name}={shlex.quote(value)}")
        programs = ":".join((sysconfig.get_path("scripts"), str(postgres.programs())))  # aws, totelake; psql
        print_data(f'export PATH={shlex.quote(programs)}:"$PATH"')


def logs(
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="A job, such as ingest, or the id of a job run; without it all jobs."),
    ] = None,
    folder: StateOption = DEFAULT_STATE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep following, until Ctrl-C.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Print all lines since then, such as 90s, 10m or 2h ago.")
    ] = None,
) -> None:
    """Print the logs of the latest run of each job, or of one; a terminal shows control characters as escapes."""
    from ops.cli import log_view

    age = log_view.age(since) if since else None
    with running_sandbox(folder) as (state, settings):
        log_view.show(state, settings, job, age, follow=follow)


def down(
    folder: StateOption = DEFAULT_STATE,
    purge: Annotated[bool, typer.Option("--purge", help="Remove the local environment with all its data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the local environment and its running jobs; its data is kept, unless it is purged."""
    from ops.sandbox import lifecycle

    state = state_in(folder)
    if purge and not yes and state.root.exists():
        if not sys.stdin.isatty():
            refuse(f"There is no terminal to confirm the removal of {state.root}; add --yes. Nothing was changed.")
        typer.confirm(visible(f"Remove {state.root} with totesys, lake and warehouse?"), abort=True)
    with report_errors(state, "Interrupted; stop the rest with: totelake down"), steps() as show:
        if purge:
            lifecycle.purge(state, show)
        elif not lifecycle.down(state, show):
            console.print("Nothing was running.")


def demo(folder: StateOption = DEFAULT_STATE) -> None:
    """Run a demonstration: up, seed, run, activity, run, summary."""
    from ops.cli import demonstration

    state = state_in(folder)
    with report_errors(state, "Interrupted; the local environment keeps running. Stop it with: totelake down"):
        demonstration.show(state)
