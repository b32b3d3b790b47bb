"""The command line `totelake`."""

import signal
from types import FrameType


def main() -> None:
    """Run the command that the arguments name."""
    from ops.cli.commands import app  # noqa: PLC0415 - takes 0.4 s, and other modules of ops.cli do not need it

    signal.signal(signal.SIGTERM, _interrupt)
    app(prog_name="totelake")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C, so that the same clean-up runs."""
    raise KeyboardInterrupt
