"""The compact stage: fewer files with the same rows, while other runs read and write."""

import json
import shutil
from collections import Counter

import boto3
import psycopg
import pytest

from tests.lakes import job_run
from totelake import compact, transform
from totelake.compact import merge, plan
from totelake.lake import history
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.scan import Scan
from totelake.lake.versions import all_versions
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.warehouse.names import SCHEMA

CHANGES = (
    "UPDATE sales_order SET units_sold = units_sold + 1, last_updated = now() WHERE sales_order_id % 7 = 0",
    "UPDATE department SET location = 'Leeds' WHERE department_id = 1; UPDATE payment SET paid = NOT paid",
    "DELETE FROM payment WHERE payment_id = 5; INSERT INTO currency (currency_id, currency_code) VALUES (9, 'CHF')",
    "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 7",
    "UPDATE address SET district = 'Kirklees' WHERE address_id < 5",
    "UPDATE currency SET currency_code = 'PLN' WHERE currency_id = 9",
    "UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id < 4",
)


@pytest.fixture(scope="module")
def lake(shared_lake, shared_totesys, shared_reader):
    """Return a lake with a batch for each of `CHANGES` after the first one."""
    for statements in ("SELECT 1", *CHANGES):
        with psycopg.connect(shared_totesys) as connection:
            connection.execute(statements)
        shared_lake.ingest(shared_reader)
        shared_lake.transform()
    return shared_lake


def contents(lake):
    """Return the number of each row of all tables in the live files, with the columns that readers get."""
    ingested, processed = Scan(lake.spark, lake.ingested), Scan(lake.spark, lake.processed)
    sources = {
        name: all_versions(ingested, table, lake.ingested_files(name)).collect()
        for name, table in SOURCE_TABLES.items()
    }
    stars = {
        name: processed.rows(lake.processed_files(name), table.stored_columns).collect()
        for name, table in STAR_TABLES.items()
    }
    return {name: Counter(map(str, rows)) for name, rows in (sources | stars).items()}


def sets(lake):
    """Return the number of live file sets of each table."""
    of_sources = {name: len(lake.ingested_files(name)) for name in SOURCE_TABLES}
    return of_sources | {name: len(lake.processed_files(name)) for name in STAR_TABLES}


def registered():
    """Return the locations of the partitions of each table in the catalog."""
    glue = boto3.client("glue")
    return {
        name: sorted(
            partition["StorageDescriptor"]["Location"].split("/", 3)[3]
            for page in glue.get_paginator("get_partitions").paginate(DatabaseName=zone.database, TableName=name)
            for partition in page["Partitions"]
        )
        for zone, tables in ((INGESTED, SOURCE_TABLES), (PROCESSED, STAR_TABLES))
        for name in tables
    }


def live(lake):
    """Return the locations that the live files of each table have."""
    files = {name: lake.ingested_files(name) for name in SOURCE_TABLES}
    files |= {name: lake.processed_files(name) for name in STAR_TABLES}
    return {
        name: sorted(
            location
            for each in of_table
            for location in ([f"{each.path}month={month}/" for month in each.months] or [each.path])
        )
        for name, of_table in files.items()
    }


@pytest.fixture(scope="module")
def compacted(lake):
    """Compact the lake; return the contents, files and histories before."""
    before = contents(lake), {name: (lake.folder / name).read_bytes() for name in lake.files()}, histories(lake)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "RATIO", 1_000)
        compact.run(job_run(), lake.ingested, lake.processed)
    return before


def histories(lake):
    """Return the history of some records, one of which was deleted."""
    return [
        history.versions(lake.ingested, table, key)
        for table, key in (("payment", 5), ("sales_order", 7), ("currency", 9), ("department", 1))
    ]


def test_rows_and_histories_are_the_same_in_fewer_files(lake, compacted):
    """Row for row, with the lineage; no committed file is changed."""
    rows, files, before = compacted

    assert contents(lake) == rows
    assert histories(lake) == before
    assert {name: (lake.folder / name).read_bytes() for name in files} == files
    assert sets(lake)["fact_sales_order"] == 2
    assert sets(lake)["payment"] == sets(lake)["currency"] == 1


