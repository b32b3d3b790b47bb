"""Queries of the lake in Athena's SQL, and its tables and views, on the screen."""

import csv
import io
from datetime import UTC, date, datetime, time
from pathlib import Path

import typer
from rich.table import Table

from local_aws.state import State
from ops.cli.screen import console, error_console, number, print_data, print_json, seconds
from ops.sandbox import deployment, time_travel
from ops.sandbox.aws import OwnerClients
from ops.sandbox.lake import CatalogRelation, LakeClient, QueryResult
from ops.sandbox.settings import SandboxSettings
from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog

_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "float", "double", "decimal"}
_VIEW, _TABLE = "view", "table"


def sql_text(sql: str | None, file: Path | None) -> str:
    """Return the query from the command line or the file; raise `BadParameter` unless exactly one of them has one."""
    if sql is not None and file is not None:
        raise typer.BadParameter("give the SQL or a file with --file, not both")
    if sql is None and file is None:
        raise typer.BadParameter('give the SQL, such as totelake query "SHOW TABLES", or a file with --file')
    text = sql if file is None else file.read_text(encoding="utf-8")
    if not (text or "").strip():
        raise typer.BadParameter("the query is empty")
    return text or ""


def batch_or_time(text: str) -> int | datetime:
    """Return the number of a batch, or the time with its zone, in `text`; raise `BadParameter` for other text.

    A time without a zone is in UTC, a date is its last microsecond.
    """
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither the number of a batch nor a time such as 2026-01-31 or 2026-01-31T09:30+01:00",
            param_hint="--as-of",
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_of(state: State, settings: SandboxSettings, sql: str, moment: int | datetime) -> str:
    """Return the query `sql` restricted to the rows up to a batch, and print to stderr which batch that is.

    `moment` is its number, or a time: then it is the last batch up to this time.
    """
    outputs = deployment.outputs(state)
    log = CommitLog(outputs["buckets"]["processed"], ProcessedBatch, OwnerClients(settings))
    batch = time_travel.find_batch(log, moment)
    restricted = time_travel.restricted(sql, batch.number, outputs["databases"])
    error_console.print(f"As of batch {batch.number}, snapshot of {batch.taken_at}.")
    if isinstance(moment, int) and moment != batch.number:
        error_console.print(f"Batch {moment} was transformed together with a later one, so there is no answer for it.")
    return restricted


def show_sql(sql: str) -> None:
    """Print a query as it is."""
    print_data(sql)


def query(state: State, settings: SandboxSettings, sql: str, output: str) -> None:
    """Print the result of a query as `output` says: table, csv or json."""
    result = _lake(state, settings).query(sql)
    if output == "json":
        names = list(result.columns)
        print_json([dict(zip(names, row, strict=True)) for row in result.rows])
    elif output == "csv":
        print_data(_csv(result))
    else:
        console.print(_result_table(result))
        size = f"{number(len(result.rows))} rows, {number(result.bytes_scanned)} bytes read"
        console.print(f"{size}, {seconds(result.seconds)}")


def tables(state: State, settings: SandboxSettings) -> None:
    """Print the tables and views of the lake."""
    lake = _lake(state, settings)
    table = _table("database", "name", "kind", "description")
    for relation in lake.relations():
        kind = _VIEW if relation.is_view else _TABLE
        table.add_row(relation.database, relation.name, kind, relation.description)
    console.print(table)


def describe(state: State, settings: SandboxSettings, name: str) -> None:
    """Print the columns of a table or view with their types and comments, and its numbers of rows and partitions."""
    lake = _lake(state, settings)
    relation = lake.relation(name)
    keys = {key["Name"] for key in relation.partition_keys}
    table = _table("column", "type", "comment")
    table.title = f"{relation.database}.{relation.name}"
    for column in [*relation.columns, *relation.partition_keys]:
        kind = column["Type"] + (", partition key" if column["Name"] in keys else "")
        table.add_row(column["Name"], kind, column.get("Comment", ""))
    console.print(relation.description, soft_wrap=True)
    console.print(table)
    console.print(_size(lake, relation))


def _lake(state: State, settings: SandboxSettings) -> LakeClient:
    outputs = deployment.outputs(state)
    return LakeClient(settings, outputs["athena_workgroup"], outputs["databases"])


def _size(lake: LakeClient, relation: CatalogRelation) -> str:
    rows = f"{number(lake.rows(relation))} rows"
    if relation.is_view:
        return f"A view with {rows}."
    return f"{rows} in {number(lake.partitions(relation))} partitions."


def _csv(result: QueryResult) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(result.columns), *result.rows])
    return text.getvalue().removesuffix("\n")


def _result_table(result: QueryResult) -> Table:
    table = _table()
    for name, kind in result.columns.items():
        table.add_column(name, justify="right" if kind in _NUMBERS else "left")
    for row in result.rows:
        cells = row[0].split("\t") if len(result.columns) > len(row) == 1 and row[0] else row
        table.add_row(*("" if cell is None else cell.strip() for cell in cells))
    return table


def _table(*headings: str) -> Table:
    table = Table(title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table
