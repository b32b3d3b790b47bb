"""DuckDB with its Postgres extension: a lake of two zones of Parquet files, and the stars copied to Postgres."""

from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner
import psycopg

from benchmarks.peers.steps import Plan, Steps, main
from benchmarks.peers.target import add_keys, create_tables


def run(plan: Plan, steps: Steps) -> None:
    """Write all tables as Parquet, the stars as Parquet, then copy these to Postgres and add the keys."""
    ingested, processed = (Path(plan["folder"]) / zone for zone in ("ingested", "processed"))
    for zone in (ingested, processed):
        zone.mkdir()
    duck = duckdb.connect()
    extension = next(Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension"))
    duck.execute(f"LOAD '{extension}'")
    duck.execute(f"ATTACH '{plan['source']}' AS source (TYPE postgres, READ_ONLY)")
    duck.execute(f"ATTACH '{plan['target']}' AS target (TYPE postgres)")
    with steps("extract"):
        for table in plan["tables"]:
            duck.execute(f"COPY ({_select(duck, table)}) TO '{ingested / table}.parquet'")
    with steps("transform"):
        duck.execute("CREATE SCHEMA raw")
        for table in plan["tables"]:
            duck.execute(f"CREATE VIEW raw.{table} AS FROM '{ingested / table}.parquet'")
        duck.execute("CREATE TABLE raw.iso_4217 (code text, name text)")
        duck.executemany("INSERT INTO raw.iso_4217 VALUES (?, ?)", plan["currencies"])
        for table, select in plan["selects"].items():
            duck.execute(f"COPY ({select}) TO '{processed / table}.parquet'")
    with steps("load"), psycopg.connect(plan["target"], autocommit=True) as target:
        create_tables(target, plan)
        for table in plan["selects"]:
            duck.execute(f"INSERT INTO target.star.{table} FROM '{processed / table}.parquet'")
        add_keys(target, plan)


def _select(duck: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return the query for the rows of a source table; a numeric without precision would become a float."""
    columns = duck.execute(f"DESCRIBE source.public.{table}").fetchall()
    selected = ", ".join(
        f"{name}::numeric(38,18) AS {name}" if kind == "DOUBLE" else str(name) for name, kind, *_ in columns
    )
    return f"FROM postgres_query('source', 'SELECT {selected} FROM public.{table}')"


if __name__ == "__main__":
    main(run)
