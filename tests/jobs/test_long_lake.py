"""The lake with a long history of the benchmarks: the one that as many runs of the stages would have written."""

import psycopg
import pytest
from pyarrow import parquet

from benchmarks import changes, long_lake
from tests.lakes import job_run
from totelake import compact
from totelake.lake import history
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED, PROCESSED
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
    """The same fields, columns and types."""
    lake = generated.lake
    for bucket, batches in (
        (lake.ingested, lake.ingested_batches()),
        (lake.processed, lake.processed_batches()),
    ):
        written, by_stage = batches[-2:]
        assert set(written.tables) == set(by_stage.tables)
        for name, table in by_stage.tables.items():
            files = [lake.folder / bucket / each.path / each.files[0].name for each in (written.tables[name], table)]
            assert parquet.ParquetFile(files[0]).schema.equals(parquet.ParquetFile(files[1]).schema)
            assert (written.tables[name].rows, written.tables[name].months if bucket == lake.processed else ()) == (
                table.rows,
                table.months if bucket == lake.processed else (),
            )
    before, after = (batch for batch in lake.ingested_batches()[-2:])
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
