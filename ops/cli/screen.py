"""Terminal output of all commands: text, data for programs, progress, errors, numbers.

Output is printed as text, never as markup, and its control characters as escapes. Data for programs is exact in a file
or a pipe.
"""

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.protocol import is_renderable
from rich.text import Text

from local_aws.state import State
from local_aws.visible_text import visible
from ops.deploy.build import Steps
from ops.sandbox.errors import SandboxError

_INTERRUPTED = 130  # the exit status after Ctrl-C: 128 + SIGINT
_OWN_PACKAGES = {"local_aws", "ops", "totelake", "totesys"}


class Screen(Console):
    """A console without markup, emoji codes and highlighting, which shows control characters as escapes."""

    def __init__(self, **options: Any) -> None:
        """Accept the options of `rich.console.Console` except `markup`, `emoji` and `highlight`."""
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print renderables of rich as they are, and all other objects as strings."""
        super().print(*(each if is_renderable(each) else str(each) for each in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as rich's text; rich also calls this for strings in tables and titles."""
        return super().render_str(visible(text), **options | {"markup": False, "emoji": False})


console = Screen()
error_console = Screen(stderr=True, soft_wrap=True)


def styled(text: str, style: str) -> Text:
    """Return text in a style, such as `bold red`, with control characters as escapes."""
    return Text(visible(text), style=style)


def print_data(text: str) -> None:
    """Print a line for programs: exact in a file or a pipe, with control characters as escapes on a terminal."""
    sys.stdout.write(f"{visible(text) if sys.stdout.isatty() else text}\n")
    sys.stdout.flush()


def print_json(value: object, default: Callable[[Any], Any] | None = None) -> None:
    """Print a value as JSON with all control and format characters escaped."""
    print_data(json.dumps(value, indent=2, default=default).replace("\x7f", r"\u007f"))


_PROGRAM = styled("totelake:", "bold red")


@contextmanager
def report_errors(state: State, when_interrupted: str = "Interrupted.") -> Iterator[None]:
    """Print an exception of the block as one sentence, log its traceback, and exit with status 1.

    After Ctrl-C prints `when_interrupted` and exits with status 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        error_console.print(f"\n{when_interrupted}")
        raise typer.Exit(_INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, typer.Exit | typer.Abort | BrokenPipeError):  # no error, or the reader of a pipe has ended
            raise
        log = _log_traceback(state)
        explained = _own_error(error) or _sandbox_error(state)
        sentence = str(explained) if explained else f"{type(error).__name__}: {error}"
        error_console.print(_PROGRAM, sentence.strip())
        if log and not explained:
            error_console.print(f"The traceback is in {log}")
        raise typer.Exit(1) from None


def refuse(sentence: str) -> NoReturn:
    """Print one sentence and exit with status 1, before the command has changed anything."""
    error_console.print(_PROGRAM, sentence)
    raise typer.Exit(1)


def _own_error(error: Exception) -> Exception | None:
    """Return `error` when this project defines its class, so that its message explains it; None otherwise."""
    return error if type(error).__module__.partition(".")[0] in _OWN_PACKAGES else None


def _sandbox_error(state: State) -> Exception | None:
    """Return the error that the local environment is missing or down, the likely cause of any other; None otherwise."""
    from ops.sandbox import lifecycle  # noqa: PLC0415 - boto3 takes 0.3 s, and `--help` does not need it

    try:
        lifecycle.require(state)
    except SandboxError as error:
        return error
    return None


def _log_traceback(state: State) -> str | None:
    """Append the current traceback to the log of the command line and return its path.

    Returns None without a local environment, which has no log.
    """
    if not state.world_file.exists() or not state.is_ours:
        return None
    log = state.logs / "totelake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')}\n{visible(traceback.format_exc())}\n")
    return str(log)


@contextmanager
def steps() -> Iterator[Steps]:
    """Yield a function that shows a step and its seconds: live on a terminal, else as one line when it has ended."""
    if not console.is_terminal:
        yield _step_as_line
        return
    columns = (
        SpinnerColumn(finished_text=styled("✔", "green")),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        @contextmanager
        def step(name: str) -> Iterator[Callable[[str], None]]:
            task = progress.add_task(visible(name), total=1, detail="")
            yield lambda detail: progress.update(task, detail=visible(detail))
            progress.update(task, completed=1, detail="")

        yield step


_line = threading.Lock()


@contextmanager
def _step_as_line(name: str) -> Iterator[Callable[[str], None]]:
    began = time.monotonic()
    yield lambda _detail: None
    with _line:
        console.print(f"{name}: {seconds(time.monotonic() - began)}")


def number(value: float | Decimal | None) -> str:
    """Return a number with thousands separators, or an empty string for None."""
    return "" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Return a duration such as `1,234.5 s`, or an empty string for None."""
    return "" if value is None else f"{value:,.1f} s"
