"""The server's process, known by its data folder."""

import contextlib
import signal
from pathlib import Path

import psutil

from local_aws.processes import ends, has_ended


def find(data: Path) -> psutil.Process | None:
    """Return the server's process of the data folder; one that merely inherited its number is not."""
    try:
        number = int((data / "postmaster.pid").read_text().split("\n", maxsplit=1)[0])
        process = psutil.Process(number)
        return process if not has_ended(process) and str(data) in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def stop(process: psutil.Process, wait_seconds: float) -> bool:
    """End the server's connections and stop it, and return whether it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT)  # the "fast" mode of pg_ctl
    return ends(process, wait_seconds)
