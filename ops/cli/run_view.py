"""A workflow run on the screen: live on a terminal, else a line for each change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table

from ops.cli.screen import console, number, seconds, styled
from ops.sandbox.workflow_run import ActionState, ActionSummary, WorkflowRunSummary

type Show = Callable[[WorkflowRunSummary], None]

_LABELS = {
    ActionState.WAITING: styled("· waiting", "dim"),
    ActionState.RUNNING: styled("▶ running", "yellow"),
    ActionState.SUCCEEDED: styled("✔ succeeded", "green"),
    ActionState.FAILED: styled("✘ failed", "bold red"),
    ActionState.STOPPED: styled("■ stopped", "magenta"),
}
_NEVER_STARTED = styled("· never started", "dim")


@contextmanager
def live(prefix: str) -> Iterator[Show]:
    """Yield a function that shows the current state of a run; all names begin with `prefix`."""
    if not console.is_terminal:
        yield _StateChangePrinter(prefix)
        return
    with Live(console=console, refresh_per_second=8) as display:
        yield lambda run: display.update(table(prefix, run))


def table(prefix: str, run: WorkflowRunSummary) -> Table:
    """Return the run as a table with one row per job and crawler; all names begin with `prefix`."""
    status = "" if run.is_active else f" · {run.status}"
    rows = Table(title=f"{run.id[:15]}… · {seconds(run.seconds)}{status}", title_justify="left", title_style="bold")
    for heading in ("", "state"):
        rows.add_column(heading)
    for heading in ("rows", "seconds"):
        rows.add_column(heading, justify="right", min_width=9)
    for action in run.actions:
        label = _NEVER_STARTED if action.state == ActionState.WAITING and not run.is_active else _LABELS[action.state]
        rows.add_row(short_name(action, prefix), label, number(action.rows), seconds(action.seconds))
    return rows


def short_name(action: ActionSummary, prefix: str) -> str:
    """Return the name of an action for the screen: without the prefix that all names share."""
    name = action.name.removeprefix(f"{prefix}-")
    return f"crawl {name}" if action.kind == "crawler" else name


class _StateChangePrinter:
    """Prints a line for each change of an action's state, for output that is not a terminal."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._printed: dict[str, ActionState] = {}

    def __call__(self, run: WorkflowRunSummary) -> None:
        if not self._printed:
            console.print(f"Workflow run {run.id}")
        for action in run.actions:
            if self._printed.get(action.name, ActionState.WAITING) != action.state:
                rows = "" if action.rows is None else f", {number(action.rows)} rows"
                result = "" if action.state == ActionState.RUNNING else f"{rows}, {seconds(action.seconds)}"
                name = short_name(action, self._prefix)
                console.print(f"{seconds(run.seconds):>9}  {name}: {action.state}{result}")
            self._printed[action.name] = action.state
        if not run.is_active:
            console.print(f"{seconds(run.seconds):>9}  {run.status}")
