"""Commands on the schema of the warehouse."""

# ruff: noqa: PLC0415 - with all imports at the top `totelake --help` takes 1.1 s instead of 0.4 s

from enum import StrEnum
from typing import Annotated

import typer

from ops.cli.commands.options import DEFAULT_STATE, StateOption, running_sandbox, state_in
from ops.cli.screen import console, print_data, report_errors


class WarehouseKind(StrEnum):
    """The kinds of warehouse."""

    POSTGRES = "postgres"
    REDSHIFT = "redshift"


def ddl(
    folder: StateOption = DEFAULT_STATE,
    apply: Annotated[bool, typer.Option("--apply", help="Apply it to the local warehouse.")] = False,
    warehouse: Annotated[WarehouseKind, typer.Option("--warehouse", help="SQL dialect.")] = WarehouseKind.POSTGRES,
    roles: Annotated[
        bool, typer.Option("--roles", help="Print the roles of the load and of readers too, and their rights.")
    ] = False,
) -> None:
    """Print the DDL of the warehouse, or apply it."""
    from totelake.warehouse import postgres, redshift

    if roles and warehouse is not WarehouseKind.POSTGRES:
        raise typer.BadParameter("the define job creates the users of Redshift", param_hint="--roles")
    if apply and warehouse is not WarehouseKind.POSTGRES:
        raise typer.BadParameter(
            "the local warehouse is Postgres; in Redshift the define job creates the tables", param_hint="--apply"
        )
    if not apply:
        ddl_of = {WarehouseKind.POSTGRES: postgres.ddl, WarehouseKind.REDSHIFT: redshift.ddl}[warehouse]
        with report_errors(state_in(folder)):
            print_data((ddl_of() + (postgres.creation() if roles else "")).removesuffix("\n"))
        return
    import psycopg

    from totelake.runtime.connections import session_options

    with running_sandbox(folder) as (_, settings):
        # Like a job's, so that it calls no function of another role.
        with psycopg.connect(settings.warehouse_url, options=session_options()) as connection:
            postgres.apply(connection)
            postgres.grant(connection)
        console.print("The warehouse has all its tables, keys and views, and its roles have their rights.")
