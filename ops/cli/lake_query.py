"""SQL on the lake: the answers of Athena, and what there is to ask."""

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


def query_of(sql: str | None, file: Path | None) -> str:
    """Return the query that is asked, from the command line or from a file; one of the two has to be there."""
    if sql is not None and file is not None:
        raise typer.BadParameter("give the SQL or a file with --file, not both")
    if sql is None and file is None:
        raise typer.BadParameter('give the SQL, such as totelake query "SHOW TABLES", or a file with --file')
    text = sql if file is None else file.read_text(encoding="utf-8")
    if not (text or "").strip():
        raise typer.BadParameter("there is no SQL in it")
    return text or ""


def query(state: State, settings: SandboxSettings, sql: str, output: str) -> None:
    """Print the answer to a query."""
    answer = _lake(state, settings).ask(sql)
    if output == "json":
        names = list(answer.columns)
        print_json([dict(zip(names, row, strict=True)) for row in answer.rows])
    elif output == "csv":
        print_data(_csv(answer))
    else:
        console.print(_answer(answer))
        read = f"{number(len(answer.rows))} rows, {number(answer.bytes_scanned)} bytes read, {seconds(answer.seconds)}"
        console.print(read)


def tables(state: State, settings: SandboxSettings) -> None:
    """Print the tables and views of the lake."""
    lake = _lake(state, settings)
    shown = _table("database", "name", "kind", "what it is")
    for relation in lake.relations():
        kind = _VIEW if relation.is_view else _TABLE
        shown.add_row(relation.database, relation.name, kind, relation.description)
    console.print(shown)


def describe(state: State, settings: SandboxSettings, name: str) -> None:
    """Print the columns of a table or view with their types and comments, and how much there is of it."""
    lake = _lake(state, settings)
    relation = lake.relation(name)
    keys = {key["Name"] for key in relation.keys}
    shown = _table("column", "type", "comment")
    shown.title = f"{relation.database}.{relation.name}"
    for column in [*relation.columns, *relation.keys]:
        kind = column["Type"] + (", partition key" if column["Name"] in keys else "")
        shown.add_row(column["Name"], kind, column.get("Comment", ""))
    console.print(relation.description, soft_wrap=True)
    console.print(shown)
    console.print(_amount(lake, relation))


def _lake(state: State, settings: SandboxSettings) -> LakeClient:
    made = deployment.outputs(state)
    return LakeClient(settings, made["athena_workgroup"], made["databases"])


def _amount(lake: LakeClient, relation: CatalogRelation) -> str:
    rows = f"{number(lake.rows(relation))} rows"
    if relation.is_view:
        return f"A view; it has {rows}."
    return f"{rows} in {number(lake.partitions(relation))} partitions."


def _csv(answer: QueryResult) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([list(answer.columns), *answer.rows])
    return written.getvalue().removesuffix("\n")


def _answer(answer: QueryResult) -> Table:
    shown = _table()
    for name, kind in answer.columns.items():
        shown.add_column(name, justify="right" if kind in _NUMBERS else "left")
    for row in answer.rows:
        cells = row[0].split("\t") if len(answer.columns) > len(row) == 1 and row[0] else row
        shown.add_row(*("" if cell is None else cell.strip() for cell in cells))
    return shown


def _table(*headings: str) -> Table:
    shown = Table(title_justify="left", title_style="bold")
    for heading in headings:
        shown.add_column(heading)
    return shown
