"""The commands. Each imports what it needs when it is called, so that all start fast."""

# ruff: noqa: PLC0415 - each command imports what it needs when it is called

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from local_aws.state import State
from local_aws.visible_text import visible
from ops.cli.screen import console, print_data, print_json, problems, refuse, steps
from ops.deploy import build


class RebuildTarget(StrEnum):
    """What can be rebuilt."""

    PROCESSED = "processed"
    WAREHOUSE = "warehouse"


class WarehouseKind(StrEnum):
    """The kinds of warehouse."""

    POSTGRES = "postgres"
    REDSHIFT = "redshift"


class QueryFormat(StrEnum):
    """How the result of a query is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


app = typer.Typer(
    help="A data platform on AWS Glue: totesys to lake to warehouse, exactly once, on a laptop too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_State = Annotated[
    Path,
    typer.Option("--state", metavar="DIR", envvar="TOTELAKE_STATE", help="Folder of the local environment."),
]
_RunId = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Id of the workflow run; the latest without it.")]
_RandomSeed = Annotated[int | None, typer.Option("--random-seed", metavar="S", help="Seed of the random numbers.")]
_DEFAULT = build.ROOT / ".totelake"


def _state(folder: Path) -> State:
    return State(folder.expanduser().resolve())


@app.command()
def up(
    state: _State = _DEFAULT,
    schedules: Annotated[
        bool,
        typer.Option(
            "--schedules/--no-schedules",
            envvar="TOTELAKE_SCHEDULES",
            help="Run the workflow every 15 minutes and reconcile every hour.",
        ),
    ] = True,
) -> None:
    """Start the local environment and its schedules in the background: AWS, totesys, warehouse, Terraform applied."""
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "Stopped; what this command had started was stopped again. Run: totelake up"):
        with steps() as show:
            settings = lifecycle.up(place, show, schedules=schedules)
        console.print(
            f"Up: AWS at {settings.aws_url}, everything else with: totelake urls"
            + ("\nThe schedules run; see when and what with: totelake status" if schedules else ""),
            soft_wrap=True,
        )


@app.command()
def seed(
    state: _State = _DEFAULT,
    sales_orders: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Sales orders; the other tables in proportion.")
    ] = None,
    random_seed: _RandomSeed = None,
) -> None:
    """Fill totesys with generated business data."""
    from ops.cli import source_data
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "Stopped; totesys is as it was before."):
        source_data.seed(lifecycle.require(place), sales_orders, random_seed)


@app.command()
def activity(
    state: _State = _DEFAULT,
    events: Annotated[int, typer.Option(min=1, metavar="N", help="Number of business events.")] = 300,
    random_seed: _RandomSeed = None,
) -> None:
    """Simulate business activity in totesys: orders, payments, corrections, some of them committed late."""
    from ops.cli import source_data
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "Stopped; what was committed by then stays."):
        source_data.activity(lifecycle.require(place), events, random_seed)


@app.command()
def run(
    state: _State = _DEFAULT,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run until it has ended.")] = True,
) -> None:
    """Run the workflow: ingest, transform, load. Exit status 1 when any of it failed."""
    from ops.cli import workflow_runs
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        settings = lifecycle.require(place)
        if wait:
            workflow_runs.succeed(place, settings)
        else:
            console.print(workflow_runs.start(place, settings), soft_wrap=True)


@app.command()
def reconcile(state: _State = _DEFAULT) -> None:
    """Compare the warehouse with totesys, row by row. Exit status 1 when they differ and nothing explains it."""
    from ops.cli import reconciliation
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "Stopped; the comparison goes on. See what it says with: totelake logs reconcile"):
        reconciliation.reconcile(place, lifecycle.require(place))


@app.command()
def crawl(state: _State = _DEFAULT) -> None:
    """Run the crawler, and compare what it discovers with the declarations. Exit status 1 when they differ."""
    from ops.cli import workflow_runs
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        workflow_runs.succeed(place, lifecycle.require(place), workflow_runs.CRAWL)


@app.command()
def follow(run: _RunId = None, state: _State = _DEFAULT) -> None:
    """Follow a run of the workflow until it has ended. Exit status 1 when any of it failed."""
    from ops.cli import workflow_runs
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        settings = lifecycle.require(place)
        if not workflow_runs.follow(place, settings, run or workflow_runs.latest(place, settings)).succeeded:
            raise typer.Exit(1)


@app.command()
def stop(run: _RunId = None, state: _State = _DEFAULT) -> None:
    """Stop a run of the workflow."""
    from ops.cli import workflow_runs
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        settings = lifecycle.require(place)
        workflow_runs.stop(place, settings, run or workflow_runs.latest(place, settings))


@app.command()
def status(
    state: _State = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the last runs, the committed batches, the rows of every table, the age of the last success, the alerts."""
    from ops.cli import status_view
    from ops.sandbox import status as world_status

    place = _state(state)
    with problems(place):
        found = world_status.gather(place)
        if as_json:
            print_json(found.to_json(), default=world_status.as_text)
        else:
            status_view.show(found)


