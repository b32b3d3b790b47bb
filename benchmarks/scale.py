"""Measures every stage on a large totesys, with a driver of 2 GiB: `python benchmarks/scale.py --sales-orders 5000000`.

Speed is relative to COPY of the same rows out of Postgres in the same run; memory is the maximum resident size of the
driver's JVM relative to its maximum heap. The local environment is temporary, and removed at the end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import boto3
import psutil
import psycopg

from totelake.tables import SOURCE_TABLES

MIB = 2**20
HEAP_MIB = 2048
SAMPLE_SECONDS = 0.2
STAGES = ("ingest", "transform", "load")


def main() -> None:
    """Seed, run the workflow, and print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales-orders", type=int, default=5_000_000)
    orders = parser.parse_args().sales_orders
    with tempfile.TemporaryDirectory(prefix="totelake-scale-") as folder:
        state = Path(folder) / "state"
        try:
            measure(state, orders)
        finally:
            totelake("down", "--purge", "--yes", state=state)


def measure(state: Path, orders: int) -> None:
    """Run everything in the local environment of `state`, and print the measurements."""
    totelake("up", "--no-schedules", state=state)
    totelake("seed", "--sales-orders", str(orders), state=state)
    urls = json.loads(totelake("urls", "--json", state=state))
    rows, limit = copy_out(urls["totesys"])
    print(f"{rows:,} rows; COPY out of Postgres takes {limit:.1f} s ({rows / limit:,.0f} rows/s)")
    with MemoryMonitor(state) as memory:
        totelake("run", state=state)
    for stage in STAGES:
        run = last_run(urls, stage)
        seconds = (run["CompletedOn"] - run["StartedOn"]).total_seconds()
        peak = memory.peak_between(run["StartedOn"], run["CompletedOn"]) / MIB
        print(
            f"{stage:10} {seconds:7.1f} s  {rows / seconds:9,.0f} rows/s  {limit / seconds:.3f} of COPY's speed  "
            f"JVM at most {peak:,.0f} MiB resident, {peak / HEAP_MIB:.2f} of its maximum heap"
        )


def copy_out(url: str) -> tuple[int, float]:
    """Return the number of rows of all ingested tables, and the seconds of a binary COPY of them on one connection."""
    rows, began = 0, time.monotonic()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table in SOURCE_TABLES:
            with cursor.copy(f"COPY public.{table} TO STDOUT (FORMAT binary)") as copy:
                for _ in copy:
                    pass
            rows += cursor.rowcount
    return rows, time.monotonic() - began


def last_run(urls: dict[str, str], stage: str) -> dict[str, Any]:
    """Return the last run of a stage's job, from GetJobRuns."""
    glue = boto3.Session("local", "local", region_name=urls["region"]).client("glue", endpoint_url=urls["aws"])
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
        while not self._done.wait(SAMPLE_SECONDS):
            self._samples.append((time.time(), max(self._sizes(), default=0)))

    def _sizes(self) -> Iterator[int]:
        for process in psutil.process_iter(["name", "cmdline", "memory_info"]):
            if process.info["name"] == "java" and self._state in " ".join(process.info["cmdline"] or ()):
                yield process.info["memory_info"].rss


if __name__ == "__main__":
    main()
