"""Measures whether the cost of a run grows with the history: `python -m benchmarks.growth`, as `make growth` does.

All ratios are of one run, in one process with a warm JVM. Stages run as in the jobs, on a real Postgres and the local
AWS; each has its seconds, its requests to S3 and Glue, and the Parquet files that it opened
(`benchmarks.request_counter`).

- `batches`: the same small change, four rows, again and again, with a compaction after every eighth: the batches around
  the tenth against the last ones.
- `without_compaction`: the same without any compaction.
- `sizes`: the same change of a totesys with few and with many sales orders, and the bytes of its tables.
- `changes`: the same change on a lake of one batch against one with a year of batches (`benchmarks.long_lake`).
- `events`: 300 events on both, of the same totesys.
- `reads`: the histories of records, and what the status reads, on both lakes after the events.
- `questions`: those of `dashboards/queries` through Athena, on the long lake and on the same rows in one batch.
- `loads`: all rows of the long lake as a rebuild and into an empty warehouse, and the same rows in one batch.
- `partitions`: those registered in the catalog, by table, with the live file sets.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import boto3

from benchmarks import changes, long_lake
from benchmarks.growth_environment import ROOT, Environment, Totesys, started
from benchmarks.long_lake import BATCHES_PER_COMPACTION, quiet
from benchmarks.request_counter import Cost, RequestCounter
from ops.generate.tables import terraform_input
from tests.lakes import Lake, job_run
from totelake import compact
from totelake.lake import catalog, history
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.runtime.connections import Login
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres
from totesys.activity import activity

EARLY = range(6, 15)
"""The batches around the tenth."""
_WORKGROUP = "growth"
_POLL_SECONDS = 0.005

type Costs = dict[str, Cost]
"""The cost of each stage."""


def main() -> None:
    """Measure what is asked for, and add it to the file of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1_004, metavar="N", help="runs of the small change, 0 for none")
    parser.add_argument("--without-compaction", type=int, default=200, metavar="N", help="runs without compaction")
    parser.add_argument("--warm-up", type=int, default=24, metavar="N", help="runs before, on another lake")
    parser.add_argument("--history", type=int, default=long_lake.A_YEAR, metavar="N", help="batches of the long lake")
    parser.add_argument("--sales-orders", type=int, default=200, metavar="N", help="size of totesys")
    parser.add_argument("--sizes", type=int, nargs="*", default=[11_187, 1_000_000], metavar="N", help="sales orders")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="of 300 events, queries and rebuilds")
    parser.add_argument("--uncompacted", action="store_true", help="no compaction of the long lake")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/growth.json", help="file of results")
    arguments = parser.parse_args()
    results = json.loads(arguments.json.read_text(encoding="utf-8")) if arguments.json.exists() else {}
    with tempfile.TemporaryDirectory(prefix="totelake-growth-") as folder, started(Path(folder)) as environment:
        counter = RequestCounter()
        orders = arguments.sales_orders
        if arguments.batches or arguments.without_compaction or arguments.sizes:
            run_batches(environment, counter, environment.totesys(orders=orders), arguments.warm_up)
        if arguments.batches:
            results["batches"] = measure_batches(environment, counter, orders, arguments.batches)
            _write(arguments.json, results)
        if arguments.without_compaction:
            results["without_compaction"] = measure_batches(
                environment, counter, orders, arguments.without_compaction, compacted=False
            )
            _write(arguments.json, results)
        if arguments.sizes:
            results["sizes"] = [measure_size(environment, counter, size) for size in arguments.sizes]
            _write(arguments.json, results)
        if arguments.history:
            results["long"] = measure_long_lake(environment, counter, arguments)
            _write(arguments.json, results)


def _write(path: Path, results: dict[str, Any]) -> None:
    results["machine"] = {"cores": os.cpu_count(), "architecture": platform.machine()}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{json.dumps(name)}: {_in_lines(value)}" for name, value in results.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(path)


