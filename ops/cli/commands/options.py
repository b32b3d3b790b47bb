"""Options that several commands share, and the running local environment that most commands need."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from local_aws.state import State
from ops.cli.screen import report_errors
from ops.deploy import build
from ops.sandbox.settings import SandboxSettings

StateOption = Annotated[
    Path,
    typer.Option("--state", metavar="DIR", envvar="TOTELAKE_STATE", help="Folder of the local environment."),
]
DEFAULT_STATE = build.ROOT / ".totelake"
RunId = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Id of the workflow run; the latest without it.")]
RandomSeed = Annotated[int | None, typer.Option("--random-seed", metavar="S", help="Seed of the random numbers.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def state_in(folder: Path) -> State:
    """Return the state folder that `--state` names."""
    return State(folder.expanduser().resolve())


@contextmanager
def running_sandbox(folder: Path, when_interrupted: str = "Stopped.") -> Iterator[tuple[State, SandboxSettings]]:
    """Yield the state folder and the settings of a running local environment.

    Reports errors of the block as `report_errors` does, and that the environment is missing or down.
    """
    from ops.sandbox import lifecycle  # noqa: PLC0415 - boto3 takes 0.3 s, and `--help` does not need it

    state = state_in(folder)
    with report_errors(state, when_interrupted):
        yield state, lifecycle.require(state)
