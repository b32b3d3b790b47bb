"""The check of the lake's files, and its result on the screen."""

from itertools import groupby

import typer

from local_aws.state import State
from ops.cli.screen import console, number, print_json, steps, styled
from ops.sandbox import deployment
from ops.sandbox.aws import OwnerClients
from ops.sandbox.settings import SandboxSettings
from totelake.verify.check import LakeCheck
from totelake.verify.findings import Finding, Report

_LISTED = 20
"""The number of findings of a kind that are printed."""


def verify(state: State, settings: SandboxSettings, *, read: bool, as_json: bool) -> None:
    """Check the lake, with `read` also the contents of its files; exit with status 1 when there is a fault."""
    buckets = deployment.outputs(state)["buckets"]
    owner, ingested, processed = OwnerClients(settings), buckets["ingested"], buckets["processed"]
    if as_json:
        report = LakeCheck(ingested, processed, owner, read=read).report()
        print_json(report.to_json())
    else:
        with steps() as step:
            report = LakeCheck(ingested, processed, owner, read=read, step=step).report()
        show(report)
    if report.faults:
        raise typer.Exit(1)


def show(report: Report) -> None:
    """Print the findings by kind, faults first, and what was checked."""
    ordered = sorted(report.findings, key=lambda finding: (not finding.is_fault, finding.kind, finding.url))
    for (is_fault, kind), group in groupby(ordered, lambda finding: (finding.is_fault, finding.kind)):
        _show_kind(kind.replace("_", " ").capitalize(), list(group), is_fault=is_fault)
    checked = ", ".join(f"{number(count)} {name}" for name, count in report.checked.items())
    console.print(f"Checked: {checked}.", soft_wrap=True)
    faults = len(report.faults)
    others = f", {number(len(report.findings) - faults)} for information" if len(report.findings) > faults else ""
    text = f"{number(faults)} {'fault' if faults == 1 else 'faults'}" if faults else "No faults"
    console.print(styled(f"{text}{others}.", "bold red" if faults else "bold green"))


def _show_kind(title: str, findings: list[Finding], *, is_fault: bool) -> None:
    """Print the findings of one kind; not as a table, whose wrapped lines cannot be copied."""
    heading = f"{title} ({number(len(findings))}{'' if is_fault else ', for information'})"
    console.print(styled(heading, "bold red" if is_fault else "bold"))
    for finding in findings[:_LISTED]:
        console.print(f"  {finding.url}", soft_wrap=True)
        console.print(f"    {finding.explanation}", soft_wrap=True)
    if len(findings) > _LISTED:
        console.print(f"  and {number(len(findings) - _LISTED)} more; all of them: totelake verify --json")
