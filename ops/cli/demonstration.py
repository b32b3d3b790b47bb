"""The whole platform in one go, and what came out of it."""

import time
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import psycopg
from rich.table import Table

from dashboards import questions
from local_aws.state import State
from ops.cli import run_view, source_data, status_view, workflow_runs
from ops.cli.screen import console, number, seconds, steps, styled
from ops.sandbox import deployment, lifecycle, status
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.workflow_run import WorkflowRunSummary

_EVENTS = 300
_ANSWER_ROWS = 6
_NEXT = """\
What to try next:
  totelake dashboard                  what the warehouse answers, and how the pipeline fares, in the browser
  totelake activity && totelake run   more business, and what of it arrives
  totelake run                        nothing changed: nothing is written
  totelake crawl                      what lies in the lake, held against the declarations
  totelake status                     runs, batches, rows, schedules, alarms, alerts
  totelake up                         from now on by schedule: run every 15 minutes, reconcile every hour
  totelake urls                       addresses for psql, boto3, the AWS CLI; the folder of the lake
  totelake down                       stop it (--purge: and forget it)
where `totelake` is .venv/bin/totelake.\
"""


def show(state: State) -> None:
    """Bring the world up, fill it, run the workflow, let the business go on, run it again, and sum up."""
    began = time.monotonic()
    _heading("The local world")
    with steps() as step:
        settings = lifecycle.up(state, step)
    if not status.row_counts(settings)["totesys"]["sales_order"]:
        source_data.seed(settings)
    _heading("First run of the workflow")
    first = workflow_runs.succeed(state, settings)
    _heading("The business goes on")
    source_data.activity(settings, _EVENTS)
    _heading("Second run of the workflow")
    second = workflow_runs.succeed(state, settings)
    _heading("Summary")
    _sum_up(state, settings, (first, second))
    console.print(f"All of it took {seconds(time.monotonic() - began)}.\n")
    console.print(_NEXT, soft_wrap=True)


def _heading(text: str) -> None:
    console.print()
    console.print(styled(text, "bold"))


def _sum_up(state: State, settings: SandboxSettings, runs: Sequence[WorkflowRunSummary]) -> None:
    prefix = deployment.outputs(state)["prefix"]
    console.print(status_view.rows(status.row_counts(settings)))
    console.print(status_view.batches(status.committed_batches(state, settings, count=len(runs))))
    console.print(_durations(prefix, runs))
    console.print(_answer(settings))


def _durations(prefix: str, runs: Sequence[WorkflowRunSummary]) -> Table:
    """Return the rows and seconds of each job and crawler in each run, side by side."""
    table = Table(title="Stages", title_justify="left", title_style="bold")
    table.add_column("")
    for number_of_run in range(1, len(runs) + 1):
        table.add_column(f"rows, run {number_of_run}", justify="right")
        table.add_column("seconds", justify="right")
    for same in zip(*(run.actions for run in runs), strict=True):
        cells = [cell for action in same for cell in (number(action.rows), seconds(action.seconds))]
        table.add_row(run_view.name_of(same[0], prefix), *cells)
    table.add_row("whole run", *(cell for run in runs for cell in ("", seconds(run.seconds))), style="bold")
    return table


def _answer(settings: SandboxSettings) -> Table:
    """Return the first rows of the question's answer."""
    table = Table(title="Revenue by month and currency, the latest months", title_justify="left", title_style="bold")
    with psycopg.connect(settings.warehouse_url) as connection:
        answer = connection.execute(questions.read("sales", "revenue_by_month").query.encode())
        for column in answer.description or ():
            table.add_column(column.name, justify="left" if column.name in {"month", "currency"} else "right")
        for row in answer.fetchmany(_ANSWER_ROWS):
            table.add_row(*map(_cell, row))
    return table


def _cell(value: date | str | int | Decimal) -> str:
    if isinstance(value, date):
        return f"{value:%Y-%m}"
    return value if isinstance(value, str) else number(value)
