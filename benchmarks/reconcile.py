"""Measures the reconcile stage: `python -m benchmarks.reconcile --rows 1000000`.

Both sides are created by SQL, in their own Postgres. The baseline is the least that a comparison on the client needs:
COPY the rows out of both sides concurrently, without looking at them. CPU seconds, of this process and of the Postgres
server, are printed too, since other processes may use the CPUs.
"""

import argparse
import contextlib
import io
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import boto3
import psutil
import psycopg
from psycopg import sql

from ops.sandbox.postgres import Cluster
from tests.lakes import job_run, s3_endpoint
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, login_of, postgres, superuser
from totelake import reconcile
from totelake.ingest.source import open_source
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import expected
from totelake.reconcile.report import Report
from totelake.runtime.connections import Login
from totelake.runtime.errors import ReconcileError
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres import apply, ledger
from totelake.warehouse.postgres.load import Postgres
from totesys import roles, schema, seed

# The number of rows in a seeded totesys per sales order, in all tables together.
ROWS_PER_ORDER = 4.26
INGESTED, PROCESSED = "ingested", "processed"
DAY = "2026-01-01T00:00:00.000Z"


def main() -> None:
    """Create both sides, compare them equal and with every thousandth order different, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="number of rows in totesys, in all tables together")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    orders = round(parser.parse_args().rows / ROWS_PER_ORDER)
    with postgres() as cluster, tempfile.TemporaryDirectory() as folder, s3_endpoint(Path(folder)) as (_, variables):
        os.environ.update(variables)
        totesys, warehouse = make_databases(cluster, orders)
        fill_warehouse(totesys, warehouse)
        commit_batch(totesys, warehouse)
        databases = reconcile.Databases(totesys, Postgres(warehouse))
        rows = sum(report.rows_in_totesys for report in compare(databases).values())
        baseline, _ = measure(cluster, lambda: copy_out(totesys, warehouse))
        equal, cpu = measure(cluster, lambda: compare(databases))
        with psycopg.connect(warehouse.conninfo) as connection:
            connection.execute(
                "UPDATE public.fact_sales_order SET units_sold = units_sold + 1 WHERE sales_order_id % 1000 = 0"
            )
        different, _ = measure(cluster, lambda: find_differences(databases))
    print(f"{rows:,} rows on each side, {os.cpu_count()} cores")
    print(f"COPY out of both sides             {baseline:6.1f} s")
    print(f"reconcile, all equal               {equal:6.1f} s  {equal / baseline:.2f} of COPY, {cpu:.1f} CPU seconds")
    print(f"reconcile, 1 in 1,000 different    {different:6.1f} s  {different / baseline:.2f} of COPY")


def make_databases(cluster: Cluster, orders: int) -> tuple[Login, Login]:
    """Create a seeded totesys and an empty warehouse; return the job's logins to them."""
    with psycopg.connect(superuser(cluster, "postgres"), autocommit=True) as connection:
        for name, owner in (("totesys", roles.OWNER), ("warehouse", WAREHOUSE_OWNER)):
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {1}").format(*map(sql.Identifier, (name, owner))))
    totesys = cluster.url("totesys", roles.OWNER, PASSWORD)
    with psycopg.connect(totesys) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(totesys, sales_orders=orders)
    warehouse = cluster.url("warehouse", WAREHOUSE_OWNER, PASSWORD)
    with psycopg.connect(warehouse) as connection:
        apply(connection, with_foreign_keys=False)
    return login_of(cluster.url("totesys", roles.READER, PASSWORD)), login_of(warehouse)


def fill_warehouse(totesys: Login, warehouse: Login) -> None:
    """Copy the expected rows into the warehouse."""
    with psycopg.connect(totesys.conninfo) as source, psycopg.connect(warehouse.conninfo, autocommit=True) as target:
        for table in expected.TABLES:
            lineage = sql.SQL(", 1" * (2 if table.is_fact else 1))
            rows = sql.SQL("COPY (SELECT r.*{} FROM ({}) AS r) TO STDOUT")
            columns = (*(column.name for column in table.columns), *(("_source_version",) if table.is_fact else ()))
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(SCHEMA, table.name),
                sql.SQL(", ").join(map(sql.Identifier, (*columns, "_ingested_sequence"))),
            )
            with source.cursor() as reading, target.cursor() as writing:
                copy_from = reading.copy(rows.format(lineage, expected.in_totesys(table)))
                with copy_from as blocks, writing.copy(into) as copy:
                    for block in blocks:
                        copy.write(block)
        target.execute("VACUUM ANALYZE")


def commit_batch(totesys: Login, warehouse: Login) -> None:
    """Commit one batch with all rows to both logs and the ledger."""
    for bucket in (INGESTED, PROCESSED):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
        )
    with open_source(totesys) as source:
        snapshot = source.snapshot
    run, code = "jr_benchmark", "benchmark"
    CommitLog(INGESTED, IngestedBatch).commit(
        IngestedBatch(
            1,
            "batch",
            full=True,
            snapshot=snapshot,
            tables={},
            run_id=run,
            code_version=code,
            committed_at=DAY,
            alive={},
        )
    )
    batch = ProcessedBatch(1, "batch", 1, 1, DAY, tables={}, run_id=run, code_version=code, committed_at=DAY)
    CommitLog(PROCESSED, ProcessedBatch).commit(batch)
    with psycopg.connect(warehouse.conninfo) as connection:
        ledger.insert(connection, batch, run, code)


def compare(databases: reconcile.Databases) -> dict[str, Report]:
    """Run the stage as the job does, without its log output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return reconcile.run(job_run(), databases, INGESTED, PROCESSED)


def find_differences(databases: reconcile.Databases) -> None:
    """Run the stage on sides that differ."""
    try:
        compare(databases)
    except ReconcileError:
        return
    sys.exit("The sides differ, but reconcile reported no difference.")


def copy_out(totesys: Login, warehouse: Login) -> None:
    """Copy the compared rows out of both sides concurrently."""

    def copy(login: Login, statements: list[sql.Composed]) -> None:
        with psycopg.connect(login.conninfo) as connection, connection.cursor() as cursor:
            for statement in statements:
                with cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(statement)) as blocks:
                    for _ in blocks:
                        pass

    with ThreadPoolExecutor(2) as pool:
        sides = [
            pool.submit(copy, totesys, list(map(expected.in_totesys, expected.TABLES))),
            pool.submit(copy, warehouse, list(map(expected.in_warehouse, expected.TABLES))),
        ]
        for side in sides:
            side.result()


def measure(cluster: Cluster, work: Callable[[], object]) -> tuple[float, float]:
    """Return the elapsed and the CPU seconds of `work`."""
    with cpu_seconds(cluster) as used:
        began = time.monotonic()
        work()
        seconds = time.monotonic() - began
    return seconds, used[0]


@contextmanager
def cpu_seconds(cluster: Cluster) -> Iterator[list[float]]:
    """Yield a list that has, after the block, the CPU seconds of this process and of the Postgres server."""
    server = psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split("\n")[0]))

    def spent() -> float:
        times = [server.cpu_times(), psutil.Process().cpu_times()]
        # The server's children, running and ended.
        times += [child.cpu_times() for child in server.children()]
        return float(sum(each.user + each.system for each in times) + sum(times[0][2:4]))

    before, used = spent(), [0.0]
    yield used
    time.sleep(0.5)  # until the server has reaped the processes that have ended
    used[0] = spent() - before


if __name__ == "__main__":
    main()
