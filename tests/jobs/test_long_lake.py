"""The lake with a long history of the benchmarks: the one that as many runs of the stages would have written."""

from collections import Counter
from dataclasses import replace
from uuid import uuid4

import boto3
import psycopg
import pytest
from pyarrow import parquet

from benchmarks import changes, long_lake
from tests.lakes import job_run
from totelake import compact
from totelake.lake import history, objects, parquet_files
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.runtime.clients import s3_for_readers
from totelake.tables import SOURCE_TABLES, STAR_TABLES

BATCHES = 30


@pytest.fixture(scope="module")
def generated(shared_lake, shared_totesys, shared_reader):
    """Return the lake after it was filled."""
    return long_lake.generate(shared_lake, shared_totesys, shared_reader, BATCHES, compacted=True)


@pytest.fixture(scope="module")
def last_runs(generated, shared_totesys, shared_reader):
    """Return what the stages write after it: without a change, and after the next one."""
    lake = generated.lake
    unchanged = lake.ingest(shared_reader)
    changes.change(shared_totesys, BATCHES + 1)
    return unchanged, lake.ingest(shared_reader), lake.transform()


def test_the_next_ingest_has_only_its_own_changes(last_runs):
    """None without a change."""
    unchanged, ingested, processed = last_runs

    assert unchanged is None
    assert ingested.sequence == processed.sequence == BATCHES + 1
    assert {name: (table.rows, table.deletes) for name, table in ingested.tables.items()} == {
        "sales_order": (2, 0),
        "payment": (1, 0),
        "address": (1, 0),
    }
    assert {name: table.rows for name, table in processed.tables.items()} == {
        "fact_sales_order": 2,
        "fact_payment": 1,
        "dim_location": 1,
    }


def test_records_and_files_are_as_the_stages_write_them(generated, last_runs):
    """The same fields, columns and types; the endpoint lists them with the recorded sizes and ETags."""
    lake = generated.lake
    for bucket, batches in (
        (lake.ingested, lake.ingested_batches()),
        (lake.processed, lake.processed_batches()),
    ):
        written, by_stage = batches[-2:]
        assert set(written.tables) == set(by_stage.tables)
        for name, table in by_stage.tables.items():
            files = [lake.folder / bucket / each.path / each.files[0].name for each in (written.tables[name], table)]
            assert objects.files_below(bucket, written.tables[name].path) == written.tables[name].files
            assert parquet.ParquetFile(files[0]).schema.equals(parquet.ParquetFile(files[1]).schema)
            of_both = [(each.rows, getattr(each, "months", ())) for each in (written.tables[name], table)]
            assert of_both[0] == of_both[1]
    before, after = lake.ingested_batches()[-2:]
    assert before.identities == after.identities
    assert before.alive["sales_order"] + 1 == after.alive["sales_order"]
    assert before.snapshot.xmax < after.snapshot.xmax
    assert {name: table.schema for name, table in before.tables.items()} == {
        name: table.schema for name, table in after.tables.items()
    }


def test_it_is_compacted_like_a_lake_of_as_many_runs(generated, last_runs, partitions):
    """After every eighth batch; the catalog has the partitions of the live files."""
    lake = generated.lake
    sets = lake.processed_files("fact_sales_order")

    last_compacted = BATCHES - BATCHES % long_lake.BATCHES_PER_COMPACTION
    assert [each.first for each in sets if each.last >= last_compacted] == list(range(last_compacted, BATCHES + 2))
    assert {each.compacted for each in sets if 1 < each.last < last_compacted} == {True}
    for zone, tables, log in (
        (INGESTED, SOURCE_TABLES, CommitLog(lake.ingested, IngestedBatch)),
        (PROCESSED, STAR_TABLES, CommitLog(lake.processed, ProcessedBatch)),
    ):
        for name in tables:
            assert len(partitions(zone, name)) == len(log.live_files().of(name))


def test_rows_are_those_of_totesys(generated, last_runs, shared_totesys, warehouse, warehouse_database):
    """The current ones in the warehouse, before and after another compaction; all of them in the history."""
    lake = generated.lake
    compact.run(job_run(), lake.ingested, lake.processed)
    lake.load(warehouse)

    with psycopg.connect(shared_totesys) as source, psycopg.connect(warehouse_database) as loaded:
        for current, source_rows in (
            ("sales_order_id, units_sold FROM current_fact_sales_order", "sales_order_id, units_sold FROM sales_order"),
            ("payment_id, paid FROM current_fact_payment", "payment_id, paid FROM payment"),
            ("location_id, phone FROM current_dim_location", "address_id, phone FROM address"),
        ):
            expected = source.execute(f"SELECT {source_rows} ORDER BY 1").fetchall()
            assert loaded.execute(f"SELECT {current} ORDER BY 1").fetchall() == expected
        [order] = source.execute("SELECT orders[3] FROM growth.known").fetchone()
    assert [version.sequence for version in history.versions(lake.ingested, "sales_order", order)] == [1, 2]


def test_star_rows_are_those_of_the_transform(generated, last_runs):
    """Of all batches at once, which has all versions of the facts, and the latest of a dimension."""
    other = replace(generated.lake, processed=f"processed-{uuid4().hex[:8]}")
    location = {"LocationConstraint": "eu-west-2"}
    boto3.client("s3").create_bucket(Bucket=other.processed, CreateBucketConfiguration=location)

    other.transform()

    for name in ("fact_sales_order", "fact_payment", "fact_purchase_order"):
        assert Counter(map(str, rows(other, name))) == Counter(map(str, rows(generated.lake, name)))
    for name in ("dim_location", "dim_counterparty"):
        assert latest(other, name) == latest(generated.lake, name)


def rows(lake, table):
    """Return the rows of a star table in the live files, the oldest batch first."""
    s3, columns = s3_for_readers(boto3), [column.name for column in STAR_TABLES[table].stored_columns]
    read = parquet_files.tables_of(s3, lake.processed, lake.processed_files(table), columns=columns)
    found = [row for tables in read for each in tables for row in each.to_pylist()]
    return sorted(found, key=lambda row: row["_ingested_sequence"])


def latest(lake, table):
    """Return the latest row of each record of a dimension, without its batch."""
    [key] = STAR_TABLES[table].key
    return {row[key]: {**row, "_ingested_sequence": None} for row in rows(lake, table)}
