"""Compares totelake with other single-machine tools that do the same work: `python -m benchmarks.comparison`.

Each repetition makes a new local environment, seeds its totesys, and lets every contender, one after the other, bring
its rows into star schemas in Postgres, with all keys validated. All read the same totesys, on the same Postgres server,
and the contents of all star tables must be equal. The peers run in an environment of their own, which `make bench`
makes.

Contenders: `reference_sql`, COPY and SQL without a lake; `duckdb_lake`, DuckDB with Parquet in two zones;
`dlt_pipeline`, dlt with connectorx and ADBC; `totelake, JVM fresh`, the first run of the workflow; `300 events` and
`no change`, later runs of it; `totelake, JVM warm`, the stages alone, in a JVM that has done the same work once.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import pycountry
from psycopg import sql

from benchmarks import star_sql
from benchmarks.sandbox import MIB, MemoryMonitor, last_run, processor_seconds, seeded, settings, totelake
from ops.sandbox import postgres
from totelake.tables import SOURCE_TABLES, STAR_TABLES, SourceTable, StarTable

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = "reference_sql"
PEERS = (REFERENCE, "duckdb_lake", "dlt_pipeline")
STEPS = {"extract": "ingest", "transform": "transform", "load": "load"}
"""The steps of a contender, each with the stage that does the same."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The seconds of each step and of the whole, the processor seconds of the machine, the largest process in bytes."""

    steps: dict[str, float]
    seconds: float
    processor: float
    memory: int | None


type Results = dict[str, list[Measurement]]
type Digests = dict[str, tuple[int, Any]]


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sales-orders", type=int, default=100_000, metavar="N", help="size of totesys")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="new local environments, one by one")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-bench/bin/python", help="Python of the peers")
    parser.add_argument("--json", type=Path, default=ROOT / "build/comparison.json", help="file for the measurements")
    arguments = parser.parse_args()
    results: Results = defaultdict(list)
    rows = 0
    for number in range(1, arguments.repetitions + 1):
        print(f"repetition {number} of {arguments.repetitions}", file=sys.stderr, flush=True)
        with seeded(arguments.sales_orders) as state:
            rows = measure(state, arguments.peers, results)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(to_json(rows, results), indent=1), encoding="utf-8")
    print(f"{rows:,} rows, {os.cpu_count()} cores, {platform.machine()}, medians of {arguments.repetitions}\n")
    print("\n".join(table(results)))


def measure(state: Path, python: Path, results: Results) -> int:
    """Measure every contender once in the local environment of `state`; return the number of rows of totesys."""
    rows = sum(count for count, _ in digests(settings(state).totesys_url, "public.{}", SOURCE_TABLES).values())
    expected: Digests = {}
    for peer in PEERS:
        target = create_database(state, peer)
        results[peer].append(run_peer(state, python, peer, target))
        expected = check(peer, target, f"{star_sql.SCHEMA}.{{}}", expected)
    results["totelake, JVM fresh"].append(run_workflow(state))
    check("the workflow", settings(state).warehouse_url, "public.current_{}", expected)
    warehouses = [create_database(state, name) for name in ("first_warehouse", "second_warehouse")]
    results["totelake, JVM warm"].append(run_stages(state, warehouses))
    check("the stages", warehouses[-1], "public.current_{}", expected)
    totelake("activity", "--events", "300", state=state)
    results["totelake, 300 events"].append(run_workflow(state))
    totelake("reconcile", state=state)
    results["totelake, no change"].append(run_workflow(state))
    return rows


