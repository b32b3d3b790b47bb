"""What every command shows in the same way: text, data for programs, steps, problems, numbers.

Everything printed is text and never markup, and control characters in it are visible. Data for programs is exact where
it goes to a file or a pipe.
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

_INTERRUPTED = 130
_OURS = {"local_aws", "ops", "totelake", "totesys"}


class Screen(Console):
    """A console that prints all but rich's own objects as text.

    There is no markup and there are no emoji codes; control characters are shown as escapes.
    """

    def __init__(self, **options: Any) -> None:
        """Take rich's options of a console, apart from those that this class decides."""
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print strings, rich's objects, and anything else as its string."""
        super().print(*(each if is_renderable(each) else str(each) for each in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as rich's text; the strings in tables and titles come here too."""
        return super().render_str(visible(text), **options | {"markup": False, "emoji": False})


console = Screen()
error_console = Screen(stderr=True, soft_wrap=True)


def styled(text: str, style: str) -> Text:
    """Return text in a style, such as `bold red`, with control characters as escapes."""
    return Text(visible(text), style=style)


def print_data(text: str) -> None:
    """Print a line for programs: exact into a file or a pipe, with control characters as escapes on a terminal."""
    sys.stdout.write(f"{visible(text) if sys.stdout.isatty() else text}\n")
    sys.stdout.flush()


def print_json(value: object, default: Callable[[Any], Any] | None = None) -> None:
    """Print a value as JSON, in which every control and format character is an escape."""
    print_data(json.dumps(value, indent=2, default=default).replace("\x7f", r"\u007f"))


_OURSELVES = styled("totelake:", "bold red")


@contextmanager
def problems(state: State, when_interrupted: str = "Stopped.") -> Iterator[None]:
    """End the command with one sentence when something goes wrong; the traceback goes to the world's log.

    Ctrl-C ends it with `when_interrupted` and exit status 130, anything else with 1.
    """
    try:
        yield
    except KeyboardInterrupt:
        error_console.print(f"\n{when_interrupted}")
        raise typer.Exit(_INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, typer.Exit | typer.Abort | BrokenPipeError):  # nothing is wrong, or nobody reads on
            raise
        log = _keep_traceback(state)
        known = _ours(error) or _down(state)
        sentence = str(known) if known else f"{type(error).__name__}: {error}"
        error_console.print(_OURSELVES, sentence.strip())
        if log and not known:
            error_console.print(f"The traceback is in {log}")
        raise typer.Exit(1) from None


def refuse(sentence: str) -> NoReturn:
    """End the command with one sentence and exit status 1, before it has done anything."""
    error_console.print(_OURSELVES, sentence)
    raise typer.Exit(1)


def _ours(error: Exception) -> Exception | None:
    """Return an error whose message we wrote ourselves, and nothing for any other."""
    return error if type(error).__module__.partition(".")[0] in _OURS else None


def _down(state: State) -> Exception | None:
    """Return what is to be said when a part of the world has ended: it explains whatever error came of that."""
    from ops.sandbox import lifecycle  # noqa: PLC0415 - needed only when something is wrong

    try:
        lifecycle.require(state)
    except SandboxError as error:
        return error
    return None


def _keep_traceback(state: State) -> str | None:
    """Append the traceback of the exception at hand to the log of the command line; without a world there is none."""
    if not state.world_file.exists():
        return None
    log = state.logs / "totelake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')}\n{visible(traceback.format_exc())}\n")
    return str(log)


@contextmanager
def steps() -> Iterator[Steps]:
    """Give a function that shows a step with its seconds: live on a terminal, else one line when it has ended."""
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
    """Return a number as people read it, nothing for None."""
    return "" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Return a length of time as people read it, nothing for None."""
    return "" if value is None else f"{value:,.1f} s"
