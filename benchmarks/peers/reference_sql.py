"""COPY from totesys to another database, SQL there, keys: the least work that makes the same stars, without a lake."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg

from benchmarks.peers.steps import Plan, Steps, main
from benchmarks.peers.target import add_keys, create_currencies, create_tables, fill_tables


def run(plan: Plan, steps: Steps) -> None:
    """Copy all tables, create the stars from them, and add the keys."""
    with psycopg.connect(plan["target"], autocommit=True) as target:
        target.execute("CREATE SCHEMA raw")
        with steps("extract"), ThreadPoolExecutor(2) as pool:
            _create_raw(plan, target)
            list(pool.map(lambda table: _copy(plan, table), plan["tables"]))
        with steps("transform"):
            create_tables(target, plan)
            fill_tables(target, plan)
        with steps("load"):
            add_keys(target, plan)


def _create_raw(plan: Plan, target: psycopg.Connection) -> None:
    with psycopg.connect(plan["source"]) as source:
        for table in plan["tables"]:
            columns = source.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                (f"public.{table}",),
            ).fetchall()
            target.execute(f"CREATE UNLOGGED TABLE raw.{table} ({', '.join(map(' '.join, columns))})")
    create_currencies(target, plan)


def _copy(plan: Plan, table: str) -> None:
    """Copy a table by two processes of psql, which move the rows in C."""
    copy = [plan["psql"], "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]
    out = [*copy, plan["source"], "--command", f"COPY public.{table} TO STDOUT (FORMAT binary)"]
    into = [*copy, plan["target"], "--command", f"COPY raw.{table} FROM STDIN (FORMAT binary)"]
    with subprocess.Popen(out, stdout=subprocess.PIPE) as source:
        subprocess.run(into, stdin=source.stdout, check=True)
    if source.returncode:
        raise subprocess.CalledProcessError(source.returncode, out)


if __name__ == "__main__":
    main(run)
