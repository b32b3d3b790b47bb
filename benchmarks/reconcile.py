"""How long it takes to hold a warehouse against totesys: `python -m benchmarks.reconcile --rows 1000000`.

Both sides are made by SQL, in a Postgres of their own. The peer is what a client has to do at the least that compares
for itself: COPY the rows that are to be equal out of both sides at once, and look at none. Beside the seconds stand
those of the processors, of this process and of the servers behind its connections, since others may use them too.
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
from totelake.warehouse.postgres import apply, ledger
from totelake.warehouse.postgres.load import Postgres
from totesys import roles, schema, seed

# What a seeded totesys has for each sales order, in all tables together.
ROWS_OF_AN_ORDER = 4.26
INGESTED, PROCESSED = "ingested", "processed"
DAY = "2026-01-01T00:00:00.000Z"


def main() -> None:
    """Make both sides, compare them as they are and with every thousandth order wrong, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of totesys, in all tables together")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    orders = round(parser.parse_args().rows / ROWS_OF_AN_ORDER)
    with postgres() as cluster, tempfile.TemporaryDirectory() as folder, s3_endpoint(Path(folder)) as (_, variables):
        os.environ.update(variables)
        totesys, shown = make_databases(cluster, orders)
        fill_warehouse(totesys, shown)
        commit_batch(totesys, shown)
        databases = reconcile.Databases(totesys, Postgres(shown))
        rows = sum(report.rows_in_totesys for report in compare(databases).values())
        peer, _ = measure(cluster, lambda: copy_out(totesys, shown))
        equal, processors = measure(cluster, lambda: compare(databases))
        with psycopg.connect(shown.conninfo) as connection:
            connection.execute(
                "UPDATE fact_sales_order SET units_sold = units_sold + 1 WHERE sales_order_id % 1000 = 0"
            )
        wrong, _ = measure(cluster, lambda: find_differences(databases))
    print(f"{rows:,} rows on each side, {os.cpu_count()} cores")
    print(f"COPY out of both sides        {peer:6.1f} s")
    print(f"reconcile, all equal          {equal:6.1f} s  {equal / peer:.2f} of it, {processors:.1f} s of processors")
    print(f"reconcile, 1 in 1,000 wrong   {wrong:6.1f} s  {wrong / peer:.2f} of it")


def make_databases(cluster: Cluster, orders: int) -> tuple[Login, Login]:
    """Make a seeded totesys and an empty warehouse; return the logins with which the job reads them."""
    with psycopg.connect(superuser(cluster, "postgres"), autocommit=True) as connection:
        for name, owner in (("totesys", roles.OWNER), ("warehouse", WAREHOUSE_OWNER)):
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {1}").format(*map(sql.Identifier, (name, owner))))
    totesys = cluster.url("totesys", roles.OWNER, PASSWORD)
    with psycopg.connect(totesys) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(totesys, sales_orders=orders)
    shown = cluster.url("warehouse", WAREHOUSE_OWNER, PASSWORD)
    with psycopg.connect(shown) as connection:
        apply(connection, with_foreign_keys=False)
    return login_of(cluster.url("totesys", roles.READER, PASSWORD)), login_of(shown)


def fill_warehouse(totesys: Login, shown: Login) -> None:
    """Copy the rows that the warehouse has to show into it."""
    with psycopg.connect(totesys.conninfo) as source, psycopg.connect(shown.conninfo, autocommit=True) as target:
        for table in expected.TABLES:
            lineage = sql.SQL(", 1" * (2 if table.is_fact else 1))
            rows = sql.SQL("COPY (SELECT r.*{} FROM ({}) AS r) TO STDOUT")
            columns = (*(column.name for column in table.columns), *(("_source_version",) if table.is_fact else ()))
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table.name),
                sql.SQL(", ").join(map(sql.Identifier, (*columns, "_ingested_sequence"))),
            )
            with source.cursor() as reading, target.cursor() as writing:
                copy_from = reading.copy(rows.format(lineage, expected.in_totesys(table)))
                with copy_from as blocks, writing.copy(into) as copy:
                    for block in blocks:
                        copy.write(block)
        target.execute("VACUUM ANALYZE")


def commit_batch(totesys: Login, shown: Login) -> None:
    """Say in both logs and in the ledger that one batch brought all of it."""
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
    with psycopg.connect(shown.conninfo) as connection:
        ledger.enter(connection, batch, run, code)


def compare(databases: reconcile.Databases) -> dict[str, Report]:
    """Run the stage as the job does, without the lines that it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return reconcile.run(job_run(), databases, INGESTED, PROCESSED)


def find_differences(databases: reconcile.Databases) -> None:
    """Run the stage on sides that differ."""
    try:
        compare(databases)
    except ReconcileError:
        return
    sys.exit("The sides differ, and reconcile did not find it.")


def copy_out(totesys: Login, shown: Login) -> None:
    """Copy the rows that are to be equal out of both sides at once."""

    def copy(login: Login, statements: list[sql.Composed]) -> None:
        with psycopg.connect(login.conninfo) as connection, connection.cursor() as cursor:
            for statement in statements:
                with cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(statement)) as blocks:
                    for _ in blocks:
                        pass

    with ThreadPoolExecutor(2) as pool:
        sides = [
            pool.submit(copy, totesys, list(map(expected.in_totesys, expected.TABLES))),
            pool.submit(copy, shown, list(map(expected.in_warehouse, expected.TABLES))),
        ]
        for side in sides:
            side.result()


def measure(cluster: Cluster, work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that `work` takes, and those that the processors are busy with it."""
    with processors_of(cluster) as used:
        began = time.monotonic()
        work()
        seconds = time.monotonic() - began
    return seconds, used[0]


@contextmanager
def processors_of(cluster: Cluster) -> Iterator[list[float]]:
    """Give a list that holds, after the block, the processor seconds of this process and of the Postgres server."""
    server = psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split("\n")[0]))

    def spent() -> float:
        times = [server.cpu_times(), psutil.Process().cpu_times()]
        # The server's children: those that live, and those that have ended.
        times += [child.cpu_times() for child in server.children()]
        return float(sum(each.user + each.system for each in times) + sum(times[0][2:4]))

    before, used = spent(), [0.0]
    yield used
    time.sleep(0.5)  # until the server has taken note of the processes that have ended
    used[0] = spent() - before


if __name__ == "__main__":
    main()
