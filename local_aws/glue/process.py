"""A process of its own session that runs one assignment and never outlives the endpoint."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

DRIVER = Path(__file__).with_name("driver.py")

GRACE_SECONDS = 5.0
"""How long a process that was asked to end may take before it is killed."""


@dataclass(frozen=True)
class Assignment:
    """What a driver process is to run: see `driver.py`, which takes these members as JSON."""

    script: str
    argv: list[str]
    folder: str
    outcome: str
    environment: dict[str, str]
    python_path: list[str]
    settings: dict[str, str]


class DriverProcess:
    """A started driver: idle until `assign`, then the process of that run."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, spare: bool = False) -> None:
        """Start it in `folder`, with these variables and no others; a spare starts its JVM at once."""
        self.folder = folder
        self._process = subprocess.Popen(
            # -P: the folder of the driver is not a place to import from; -u: what is printed is seen at once.
            [sys.executable, "-P", "-u", str(DRIVER), *(["--spare"] if spare else [])],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._killer: threading.Timer | None = None

    @property
    def id(self) -> int:
        """Number of the process, which is that of its session too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def output(self) -> tuple[IO[bytes], IO[bytes]]:
        """Standard output and standard error."""
        if self._process.stdout is None or self._process.stderr is None:
            raise ValueError("the process was started without pipes")
        return self._process.stdout, self._process.stderr

    def assign(self, assignment: Assignment) -> bool:
        """Hand over what is to be run; false when the process is gone."""
        line = json.dumps(asdict(assignment)).encode() + b"\n"
        try:
            view = memoryview(line)
            while view and self._process.stdin:
                view = view[self._process.stdin.write(view) :]
        except OSError:
            return False
        return self.alive

    def wait(self) -> int:
        """Wait for the end of the process, end what it left behind, and return its exit status (negative: a signal)."""
        status = self._process.wait()
        if self._killer:
            self._killer.cancel()
        # A script that ends without stopping Spark leaves a JVM that would take its time to notice.
        self.kill()
        if self._process.stdin:
            self._process.stdin.close()
        return status

    def terminate(self) -> None:
        """Ask every process of the group to end, and kill the session when that takes longer than GRACE_SECONDS."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._killer = threading.Timer(GRACE_SECONDS, self.kill)
        self._killer.daemon = True
        self._killer.start()

    def kill(self) -> None:
        """Kill every process of the session: Python's workers are in groups of their own."""
        for number in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(number) == self._process.pid:
                    os.kill(number, signal.SIGKILL)
