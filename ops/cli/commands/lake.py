"""Commands that read the lake."""

# ruff: noqa: PLC0415 - with all imports at the top `totelake --help` takes 1.1 s instead of 0.4 s

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.commands.options import DEFAULT_STATE, AsJson, StateOption, running_sandbox, state_in
from ops.cli.screen import report_errors


class QueryFormat(StrEnum):
    """How the result of a query is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def history(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table of totesys.")],
    key: Annotated[int, typer.Argument(metavar="KEY", help="The primary key of the record.")],
    folder: StateOption = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Show every version of a record that the lake holds, from batch to batch."""
    from ops.cli import records

    with running_sandbox(folder) as (state, settings):
        records.show_history(state, settings, table, key, as_json=as_json)


def lineage(
    column: Annotated[
        str, typer.Argument(metavar="COLUMN", help="table.column of totesys or of a star, or a column's name alone.")
    ],
    folder: StateOption = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Show where a column comes from, or where it goes: types, transformations, rules. Needs no local environment."""
    from ops.cli import lineage_view

    with report_errors(state_in(folder)):
        lineage_view.show(column, as_json=as_json)


def quarantine(folder: StateOption = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List the quarantined rows: table, key, the rule that they break, and the value."""
    from ops.cli import records

    with running_sandbox(folder) as (state, settings):
        records.show_quarantine(state, settings, as_json=as_json)


def verify(
    folder: StateOption = DEFAULT_STATE,
    read: Annotated[bool, typer.Option("--read", help="Read all files, and compare their contents and rows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the lake: commit records, checkpoints, files and partitions. Exit status 1 when one is missing or altered.

    For each of them the report says how to restore it. Files that no commit record names are only reported.
    """
    from ops.cli import lake_check

    with running_sandbox(folder) as (state, settings):
        lake_check.verify(state, settings, read=read, as_json=as_json)


def query(
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="A query in Athena's SQL.")] = None,
    folder: StateOption = DEFAULT_STATE,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", exists=True, dir_okay=False, help="File with the query.")
    ] = None,
    output: Annotated[QueryFormat, typer.Option("--output", help="Format of the result.")] = QueryFormat.TABLE,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="BATCH|TIME",
            help="Answer as after an ingested batch: its number, or the last one up to a time in ISO 8601. A time "
            "without a zone is in UTC, a date is its end.",
        ),
    ] = None,
    show_sql: Annotated[
        bool, typer.Option("--show-sql", help="With --as-of: print the SQL, for Athena in AWS, and do not run it.")
    ] = False,
) -> None:
    r"""Query the lake in Athena's SQL; a name without a database is one of the processed zone.

    Control characters in the result are shown as escapes, such as \x1b; CSV is exact in a file or a pipe.
    """
    from ops.cli import lake_query

    text = lake_query.sql_text(sql, file)
    if as_of is None:
        if show_sql:
            raise typer.BadParameter("--show-sql prints the SQL of a query with --as-of BATCH|TIME")
        with running_sandbox(folder, "Interrupted; the query was stopped.") as (state, settings):
            lake_query.query(state, settings, text, output)
        return
    moment = lake_query.batch_or_time(as_of)
    with running_sandbox(folder, "Interrupted; the query was stopped.") as (state, settings):
        restricted = lake_query.as_of(state, settings, text, moment)
        if show_sql:
            lake_query.show_sql(restricted)
        else:
            lake_query.query(state, settings, restricted, output)


def tables(folder: StateOption = DEFAULT_STATE) -> None:
    """Show the tables and views of the lake."""
    from ops.cli import lake_query

    with running_sandbox(folder) as (state, settings):
        lake_query.tables(state, settings)


def describe(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table or view of the lake.")],
    folder: StateOption = DEFAULT_STATE,
) -> None:
    """Show the columns of a table or view of the lake, its partitions and its rows."""
    from ops.cli import lake_query

    with running_sandbox(folder) as (state, settings):
        lake_query.describe(state, settings, table)