def _in_lines(value: Any) -> str:
    """Return `value` as JSON, a list with one line for each element."""
    return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]" if isinstance(value, list) else json.dumps(value)


def measure_batches(
    environment: Environment, counter: RequestCounter, orders: int, batches: int, *, compacted: bool = True
) -> list[dict[str, dict[str, Any]]]:
    """Run the stages after each of many small changes; return the costs of each batch by stage."""
    totesys = environment.totesys(orders=orders)
    return _as_json(run_batches(environment, counter, totesys, batches, compacted=compacted))


def measure_size(environment: Environment, counter: RequestCounter, orders: int) -> dict[str, Any]:
    """Return the costs of small changes of a totesys with so many sales orders, after as many to warm up."""
    totesys = environment.totesys(orders=orders)
    costs = run_batches(environment, counter, totesys, EARLY.stop + len(EARLY))
    return {"orders": orders, "bytes": totesys.bytes(), "costs": _as_json(costs[-len(EARLY) :])}


def _as_json(costs: list[Costs]) -> list[dict[str, dict[str, Any]]]:
    return [{stage: cost.by_service() for stage, cost in each.items()} for each in costs]


def run_batches(
    environment: Environment, counter: RequestCounter, totesys: Totesys, batches: int, *, compacted: bool = True
) -> list[Costs]:
    """Run the stages for so many batches of `totesys` on a new lake; return their costs.

    If `compacted`, the lake is compacted after every eighth.
    """
    warehouse = environment.warehouse()
    changes.define(totesys.url)
    costs = []
    with environment.lake() as lake:
        for number in range(1, batches + 1):
            if number > 1:
                changes.change(totesys.url, number)
            costs.append(run_batch(lake, counter, totesys, warehouse, number, compacted=compacted))
    return costs


def run_batch(
    lake: Lake, counter: RequestCounter, totesys: Totesys, warehouse: Login, number: int, *, compacted: bool = True
) -> Costs:
    """Run the stages, and compact the lake after every eighth batch if it is `compacted`; return their costs."""
    costs = run_stages(lake, counter, totesys, warehouse)
    if compacted and number % BATCHES_PER_COMPACTION == 0:
        costs["compact"] = measured_compaction(lake, counter)
    progress(f"batch {number}: {_shown(costs)}")
    return costs


def run_stages(lake: Lake, counter: RequestCounter, totesys: Totesys, warehouse: Login) -> Costs:
    """Run ingest, transform and load once; return their costs."""
    with quiet():
        return {
            "ingest": counter.measured(lambda: lake.ingest(totesys.reader)),
            "transform": counter.measured(lake.transform),
            "load": counter.measured(lambda: lake.load(warehouse)),
        }


def measured_compaction(lake: Lake, counter: RequestCounter) -> Cost:
    """Return the cost of one run of the compact stage."""
    with quiet():
        return counter.measured(lambda: compact.run(job_run(), lake.ingested, lake.processed))