def test_the_catalog_has_the_partitions_of_the_live_files(lake, compacted):
    """Those of merged batches are gone."""
    assert registered() == live(lake)


def test_a_second_compaction_has_nothing_to_do(lake, compacted):
    """And writes no object."""
    before = lake.files()

    compact.run(job_run(), lake.ingested, lake.processed)

    assert lake.files() == before


def test_stages_go_on_after_a_compaction(lake, compacted, shared_totesys, shared_reader, warehouse):
    """Updates, deletions, lookups, references and quarantine find the rows in the merged files."""
    with psycopg.connect(shared_totesys) as connection:
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 7")
        connection.execute(
            "UPDATE department SET location = 'York' WHERE department_id IN (SELECT department_id FROM staff)"
        )
        departments = connection.execute("SELECT count(DISTINCT department_id) FROM staff").fetchone()[0]
        connection.execute("DELETE FROM payment WHERE payment_id = 6")
        connection.execute("UPDATE payment SET paid = NOT paid WHERE payment_id = 7")
    ingested = lake.ingest(shared_reader)
    processed = lake.transform()
    lake.load(warehouse)

    assert {name: (table.rows, table.deletes) for name, table in ingested.tables.items()} == {
        "sales_order": (1, 0),
        "department": (departments, 0),
        "payment": (2, 1),
    }
    with psycopg.connect(shared_totesys) as source:
        staff = source.execute("SELECT staff_id FROM staff").fetchall()
    assert processed.held == {}
    assert {name: table.rows for name, table in processed.tables.items()} == {
        "fact_sales_order": 1,
        "fact_payment": 2,
        "dim_staff": len(staff),
    }
    with psycopg.connect(shared_totesys) as source, psycopg.connect(warehouse.conninfo) as loaded:
        for table in ("sales_order", "payment", "currency"):
            view = f"{SCHEMA}.current_{'dim' if table == 'currency' else 'fact'}_{table}"
            keys = f"SELECT {table}_id FROM {{}} ORDER BY 1"
            assert loaded.execute(keys.format(view)).fetchall() == source.execute(keys.format(table)).fetchall()


def test_spark_merges_the_same_rows(lake, monkeypatch):
    """When there are too many for the driver."""
    before = contents(lake)
    monkeypatch.setattr(merge, "DRIVER_ROWS", 0)
    monkeypatch.setattr(plan, "RATIO", 1_000)
    transform.run(job_run(rebuild="true"), lake.ingested, lake.processed)
    lake.transform()

    compact.run(job_run(), lake.ingested, lake.processed)

    assert contents(lake)["fact_payment"] == before["fact_payment"]
    assert registered() == live(lake)
    assert CommitLog(lake.ingested, IngestedBatch).checkpoint.compaction
    assert CommitLog(lake.processed, ProcessedBatch)


def test_lake_of_an_earlier_version_goes_on(lake, shared_totesys, shared_reader):
    """Its records do not list files, and it has no checkpoints and no compactions."""
    before = contents(lake)
    for bucket in (lake.ingested, lake.processed):
        shutil.rmtree(lake.folder / bucket / "checkpoints")
        for record in (lake.folder / bucket / "log").iterdir():
            record.write_text(json.dumps(_without_files(json.loads(record.read_text()))))
    assert contents(lake) == before
    with psycopg.connect(shared_totesys) as connection:
        connection.execute("UPDATE payment SET paid = NOT paid WHERE payment_id = 9")

    lake.ingest(shared_reader)
    batch = lake.transform()
    compact.run(job_run(), lake.ingested, lake.processed)

    assert {name: table.rows for name, table in batch.tables.items()} == {"fact_payment": 1}
    after = contents(lake)
    assert (after["fact_payment"] - before["fact_payment"]).total() == 1
    assert all(before[name] <= after[name] for name in before)
    assert CommitLog(lake.ingested, IngestedBatch).checkpoint.compaction
    assert registered() == live(lake)


def _without_files(record):
    for table in record["tables"].values():
        del table["files"]
    return record | {"replayed": list(map(_without_files, record["replayed"]))} if "replayed" in record else record