def run_peer(state: Path, python: Path, peer: str, target: str) -> Measurement:
    """Run a peer, which makes the stars in the database `target`."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(peer, settings(state).totesys_url, target, folder)
        with measured() as figures:
            printed = run([python, "-m", f"benchmarks.peers.{peer}"], given=json.dumps(plan))
    steps = printed["seconds"]
    # Without the start of its interpreter, since a run of totelake has more to start.
    return Measurement(steps, sum(steps.values()), figures["processor"], printed["memory"])


def plan_of(peer: str, source: str, target: str, folder: str) -> dict[str, Any]:
    """Return the plan of a peer, see `benchmarks.peers.steps`."""
    return {
        "source": source,
        "target": target,
        "psql": str(postgres.programs() / "psql"),
        "folder": folder,
        "tables": list(SOURCE_TABLES),
        "selects": star_sql.selects(duckdb=peer == "duckdb_lake"),
        "create_tables": star_sql.create_tables(),
        "add_keys": star_sql.add_keys(),
        "currencies": [(currency.alpha_3, currency.name) for currency in pycountry.currencies],
    }


def run_workflow(state: Path) -> Measurement:
    """Run the workflow as its users do; the whole includes the starts of processes and the pauses of the triggers."""
    with measured() as figures, MemoryMonitor(state) as memory:
        totelake("run", state=state)
    runs = {step: last_run(state, stage) for step, stage in STEPS.items()}
    steps = {step: (run["CompletedOn"] - run["StartedOn"]).total_seconds() for step, run in runs.items()}
    peak = memory.peak_between(runs["extract"]["StartedOn"], runs["load"]["CompletedOn"])
    return Measurement(steps, figures["seconds"], figures["processor"], peak)


def run_stages(state: Path, warehouses: list[str]) -> Measurement:
    """Run the stages in a JVM that has done the same work before."""
    command = [sys.executable, "-m", "benchmarks.warm_stages", settings(state).totesys_url, *warehouses]
    printed = run(command, given="")
    steps = {step: printed["seconds"][stage] for step, stage in STEPS.items()}
    return Measurement(steps, sum(steps.values()), printed["processor"], None)


def run(command: list[Any], *, given: str) -> dict[str, Any]:
    """Run a program with `given` as its input; return the JSON object in the last line of its output."""
    packages = os.pathsep.join((str(ROOT / "glue_jobs"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": packages}
    ended = subprocess.run(command, cwd=ROOT, env=environment, input=given, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))} failed:\n{ended.stdout}{ended.stderr}")
    printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return printed


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Yield a dictionary that has, after the block, its `seconds` and the `processor` seconds of the whole machine."""
    figures: dict[str, float] = {}
    processor, began = processor_seconds(), time.monotonic()
    yield figures
    figures |= {"seconds": time.monotonic() - began, "processor": processor_seconds() - processor}


def create_database(state: Path, name: str) -> str:
    """Create a database on the server of the local environment, and return its URL for the superuser."""
    url = settings(state).superuser_url
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url.replace("/postgres?", f"/{name}?")


def check(contender: str, url: str, relation: str, expected: Digests) -> Digests:
    """Return the digests of the star tables in the database at `url`; exit if they differ from those `expected`."""
    found = digests(url, relation, STAR_TABLES)
    if different := [name for name in expected if found[name] != expected[name]]:
        sys.exit(f"{contender} made other rows than {REFERENCE} in {', '.join(different)}")
    return found


def digests(url: str, relation: str, tables: Mapping[str, SourceTable] | Mapping[str, StarTable]) -> Digests:
    """Return the number of rows and a hash of them for each table; `relation` is the template of their names."""
    with psycopg.connect(url) as connection:
        return {
            name: connection.execute(star_sql.digest(table, relation.format(name)).encode()).fetchall()[0]
            for name, table in tables.items()
        }


def table(results: Results) -> list[str]:
    """Return the lines of the table in Markdown, with medians, and the ratio of the whole to that of the reference."""
    reference = statistics.median(each.seconds for each in results[REFERENCE])
    lines = ["| | extract | transform | load | whole | spread | ratio | processor seconds | memory |", f"|{'---|' * 9}"]
    for name, measurements in results.items():
        steps = [statistics.median(each.steps[step] for each in measurements) for step in STEPS]
        seconds = [each.seconds for each in measurements]
        processor = statistics.median(each.processor for each in measurements)
        memory = max(each.memory or 0 for each in measurements) / MIB
        figures = [
            *(f"{step:.2f} s" for step in steps),
            f"{statistics.median(seconds):.1f} s",
            f"{min(seconds):.1f} to {max(seconds):.1f} s",
            f"{statistics.median(seconds) / reference:.1f}",
            f"{processor:.0f}",
            f"{memory:,.0f} MiB" if memory else "",
        ]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return lines


def to_json(rows: int, results: Results) -> dict[str, Any]:
    """Return the measurements as JSON types."""
    return {"rows": rows, "results": {name: [asdict(each) for each in all_] for name, all_ in results.items()}}


if __name__ == "__main__":
    main()