@app.command()
def dashboard(
    state: _State = _DEFAULT,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="The port to serve it on; without it a free one.")
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Serve the dashboard: sales, purchases, payments and the pipeline, live from the warehouse, until Ctrl-C."""
    from ops.cli import dashboard as serving
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "The dashboard is closed."):
        lifecycle.require(place)
        serving.serve(place, port, browser=browser)


@app.command()
def urls(
    state: _State = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print all addresses: AWS with its key, the databases with their passwords, the folder of the lake."""
    from ops.sandbox.settings import SandboxSettings

    place = _state(state)
    with problems(place):
        found = SandboxSettings.load(place).urls(place)
        if as_json:
            print_json(found)
        else:
            for name, address in found.items():
                console.print(f"{name:<10} {address}", soft_wrap=True)


@app.command()
def env(state: _State = _DEFAULT) -> None:
    """Print variables for a shell that uses the local environment: eval "$(totelake env)"."""
    import shlex
    import sysconfig

    from ops.sandbox import deployment, lifecycle, postgres

    place = _state(state)
    with problems(place):
        settings = lifecycle.require(place)
        made = deployment.outputs(place)
        log_group = made["log_groups"]["ingest"]["output"].removesuffix("/output")
        for name, value in settings.shell_environment(made["prefix"], log_group).items():
            print_data(f"export {name}={shlex.quote(value)}")
        programs = ":".join((sysconfig.get_path("scripts"), str(postgres.programs())))  # aws, totelake; psql
        print_data(f'export PATH={shlex.quote(programs)}:"$PATH"')


@app.command()
def logs(
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="A job, such as ingest, or the id of a run; without it all jobs."),
    ] = None,
    state: _State = _DEFAULT,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep following, until Ctrl-C.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Not the latest run, but all that is no older than 90s, 10m, 2h.")
    ] = None,
) -> None:
    """Print what the latest run of each job, or of one, wrote; a terminal shows control characters as escapes."""
    from ops.cli import log_view
    from ops.sandbox import lifecycle

    place = _state(state)
    age = log_view.age(since) if since else None
    with problems(place):
        log_view.show(place, lifecycle.require(place), job, age, follow=follow)


