"""A temporary local environment for a benchmark: its commands, the runs of its jobs, the memory of its drivers."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import boto3
import psutil

from local_aws.state import State
from ops.sandbox.settings import SandboxSettings

MIB = 2**20
STAGES = ("ingest", "transform", "load")
_SAMPLE_SECONDS = 0.2


@contextmanager
def seeded(orders: int) -> Iterator[Path]:
    """Yield the state folder of a local environment whose totesys has that many sales orders; remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="totelake-benchmark-") as folder:
        state = Path(folder) / "state"
        try:
            totelake("up", "--no-schedules", state=state)
            totelake("seed", "--sales-orders", str(orders), state=state)
            yield state
        finally:
            totelake("down", "--purge", "--yes", state=state)


def settings(state: Path) -> SandboxSettings:
    """Return the ports and passwords of a local environment."""
    return SandboxSettings.load(State(state))


def last_run(state: Path, stage: str) -> dict[str, Any]:
    """Return the last run of a stage's job, from GetJobRuns."""
    environment = settings(state).aws_environment()
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=environment["AWS_REGION"]
    )
    glue = session.client("glue", endpoint_url=environment["AWS_ENDPOINT_URL"])
    [name] = [name for name in glue.list_jobs()["JobNames"] if name.endswith(f"-{stage}")]
    newest: dict[str, Any] = glue.get_job_runs(JobName=name)["JobRuns"][0]
    return newest


def totelake(*arguments: str, state: Path) -> str:
    """Run the command line on `state` and return its output."""
    command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"totelake {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def processor_seconds() -> float:
    """Return the seconds that all processors of this machine have worked, for whatever process."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


class MemoryMonitor:
    """Samples the resident size of the largest JVM of a local environment."""

    def __init__(self, state: Path) -> None:
        """Monitor the local environment in `state` while the context is active."""
        self._state = str(state)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._samples: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def peak_between(self, start: datetime, end: datetime) -> int:
        """Return the maximum resident size of a JVM in bytes between the two times."""
        return max(size for at, size in self._samples if start.timestamp() <= at <= end.timestamp())

    def _sample(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self._samples.append((time.time(), max(self._sizes(), default=0)))

    def _sizes(self) -> Iterator[int]:
        for process in psutil.process_iter(["name", "cmdline", "memory_info"]):
            if process.info["name"] == "java" and self._state in " ".join(process.info["cmdline"] or ()):
                yield process.info["memory_info"].rss
