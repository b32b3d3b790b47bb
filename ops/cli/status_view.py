"""The status of a world on the screen."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.table import Table

from ops.cli import run_view
from ops.cli.screen import console, number, seconds, styled
from ops.sandbox.status import CommittedBatches, Status

_LATEST_ALERTS = 5
_ALERT_LINES = 2


def show(status: Status) -> None:
    """Print the status."""
    console.print(f"World in {status.state}", soft_wrap=True)
    for part in status.down:
        console.print(styled(f"{part} is down", "bold red"), "; run: totelake up", sep="")
    if not status.runs and not status.down:
        console.print("The workflow has not run yet; run: totelake run")
    for run in reversed(status.runs):
        console.print(run_view.table(status.workflow, run))
    console.print(batches(status.batches))
    console.print(rows(status.rows))
    age = status.last_success_age
    console.print("Last success: never" if age is None else f"Last success: {_age(age)} ago")
    show_watch(status.due, status.alarms)
    console.print(f"Alerts: {len(status.alerts) or 'none'}")
    for alert in status.alerts[-_LATEST_ALERTS:]:
        sent_at = f"  {alert['sent_at']:%Y-%m-%d %H:%M:%S}  "
        console.print(sent_at, styled(alert["subject"], "red"), sep="", soft_wrap=True)
        for line in alert["body"].splitlines()[:_ALERT_LINES]:
            console.print(f"    {line.strip('"')}", soft_wrap=True)


def show_watch(due: Mapping[str, datetime], alarms: Sequence[Mapping[str, Any]]) -> None:
    """Print when the schedules fire next, and the alarms that are on."""
    for name, moment in sorted(due.items()):
        left = max(0.0, (moment - datetime.now(UTC)).total_seconds())
        console.print(f"Schedule {name}: in {_age(left)}")
    if not due:
        console.print("Schedules: off; run them with: totelake up")
    console.print(f"Alarms that are on: {len(alarms) or 'none'}")
    for alarm in alarms:
        console.print(" ", styled(alarm["name"], "red"), "", alarm["reason"], soft_wrap=True)


def batches(zones: Mapping[str, CommittedBatches]) -> Columns:
    """Return the committed batches of each zone, side by side."""
    tables = []
    for zone, found in zones.items():
        table = Table(title=f"{zone}: {found.count} committed", title_justify="left", title_style="bold")
        for heading in ("batch", "id"):
            table.add_column(heading)
        table.add_column("rows", justify="right")
        for batch in found.latest:
            table.add_row(str(batch["sequence"]), batch["batch_id"], number(batch["rows"]))
            if batch["quarantined"]:
                held = f"{number(batch['quarantined'])} rows broke a rule and were held back; see: totelake quarantine"
                table.add_row("", styled(held, "red"))
        tables.append(table)
    return Columns(tables)


def rows(counts: Mapping[str, Mapping[str, int]]) -> Columns:
    """Return the rows per table of each database, side by side."""
    tables = []
    for database, found in counts.items():
        table = Table(title=database, title_justify="left", title_style="bold")
        table.add_column("table")
        table.add_column("rows", justify="right")
        for name, count in found.items():
            table.add_row(name, number(count))
        tables.append(table)
    return Columns(tables)


def _age(age: float) -> str:
    minutes, rest = divmod(int(age), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else seconds(age)
