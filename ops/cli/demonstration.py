"""Runs the whole platform once and prints a summary."""

import time
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from rich.table import Table

from dashboards import filters, questions
from dashboards.connections import connected
from local_aws.state import State
from ops.cli import run_view, source_data, status_view, workflow_runs
from ops.cli.screen import console, number, seconds, steps, styled
from ops.sandbox import deployment, lifecycle, status
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.workflow_run import WorkflowRunSummary

_EVENTS = 300
_ANSWER_ROWS = 6
_NEXT_STEPS = """\
Next steps:
  totelake dashboard                  open the dashboard of the business and the pipeline in the browser
  totelake activity && totelake run   simulate more business activity and load it
  totelake run                        run again: without changes nothing is written
  totelake crawl                      compare the lake with the declarations
  totelake status                     show runs, batches, rows, schedules, alarms, alerts
  totelake up                         enable the schedules: run every 15 minutes, reconcile every hour
  totelake urls                       print addresses for psql, boto3 and the AWS CLI, and the folder of the lake
  totelake down                       stop the local environment (--purge: remove it)
where `totelake` is .venv/bin/totelake.\
"""


def show(state: State) -> None:
    """Start the local environment, seed totesys, run the workflow, simulate activity, run it again, and sum up."""
    start = time.monotonic()
    _heading("The local environment")
    with steps() as step:
        settings = lifecycle.up(state, step)
    if not status.row_counts(settings)["totesys"]["sales_order"]:
        source_data.seed(settings)
    _heading("First run of the workflow")
    first = workflow_runs.run_to_success(state, settings)
    _heading("Business activity")
    source_data.activity(settings, _EVENTS)
    _heading("Second run of the workflow")
    second = workflow_runs.run_to_success(state, settings)
    _heading("Summary")
    _print_summary(state, settings, (first, second))
    console.print(f"Total time: {seconds(time.monotonic() - start)}.\n")
    console.print(_NEXT_STEPS, soft_wrap=True)


def _heading(text: str) -> None:
    console.print()
    console.print(styled(text, "bold"))


def _print_summary(state: State, settings: SandboxSettings, runs: Sequence[WorkflowRunSummary]) -> None:
    prefix = deployment.outputs(state)["prefix"]
    console.print(status_view.rows(status.row_counts(settings)))
    console.print(status_view.batches(status.committed_batches(state, settings, count=len(runs))))
    console.print(_durations(prefix, runs))
    console.print(_revenue(settings))


def _durations(prefix: str, runs: Sequence[WorkflowRunSummary]) -> Table:
    """Return a table of the rows and seconds of each job and crawler, the runs side by side."""
    table = Table(title="Stages", title_justify="left", title_style="bold")
    table.add_column("")
    for run_number in range(1, len(runs) + 1):
        table.add_column(f"rows, run {run_number}", justify="right")
        table.add_column("seconds", justify="right")
    for actions in zip(*(run.actions for run in runs), strict=True):
        cells = [cell for action in actions for cell in (number(action.rows), seconds(action.seconds))]
        table.add_row(run_view.short_name(actions[0], prefix), *cells)
    table.add_row("whole run", *(cell for run in runs for cell in ("", seconds(run.seconds))), style="bold")
    return table


def _revenue(settings: SandboxSettings) -> Table:
    """Return a table of the latest months' revenue."""
    table = Table(title="Revenue by month and currency, the latest months", title_justify="left", title_style="bold")
    question = questions.read("sales", "revenue_by_month")
    with connected(settings.warehouse_reader_url) as connection:
        answer = connection.execute(filters.qualified(question.query).encode())
        for column in answer.description or ():
            table.add_column(column.name, justify="left" if column.name in {"month", "currency"} else "right")
        for row in answer.fetchmany(_ANSWER_ROWS):
            table.add_row(*map(_cell, row))
    return table


def _cell(value: date | str | int | Decimal) -> str:
    if isinstance(value, date):
        return f"{value:%Y-%m}"
    return value if isinstance(value, str) else number(value)
