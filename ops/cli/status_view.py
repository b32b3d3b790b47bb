"""The status of a local environment on the screen."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.table import Table

from ops.cli import run_view
from ops.cli.screen import console, number, seconds, styled
from ops.sandbox.status import CommittedBatches, LiveFileCounts, Status

_LATEST_ALERTS = 5
_ALERT_LINES = 2


def show(status: Status) -> None:
    """Print the status."""
    console.print(f"Local environment in {status.state}", soft_wrap=True)
    for part in status.down:
        console.print(styled(f"{part} is down", "bold red"), "; start it with: totelake up", sep="")
    if not status.runs and not status.down:
        console.print("The workflow has not run yet; run: totelake run")
    for run in reversed(status.runs):
        console.print(run_view.table(status.workflow, run))
    console.print(batches(status.batches))
    for zone, counts in status.live_files.items():
        console.print(f"{zone}: {files(counts)}")
    console.print(rows(status.rows))
    age = status.last_success_age
    console.print("Last success: never" if age is None else f"Last success: {_age(age)} ago")
    show_schedules_and_alarms(status.next_starts, status.alarms)
    console.print(f"Alerts: {len(status.alerts) or 'none'}")
    for alert in status.alerts[-_LATEST_ALERTS:]:
        sent_at = f"  {alert['sent_at']:%Y-%m-%d %H:%M:%S}  "
        console.print(sent_at, styled(alert["subject"], "red"), sep="", soft_wrap=True)
        for line in first_lines(alert["body"]):
            console.print(f"    {line}", soft_wrap=True)


def first_lines(body: str) -> list[str]:
    """Return the first lines of an e-mail; of one about a job or a crawler, which is JSON, its alert and its error."""
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    match fields:
        case {"alert": str(alert), "error": str(error)}:
            return [alert, *error.splitlines()[: _ALERT_LINES - 1]]
        case _:
            return body.splitlines()[:_ALERT_LINES]


def show_schedules_and_alarms(next_starts: Mapping[str, datetime], alarms: Sequence[Mapping[str, Any]]) -> None:
    """Print the next start of each schedule, and the alarms in the state ALARM."""
    for name, moment in sorted(next_starts.items()):
        left = max(0.0, (moment - datetime.now(UTC)).total_seconds())
        console.print(f"Schedule {name}: next start in {_age(left)}")
    if not next_starts:
        console.print("Schedules: disabled; enable them with: totelake up")
    console.print(f"Alarms in ALARM state: {len(alarms) or 'none'}")
    for alarm in alarms:
        console.print(" ", styled(alarm["name"], "red"), "", alarm["reason"], soft_wrap=True)


def batches(zones: Mapping[str, CommittedBatches]) -> Columns:
    """Return the committed batches of each zone, side by side."""
    tables = []
    for zone, committed in zones.items():
        table = Table(title=f"{zone}: {committed.count} committed", title_justify="left", title_style="bold")
        for heading in ("batch", "id"):
            table.add_column(heading)
        table.add_column("rows", justify="right")
        for batch in committed.latest:
            table.add_row(str(batch["sequence"]), batch["batch_id"], number(batch["rows"]))
            if batch["quarantined"]:
                warning = (
                    f"{number(batch['quarantined'])} rows broke a rule and were quarantined; see: totelake quarantine"
                )
                table.add_row("", styled(warning, "red"))
        tables.append(table)
    return Columns(tables)


def files(counts: LiveFileCounts) -> str:
    """Return the live files of a zone as text."""
    batches_left = f"{number(counts.uncompacted)} {'batch' if counts.uncompacted == 1 else 'batches'}"
    return f"{number(counts.files)} live files, {batches_left} not compacted yet"


def rows(counts: Mapping[str, Mapping[str, int]]) -> Columns:
    """Return the rows per table of each database, side by side."""
    tables = []
    for database, tables_of_database in counts.items():
        table = Table(title=database, title_justify="left", title_style="bold")
        table.add_column("table")
        table.add_column("rows", justify="right")
        for name, count in tables_of_database.items():
            table.add_row(name, number(count))
        tables.append(table)
    return Columns(tables)


def _age(age: float) -> str:
    minutes, rest = divmod(int(age), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else seconds(age)
