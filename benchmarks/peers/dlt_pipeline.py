"""dlt with connectorx: the tables as Parquet, loaded to Postgres by ADBC, and the stars made there by SQL."""

import os
from typing import Any

import dlt
import psycopg
from dlt.sources.sql_database import sql_database
from sqlalchemy import Numeric, Select, Table, Text, cast, select

from benchmarks.peers.steps import Plan, Steps, main
from benchmarks.peers.target import add_keys, create_currencies, create_tables, fill_tables


def run(plan: Plan, steps: Steps) -> None:
    """Extract all tables, load them, create the stars from them, and add the keys."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": plan["folder"]}
    # connectorx refuses libpq's options.
    source_url, target_url = (plan[name].partition("?")[0] for name in ("source", "target"))
    pipeline = dlt.pipeline(
        "totesys",
        pipelines_dir=plan["folder"],
        destination=dlt.destinations.postgres(target_url),
        dataset_name="raw",
    )
    with steps("extract"):
        source = sql_database(
            source_url,
            schema="public",
            table_names=plan["tables"],
            backend="connectorx",
            reflection_level="full",
            table_adapter_callback=_declare_numbers_as_text,
            query_adapter_callback=_select_numbers_as_text,
        )
        pipeline.extract(source, loader_file_format="parquet")
        pipeline.normalize()
    with steps("load"):
        pipeline.load(raise_on_failed_jobs=True)
    with psycopg.connect(plan["target"], autocommit=True) as target:
        with steps("transform"):
            create_currencies(target, plan)
            create_tables(target, plan)
            fill_tables(target, plan)
        with steps("load"):
            add_keys(target, plan)


def _declare_numbers_as_text(table: Table) -> Table:
    """Change the type of the columns that connectorx would read as floats."""
    for column in table.columns:
        if isinstance(column.type, Numeric):
            column.type = Text()
    return table


def _select_numbers_as_text(_query: Select[Any], table: Table) -> Select[Any]:
    return select(*(cast(column, Text) if isinstance(column.type, Text) else column for column in table.columns))


if __name__ == "__main__":
    main(run)
