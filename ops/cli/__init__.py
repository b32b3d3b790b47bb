"""The command line `totelake`."""

import signal
from types import FrameType


def main() -> None:
    """Run the command that the arguments name."""
    from ops.cli.commands import app  # noqa: PLC0415 - what ends this process early should find it silent

    signal.signal(signal.SIGTERM, _interrupt)
    app(prog_name="totelake")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End as after Ctrl-C: whatever cleans up after the one cleans up after the other."""
    raise KeyboardInterrupt
