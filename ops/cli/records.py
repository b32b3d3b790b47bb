"""Single records on the screen: their history, and the rows in quarantine."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from rich.table import Table

from local_aws.state import State
from ops.cli.screen import console, print_json
from ops.sandbox import deployment
from ops.sandbox.aws import OwnerClients
from ops.sandbox.settings import SandboxSettings
from totelake.lake import history, quarantine
from totelake.lake.history import RecordVersion
from totelake.lake.quarantine import RuleViolation


def show_history(state: State, settings: SandboxSettings, table: str, key: int, *, as_json: bool) -> None:
    """Print every version of a record: the first one in full, each later one as its changes."""
    bucket = deployment.outputs(state)["buckets"]["ingested"]
    versions = history.versions(bucket, table, key, OwnerClients(settings))
    if as_json:
        _print_json(versions)
    elif not versions:
        console.print(f"No batch contains {table} {key}.")
    else:
        console.print(_versions(f"{table} {key}", versions))


def show_quarantine(state: State, settings: SandboxSettings, *, as_json: bool) -> None:
    """Print every row that is in quarantine now, with the rules that it breaks."""
    faults = quarantine.violations(deployment.outputs(state)["buckets"]["processed"], OwnerClients(settings))
    if as_json:
        _print_json(faults)
    elif not faults:
        console.print("The quarantine is empty.")
    else:
        console.print(_faults(faults))


def _versions(title: str, versions: list[RecordVersion]) -> Table:
    rows = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("batch", "seen at", "change"):
        rows.add_column(heading)
    first, *_ = versions
    rows.add_row(str(first.sequence), first.seen_at, _lines(f"{name} = {_text(first, name)}" for name in first.values))
    for before, now in pairwise(versions):
        rows.add_row(str(now.sequence), now.seen_at, "deleted" if now.deleted else _changes(before, now))
    return rows


def _changes(before: RecordVersion, now: RecordVersion) -> str:
    names = [name for name in now.values if before.deleted or now.values[name] != before.values.get(name)]
    return (
        _lines(f"{name}: {_text(before, name)} → {_text(now, name)}" for name in names) or "written, values unchanged"
    )


def _faults(faults: list[RuleViolation]) -> Table:
    rows = Table(title=f"{len(faults)} broken rules", title_justify="left", title_style="bold")
    for heading in ("table", "key", "rule", "column", "value", "batch"):
        rows.add_column(heading)
    for fault in faults:
        value = "NULL" if fault.value is None else fault.value
        rows.add_row(fault.table, str(fault.key), fault.rule, fault.column, value, str(fault.sequence))
    return rows


def _text(version: RecordVersion, name: str) -> str:
    value = version.values.get(name)
    return "NULL" if value is None else str(value)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _print_json(items: list[Any]) -> None:
    print_json([asdict(item) for item in items], default=str)
