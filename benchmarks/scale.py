"""Measures every stage on a large totesys, with a driver of 2 GiB: `python -m benchmarks.scale --sales-orders 5000000`.

Speed is relative to COPY of the same rows out of Postgres in the same run; memory is the maximum resident size of the
driver's JVM relative to its maximum heap. The local environment is temporary, and removed at the end.
"""

import argparse
import time
from pathlib import Path

import psycopg

from benchmarks.sandbox import MIB, STAGES, MemoryMonitor, last_run, seeded, settings, totelake
from totelake.tables import SOURCE_TABLES

HEAP_MIB = 2048


def main() -> None:
    """Seed, run the workflow, and print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales-orders", type=int, default=5_000_000)
    with seeded(parser.parse_args().sales_orders) as state:
        measure(state)


def measure(state: Path) -> None:
    """Run the workflow in the local environment of `state`, and print the measurements."""
    rows, limit = copy_out(settings(state).totesys_url)
    print(f"{rows:,} rows; COPY out of Postgres takes {limit:.1f} s ({rows / limit:,.0f} rows/s)")
    with MemoryMonitor(state) as memory:
        totelake("run", state=state)
    for stage in STAGES:
        run = last_run(state, stage)
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


if __name__ == "__main__":
    main()
