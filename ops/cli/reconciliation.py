"""Comparison of the warehouse with totesys, and its result on the screen."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from local_aws.state import State
from ops.cli import workflow_runs
from ops.cli.screen import console, number, steps
from ops.sandbox import aws, deployment, job_run
from ops.sandbox.settings import SandboxSettings


def reconcile(state: State, settings: SandboxSettings) -> None:
    """Run the job reconcile and print its result; exit with status 1 on an unexplained difference or a failure."""
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    with steps() as step, step("Compare the warehouse with totesys"):
        run = job_run.run(glue, logs, deployment.outputs(state)["jobs"]["reconcile"])
    tables = [line for line in run.lines if line.get("event") == "table_reconciled" and line["status"] == "ok"]
    if tables:
        console.print(table(tables))
    elif run.succeeded:
        console.print("Nothing has been loaded into the warehouse yet; run: totelake run")
    if not run.succeeded:
        workflow_runs.exit_with_failure("reconcile", run)


def table(lines: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table of the compared tables: the rows of each, then its findings with their reasons and keys."""
    rows = Table(title="The warehouse compared with totesys", title_justify="left", title_style="bold")
    rows.add_column("table")
    for heading in ("rows in totesys", "in the warehouse", "differences"):
        rows.add_column(heading, justify="right")
    rows.add_column("keys")
    for line in lines:
        counts = (line["rows_in_totesys"], line["rows_in_warehouse"], line["differences"])
        rows.add_row(line["table"], *map(number, counts), style="bold red" if line["differences"] else None)
        for finding in line["findings"]:
            columns = f" in {', '.join(finding['columns'])}" if finding["columns"] else ""
            text = f"  {finding['what']}{columns}" if finding["reason"] is None else f"  {finding['reason']}"
            keys = ", ".join(map(str, finding["keys"])) + (", …" if finding["rows"] > len(finding["keys"]) else "")
            style = "red" if finding["reason"] is None else "dim"
            rows.add_row(text, "", "", number(finding["rows"]), keys, style=style)
    return rows
