"""Every stage on a large totesys, with the driver at 2 GiB: `python benchmarks/scale.py --sales-orders 5000000`.

Speed is told as a share of the speed at which Postgres itself copies the same rows out, in the same run; memory as the
most that the driver's JVM ever held, as a share of the heap that it may use. The world is a temporary one, removed at
the end.
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
    """Run everything in the world of `state`, and print what it took."""
    totelake("up", "--no-schedules", state=state)
    totelake("seed", "--sales-orders", str(orders), state=state)
    urls = json.loads(totelake("urls", "--json", state=state))
    rows, limit = copy_out(urls["totesys"])
    print(f"{rows:,} rows; Postgres copies them out in {limit:.1f} s ({rows / limit:,.0f} rows/s)")
    with Peaks(state) as peaks:
        totelake("run", state=state)
    for stage in STAGES:
        run = last_run(urls, stage)
        seconds = (run["CompletedOn"] - run["StartedOn"]).total_seconds()
        held = peaks.between(run["StartedOn"], run["CompletedOn"]) / MIB
        print(
            f"{stage:10} {seconds:7.1f} s  {rows / seconds:9,.0f} rows/s  {limit / seconds:.3f} of the copy's speed  "
            f"JVM at most {held:,.0f} MiB resident, {held / HEAP_MIB:.2f} of the heap it may use"
        )


def copy_out(url: str) -> tuple[int, float]:
    """Return the rows of all ingested tables, and the seconds that one connection takes to copy them out as binary."""
    rows, began = 0, time.monotonic()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table in SOURCE_TABLES:
            with cursor.copy(f"COPY public.{table} TO STDOUT (FORMAT binary)") as copy:
                for _ in copy:
                    pass
            rows += cursor.rowcount
    return rows, time.monotonic() - began


def last_run(urls: dict[str, str], stage: str) -> dict[str, Any]:
    """Return the last run of a stage's job, as GetJobRuns tells it."""
    glue = boto3.Session("local", "local", region_name=urls["region"]).client("glue", endpoint_url=urls["aws"])
    [name] = [name for name in glue.list_jobs()["JobNames"] if name.endswith(f"-{stage}")]
    newest: dict[str, Any] = glue.get_job_runs(JobName=name)["JobRuns"][0]
    return newest


def totelake(*arguments: str, state: Path) -> str:
    """Run the command line on `state` and return what it printed."""
    command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"totelake {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


class Peaks:
    """Watches the JVMs of a world: what the largest of them held, moment by moment."""

    def __init__(self, state: Path) -> None:
        """Watch the world in `state` while the context lasts."""
        self._state = str(state)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._seen: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def between(self, start: datetime, end: datetime) -> int:
        """Return the most resident bytes that a JVM held between the two moments."""
        return max(held for at, held in self._seen if start.timestamp() <= at <= end.timestamp())

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._seen.append((time.time(), max(self._held(), default=0)))

    def _held(self) -> Iterator[int]:
        for process in psutil.process_iter(["name", "cmdline", "memory_info"]):
            if process.info["name"] == "java" and self._state in " ".join(process.info["cmdline"] or ()):
                yield process.info["memory_info"].rss


if __name__ == "__main__":
    main()