def measure_long_lake(
    environment: Environment, counter: RequestCounter, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Measure a lake of many batches, and lakes of one batch with the same rows."""
    batches, repetitions = arguments.history, arguments.repetitions
    totesys = environment.totesys(orders=arguments.sales_orders)
    results: dict[str, Any] = {"batches": batches, "compacted": not arguments.uncompacted}
    with environment.lake() as lake:
        began = time.monotonic()
        generated = long_lake.generate(lake, totesys.url, totesys.reader, batches, compacted=not arguments.uncompacted)
        results["generated_in_seconds"] = time.monotonic() - began
        progress(f"{batches} batches generated in {results['generated_in_seconds']:.0f} s")
        copy = environment.totesys(like=totesys)
        results["rows"] = {name: rows.num_rows for name, rows in generated.rows.items()}
        results["partitions"] = partitions()
        results["live_file_sets"] = live_file_sets(lake)
        long: dict[str, Any] = {
            "questions": questions(lake, repetitions),
            "loads": loads(environment, lake, counter, repetitions),
            "changes": small_changes(environment, lake, counter, totesys, batches),
            "events": events(environment, lake, counter, totesys, repetitions),
            "reads": reads(lake, counter, repetitions),
        }
    results["after_events"] = long["events"].pop("after")
    results["long"] = long
    with environment.lake() as lake:
        with quiet():
            lake.ingest(copy.reader)
            lake.transform()
        short: dict[str, Any] = {
            "changes": small_changes(environment, lake, counter, copy, batches),
            "events": events(environment, lake, counter, copy, repetitions),
            "reads": reads(lake, counter, repetitions),
        }
    with environment.lake() as lake:
        long_lake.in_one_batch(lake, generated.rows)
        short["questions"] = questions(lake, repetitions)
        short["loads"] = loads(environment, lake, counter, repetitions)
    short["events"].pop("after")
    results["short"] = short
    if short["questions"]["answers"] != long["questions"]["answers"]:
        sys.exit("the questions have other answers on the same rows in one batch")
    del short["questions"]["answers"], long["questions"]["answers"]
    return results


def small_changes(
    environment: Environment, lake: Lake, counter: RequestCounter, totesys: Totesys, batches: int
) -> list[dict[str, dict[str, Any]]]:
    """Return the costs by stage of the changes after the first `batches`, without those of the first three."""
    warehouse = environment.warehouse()
    costs: list[Costs] = []
    with quiet():
        _load(lake, warehouse, {"rebuild": "true"})
    for number in range(batches + 1, batches + 4 + len(EARLY)):
        changes.change(totesys.url, number)
        costs.append(run_batch(lake, counter, totesys, warehouse, number))
    return _as_json(costs[3:])


def events(
    environment: Environment, lake: Lake, counter: RequestCounter, totesys: Totesys, repetitions: int
) -> dict[str, Any]:
    """Return the costs by stage of 300 events; the first repetition also brings the warehouse up to the lake."""
    warehouse, costs = environment.warehouse(), []
    with quiet():
        _load(lake, warehouse, {"rebuild": "true"})
    for repetition in range(repetitions + 1):
        activity(totesys.url, events=300, random_seed=repetition)
        of_stages = run_stages(lake, counter, totesys, warehouse)
        of_stages["compact"] = measured_compaction(lake, counter)
        progress(f"300 events: {_shown(of_stages)}")
        costs.append({stage: asdict(cost) for stage, cost in of_stages.items()})
    # The first one compiles.
    return {"costs": costs[1:], "after": {"partitions": partitions(), "live_file_sets": live_file_sets(lake)}}


def reads(lake: Lake, counter: RequestCounter, repetitions: int) -> dict[str, Any]:
    """Return the costs of the history of some records, and of what `totelake status` and the Pipeline page read.

    That is the latest five batches and the live files of each zone.
    """

    def of_records() -> None:
        for table, key in (("sales_order", 7), ("payment", 7), ("address", 7)):
            history.versions(lake.ingested, table, key)

    def of_status() -> None:
        for zone in ((lake.ingested, IngestedBatch), (lake.processed, ProcessedBatch)):
            list(islice(CommitLog(*zone).backwards(), 5))
            CommitLog(*zone).live_files()

    return {
        name: [asdict(counter.measured(read)) for _ in range(repetitions + 1)][1:]
        for name, read in (("history of three records", of_records), ("batches and files of the status", of_status))
    }


def loads(environment: Environment, lake: Lake, counter: RequestCounter, repetitions: int) -> dict[str, Any]:
    """Return the costs of loads of all rows of the lake: into an empty warehouse, and as a rebuild of that."""
    costs: dict[str, list[Cost]] = {"into an empty warehouse": [], "as a rebuild": []}
    for _ in range(repetitions + 1):
        warehouse = environment.warehouse()
        for name, arguments in zip(costs, ({}, {"rebuild": "true"}), strict=True):
            with quiet():
                costs[name].append(counter.measured(lambda: _load(lake, warehouse, arguments)))  # noqa: B023
            progress(f"all rows {name}: {_shown({'load': costs[name][-1]})}")
    return {name: list(map(asdict, of_loads[1:])) for name, of_loads in costs.items()}


def _load(lake: Lake, warehouse: Login, arguments: dict[str, str]) -> None:
    load.run(job_run(**arguments), lake.processed, Postgres(warehouse))


def questions(lake: Lake, repetitions: int) -> dict[str, Any]:
    """Return for each of the dashboards' questions the seconds in Athena, the bytes that it reads, and the answers."""
    _declare_views(lake)
    seconds: dict[str, float] = {}
    scanned: dict[str, int] = {}
    answers: dict[str, list[Any]] = {}
    for file in sorted((ROOT / "dashboards/queries").glob("*/*.sql")):
        name = f"{file.parent.name}_{file.stem}"
        runs = [_ask(file.read_text(encoding="utf-8")) for _ in range(repetitions + 1)][1:]
        seconds[name] = statistics.median(elapsed for elapsed, _, _ in runs)
        _, scanned[name], answers[name] = runs[-1]
    progress(f"questions: {sum(seconds.values()):.2f} s")
    return {"seconds": seconds, "bytes": scanned, "answers": answers}


def _declare_views(lake: Lake) -> None:
    """Create the views of current rows, and a workgroup whose results are in the processed bucket."""
    glue, athena = boto3.client("glue"), boto3.client("athena")
    if _WORKGROUP not in {each["Name"] for each in athena.list_work_groups()["WorkGroups"]}:
        athena.create_work_group(Name=_WORKGROUP)
    place = {"ResultConfigurationUpdates": {"OutputLocation": f"s3://{lake.processed}/athena/"}}
    athena.update_work_group(WorkGroup=_WORKGROUP, ConfigurationUpdates=place)
    known = {table["Name"] for table in glue.get_tables(DatabaseName=PROCESSED.database)["TableList"]}
    for name, view in json.loads(terraform_input())["views"][PROCESSED.name].items():
        if name not in known:
            _run(f"CREATE VIEW {name} AS {view['query']}")


def _ask(statement: str) -> tuple[float, int, list[Any]]:
    """Return the seconds that Athena takes for a query, the bytes that it reads, and the rows."""
    execution = _run(statement)
    query_id, statistics_ = execution["QueryExecutionId"], execution["Statistics"]
    pages = boto3.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    return statistics_["TotalExecutionTimeInMillis"] / 1000, statistics_["DataScannedInBytes"], rows


def _run(statement: str) -> dict[str, Any]:
    """Run a statement in Athena and return its execution."""
    athena = boto3.client("athena")
    context = {"Database": PROCESSED.database}
    query_id = athena.start_query_execution(QueryString=statement, QueryExecutionContext=context, WorkGroup=_WORKGROUP)[
        "QueryExecutionId"
    ]
    while True:
        execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
            break
        time.sleep(_POLL_SECONDS)
    if execution["Status"]["State"] != "SUCCEEDED":
        sys.exit(f"{execution['Status']['StateChangeReason']}\n{statement}")
    return execution


def partitions() -> dict[str, int]:
    """Return the number of registered partitions by table."""
    of_sources = {name: len(catalog.partitions(INGESTED, name)) for name in SOURCE_TABLES}
    return of_sources | {name: len(catalog.partitions(PROCESSED, name)) for name in STAR_TABLES}


def live_file_sets(lake: Lake) -> dict[str, int]:
    """Return the number of live file sets by table."""
    of_sources = {name: len(lake.ingested_files(name)) for name in SOURCE_TABLES}
    return of_sources | {name: len(lake.processed_files(name)) for name in STAR_TABLES}


def progress(text: str) -> None:
    """Print a line about the progress."""
    print(text, file=sys.stderr, flush=True)


def _shown(costs: Costs) -> str:
    return ", ".join(
        f"{stage} {cost.seconds:.2f} s {cost.of('s3')} + {cost.of('glue')} requests {cost.files} files"
        for stage, cost in costs.items()
    )


if __name__ == "__main__":
    main()