@app.command()
def history(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table of totesys.")],
    key: Annotated[int, typer.Argument(metavar="KEY", help="The primary key of the record.")],
    state: _State = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every version of a record that the lake holds, from batch to batch."""
    from ops.cli import records
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        records.show_history(place, lifecycle.require(place), table, key, as_json=as_json)


@app.command()
def lineage(
    column: Annotated[
        str, typer.Argument(metavar="COLUMN", help="table.column of totesys or of a star, or a column's name alone.")
    ],
    state: _State = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where a column comes from, or where it goes: types, transformations, rules. Needs no local environment."""
    from ops.cli import lineage_view

    with problems(_state(state)):
        lineage_view.show(column, as_json=as_json)


@app.command()
def quarantine(
    state: _State = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the quarantined rows: table, key, the rule that they break, and the value."""
    from ops.cli import records
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        records.show_quarantine(place, lifecycle.require(place), as_json=as_json)


@app.command()
def query(
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="A query in Athena's SQL.")] = None,
    state: _State = _DEFAULT,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", exists=True, dir_okay=False, help="File with the query.")
    ] = None,
    output: Annotated[QueryFormat, typer.Option("--output", help="How the answer is printed.")] = QueryFormat.TABLE,
) -> None:
    r"""Query the lake in Athena's SQL; a name without a database is one of the processed zone.

    Control characters in the answer are shown as escapes, such as \x1b; CSV is exact in a file or a pipe.
    """
    from ops.cli import lake_query
    from ops.sandbox import lifecycle

    place = _state(state)
    text = lake_query.query_of(sql, file)
    with problems(place, "Stopped, and the query with it."):
        lake_query.query(place, lifecycle.require(place), text, output)


@app.command()
def tables(state: _State = _DEFAULT) -> None:
    """Show the tables and views of the lake."""
    from ops.cli import lake_query
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        lake_query.tables(place, lifecycle.require(place))


@app.command()
def describe(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table or view of the lake.")],
    state: _State = _DEFAULT,
) -> None:
    """Show the columns of a table or view of the lake, its partitions and its rows."""
    from ops.cli import lake_query
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place):
        lake_query.describe(place, lifecycle.require(place), table)


@app.command()
def rebuild(
    zone: Annotated[RebuildTarget, typer.Argument(metavar="ZONE", help="processed or warehouse.")],
    state: _State = _DEFAULT,
) -> None:
    """Rebuild the processed zone from the ingested one, or the warehouse from the processed one."""
    from ops.cli import rebuilds
    from ops.sandbox import lifecycle

    place = _state(state)
    with problems(place, "Stopped; the job goes on. What it makes is there whole or not at all."):
        rebuilds.rebuild(place, lifecycle.require(place), zone)


@app.command()
def ddl(
    state: _State = _DEFAULT,
    apply: Annotated[bool, typer.Option("--apply", help="Apply it to the local warehouse.")] = False,
    warehouse: Annotated[WarehouseKind, typer.Option("--warehouse", help="SQL dialect.")] = WarehouseKind.POSTGRES,
) -> None:
    """Print the DDL of the warehouse, or apply it."""
    from totelake.warehouse import postgres, redshift

    if apply and warehouse is not WarehouseKind.POSTGRES:
        raise typer.BadParameter(
            "the local warehouse is Postgres; a load makes Redshift's tables", param_hint="--apply"
        )
    place = _state(state)
    with problems(place):
        if not apply:
            print_data(
                {WarehouseKind.POSTGRES: postgres.ddl, WarehouseKind.REDSHIFT: redshift.ddl}[warehouse]().removesuffix(
                    "\n"
                )
            )
            return
        import psycopg

        from ops.sandbox import lifecycle

        with psycopg.connect(lifecycle.require(place).warehouse_url) as connection:
            postgres.apply(connection)
        console.print("The warehouse has all its tables, keys and views.")


@app.command()
def down(
    state: _State = _DEFAULT,
    purge: Annotated[bool, typer.Option("--purge", help="Remove the local environment with all its data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the local environment and its running jobs; its data is kept, unless it is purged."""
    from ops.sandbox import lifecycle

    place = _state(state)
    if purge and not yes and place.root.exists():
        if not sys.stdin.isatty():
            refuse(f"There is no terminal to confirm the removal of {place.root}; add --yes. Nothing was changed.")
        typer.confirm(visible(f"Remove {place.root} with totesys, lake and warehouse?"), abort=True)
    with problems(place, "Stopped; run it again to stop the rest: totelake down"), steps() as show:
        if purge:
            lifecycle.purge(place, show)
        elif not lifecycle.down(place, show):
            console.print("Nothing was running.")


@app.command()
def demo(state: _State = _DEFAULT) -> None:
    """Run a demonstration: up, seed, run, activity, run, summary."""
    from ops.cli import demonstration

    place = _state(state)
    with problems(place, "Stopped. What is up stays up; stop it with: totelake down"):
        demonstration.show(place)
