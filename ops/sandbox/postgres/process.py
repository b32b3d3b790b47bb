"""The server's process, identified by its data folder."""

import contextlib
import signal
from pathlib import Path

import psutil

from local_aws.processes import ends, has_ended


def find(data: Path) -> psutil.Process | None:
    """Return the process of the server with this data folder, or None; another process with its id does not count."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", maxsplit=1)[0])
        process = psutil.Process(pid)
        return process if not has_ended(process) and str(data) in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def stop(process: psutil.Process, wait_seconds: float) -> bool:
    """Close the server's connections and stop it; return whether it ended within `wait_seconds`."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT)  # the "fast" mode of pg_ctl
    return ends(process, wait_seconds)
