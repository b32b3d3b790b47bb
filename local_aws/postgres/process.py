"""The server's process, known by its data folder."""

import contextlib
import signal
import time
from pathlib import Path

import psutil


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
    deadline = time.monotonic() + wait_seconds
    while not has_ended(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def has_ended(process: psutil.Process) -> bool:
    """Return whether the process has ended, whether its end was noticed by its parent or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
