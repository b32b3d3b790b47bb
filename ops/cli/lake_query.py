"""Queries of the lake in Athena's SQL, and its tables and views, on the screen."""

import csv
import io
from pathlib import Path

import typer
from rich.table import Table

from local_aws.state import State
from ops.cli.screen import console, number, print_data, print_json, seconds
from ops.sandbox import deployment
from ops.sandbox.lake import CatalogRelation, LakeClient, QueryResult
from ops.sandbox.settings import SandboxSettings

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
