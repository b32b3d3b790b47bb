"""Compaction of the lake's files, and its result on the screen."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from local_aws.state import State
from ops.cli import workflow_runs
from ops.cli.screen import console, number, steps
from ops.sandbox import aws, deployment, job_run, status
from ops.sandbox.settings import SandboxSettings
from totelake.lake.file_sets import LiveFiles


def compact(state: State, settings: SandboxSettings) -> None:
    """Run the job compact and print what it merged; exit with status 1 when it fails."""
    glue, logs = aws.client(settings, "glue"), aws.client(settings, "logs")
    before = status.live_files(state, settings)
    with steps() as step, step("Merge the small files of the lake"):
        run = job_run.run(glue, logs, deployment.outputs(state)["jobs"]["compact"])
    merged = [line for line in run.lines if line.get("event") == "table_compacted" and line["status"] == "ok"]
    if merged:
        console.print(table(merged, before, status.live_files(state, settings)))
    elif run.succeeded:
        console.print("There is nothing to merge: no table has enough new batches since the last compaction.")
    if not run.succeeded:
        workflow_runs.exit_with_failure("compact", run)


def table(lines: Iterable[Mapping[str, Any]], before: Mapping[str, LiveFiles], after: Mapping[str, LiveFiles]) -> Table:
    """Return a table of the merged tables: their file sets before and after, and the rows and bytes that were merged.

    `lines` are the log lines of the merged tables; `before` and `after` are the live files of each zone.
    """
    merged = Table(title="Merged files; no row was changed", title_justify="left", title_style="bold")
    merged.add_column("table")
    for heading in ("file sets before", "after", "rows merged", "bytes"):
        merged.add_column(heading, justify="right")
    for line in sorted(lines, key=lambda line: str(line["table"])):
        name = line["table"]
        counts = (_sets(before, name), _sets(after, name), line["rows"], line["bytes"])
        merged.add_row(name, *map(number, counts))
    return merged


def _sets(zones: Mapping[str, LiveFiles], name: str) -> int:
    return sum(len(live.of(name)) for live in zones.values())
