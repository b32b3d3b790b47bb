"""Driver processes: each in a session of its own, for one run or several, and never outliving the endpoint."""

import contextlib
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from local_aws import processes

_LOG = logging.getLogger(__name__)
LEADER = Path(__file__).with_name("leader.py")
WARM_JVM = Path(__file__).with_name("warm_jvm.py")

GRACE_SECONDS = 5.0
"""How long a terminated process may take before it is killed."""


@dataclass(frozen=True)
class Assignment:
    """The assignment of a driver process, which `driver.py` reads as JSON."""

    script: str
    argv: list[str]
    folder: str
    outcome: str
    environment: dict[str, str]
    python_path: list[str]
    settings: dict[str, str]


class DriverProcess:
    """A started driver: idle until `assign`, then the process of that run."""

    mark: bytes | None = None
    """The bytes after the output of a run when the process continues."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        command: Sequence[str | Path] = (LEADER,),
        pipes: tuple[int, ...] = (),
    ) -> None:
        """Start it in `folder`, with these variables and no others; `pipes` are open in it under the same numbers."""
        self.folder = folder
        self._killer: threading.Timer | None = None
        self._tag = secrets.token_hex(16)
        self._process = subprocess.Popen(
            # -P: nothing is imported from the folder of the driver; -u: output is not buffered.
            [sys.executable, "-P", "-u", *command],
            cwd=folder,
            env={**environment, processes.TAG: self._tag},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=pipes,
            start_new_session=True,
        )

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
        """Send the assignment; returns False when the process has ended."""
        line = json.dumps(asdict(assignment)).encode() + b"\n"
        try:
            view = memoryview(line)
            while view and self._process.stdin:
                view = view[self._process.stdin.write(view) :]
        except OSError:
            return False
        return self.alive

    def wait(self) -> int:
        """Wait for the end of the run, and return its exit status (negative: a signal).

        The process ends with it, and so do the processes that it left behind.
        """
        status = self._process.wait()
        if self._killer:
            self._killer.cancel()
        # A script that ends without stopping Spark leaves a JVM, which would end later.
        self.kill()
        if self._process.stdin:
            self._process.stdin.close()
        return status

    def terminate(self) -> None:
        """Send SIGTERM to the process group, and kill it after GRACE_SECONDS."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._killer = threading.Timer(GRACE_SECONDS, self.kill)
        self._killer.daemon = True
        self._killer.start()

    def kill(self) -> None:
        """Kill the process and all its descendants; the log names those that cannot be killed."""
        self._process.send_signal(
            signal.SIGSTOP
        )  # so that it starts no other meanwhile; it is the parent of all orphans
        left = processes.kill_family(self._process.pid, self._tag)
        self._process.kill()
        if left:
            _LOG.error("processes of a job run could not be killed: %s", ", ".join(map(str, left)))


class WarmProcess(DriverProcess):
    """A started JVM, in which one run after the other has a driver of its own; see `warm_jvm.py`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], runs: int) -> None:
        """Start it in `folder`, with these variables and no others, for so many runs."""
        word = secrets.token_hex(8)
        read, done = os.pipe()
        self._done = os.fdopen(read, "rb", buffering=0)
        try:
            super().__init__(folder, environment, (WARM_JVM, word, str(done), str(runs)), (done,))
        finally:
            os.close(done)
        self.mark = f"\0{word}\n".encode()
        self.used = False
        """Whether it has run a job."""
        self.deployment: str | None = None
        """The deployment whose jobs it has run; None when it has run none, or one that came with none."""
        self.is_reusable = False
        """Whether it may accept another run after the last `wait`."""

    def assign(self, assignment: Assignment) -> bool:
        """Send the assignment; returns False when the process ends before it accepts it.

        It accepts it, at once or within seconds, when nothing of the last run is left.
        """
        return super().assign(assignment) and bool(self._done.read(1))

    def wait(self) -> int:
        """Wait for the end of the run, and return its exit status; the process continues unless a signal ended it."""
        status = self._done.read(1)
        self.is_reusable = bool(status)
        return status[0] if status else self.end()

    def end(self) -> int:
        """End every process of the session, if that has not been done, and return the exit status of the first."""
        if self._done.closed:
            return self._process.returncode
        self.kill()
        status = super().wait()
        self._done.close()
        return status
