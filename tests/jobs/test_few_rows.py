"""Few rows, which the driver reads and writes, become the same rows of the stars as with Spark's tasks."""

import re
from dataclasses import replace

import boto3
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.lakes import job_run
from totelake import transform
from totelake.lake import scan
from totelake.lake.batches import active_batches
from totelake.lake.scan import DriverScan, Scan, local_frame
from totelake.runtime.clients import s3_for_readers
from totelake.tables import STAR_TABLES
from totelake.tables.model import SEVERAL_MONTHS
from totelake.transform import files

CHANGES = (
    # Lookups, a row that an unchanged row of another table looks up, and one that nothing looks up.
    """
    UPDATE department SET location = 'Hull' WHERE department_id IN (1, 2);
    UPDATE staff SET department_id = 2 WHERE staff_id = 3;
    UPDATE address SET city = 'Hull' WHERE address_id IN (SELECT legal_address_id FROM counterparty LIMIT 3);
    UPDATE sales_order SET units_sold = 5000 WHERE sales_order_id <= 12;
    INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)
        VALUES (950, 'Ada', 'L', 1, 'a@x'), (951, 'Bob', 'M', 1, 'b@x');
    """,
    # Rows that break rules: of a dimension, by a lookup, by a reference, by a range; deletions; a row as it was.
    """
    ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey;
    ALTER TABLE sales_order DROP CONSTRAINT sales_order_design_id_fkey;
    UPDATE staff SET department_id = 99 WHERE staff_id IN (4, 950);
    UPDATE currency SET currency_code = 'XXQ' WHERE currency_id = 2;
    UPDATE sales_order SET design_id = 9999 WHERE sales_order_id IN (1, 2);
    UPDATE sales_order SET units_sold = 1 WHERE sales_order_id = 3;
    DELETE FROM payment WHERE payment_id <= 4;
    DELETE FROM staff WHERE staff_id = 951;
    UPDATE department SET location = location WHERE department_id = 3;
    """,
    # They are valid again, change while in quarantine, or are deleted.
    """
    INSERT INTO department (department_id, department_name) VALUES (99, 'New');
    DELETE FROM staff WHERE staff_id = 950;
    UPDATE currency SET currency_code = 'USD' WHERE currency_id = 2;
    INSERT INTO design (design_id, design_name, file_location, file_name) VALUES (9999, 'Late', '/', 'late.json');
    DELETE FROM payment WHERE transaction_id IN (SELECT transaction_id FROM transaction WHERE sales_order_id = 3);
    DELETE FROM transaction WHERE sales_order_id = 3;
    DELETE FROM sales_order WHERE sales_order_id = 3;
    """,
)


@pytest.fixture(scope="module")
def lake(shared_lake, shared_totesys, shared_reader):
    """Return a lake whose first batch and changes the driver has read and written."""
    shared_lake.ingest(shared_reader)
    shared_lake.transform()
    for statements in CHANGES:
        with psycopg.connect(shared_totesys) as connection:
            connection.execute(statements)
        shared_lake.ingest(shared_reader)
        shared_lake.transform()
    return shared_lake


def contents(lake):
    """Return the rows of every star table that each active part has, with those in quarantine."""
    parts = [part for batch in active_batches(lake.processed_batches()) for part in batch.parts]
    processed = Scan(lake.spark, lake.processed)
    rows = [
        {name: sorted(map(str, processed.rows([table.file_set(0)], STAR_TABLES[name].stored_columns).collect()))}
        for part in parts
        for name, table in part.tables.items()
    ]
    held = [{name: (rows.rows, rows.sequences) for name, rows in part.held.items()} for part in parts]
    return rows, held, [part.broken for part in parts]


def months(lake):
    """Return the months of each fact in each active part."""
    parts = [part for batch in active_batches(lake.processed_batches()) for part in batch.parts]
    return [{name: table.months for name, table in part.tables.items() if table.months} for part in parts]


def test_files_of_few_rows_are_written_without_a_temporary_copy(lake):
    """Object Lock would keep the copies that Spark, whose files are numbered, makes in `_temporary`."""
    zones = [lake.folder / zone / "tables" for zone in (lake.ingested, lake.processed)]
    names = [path.name for zone in zones for path in zone.rglob("*.parquet")]

    assert len(names) > 30
    assert [name for name in names if re.match(r"part-\d{5}-", name)] == []


def test_spark_writes_the_same_rows_and_quarantine(lake, monkeypatch):
    """Batch by batch, over lookups, deletions, broken rules and their repair; Spark writes a file for each month."""
    by_driver = contents(lake)
    assert {each for part in months(lake) for each in part.values()} == {(SEVERAL_MONTHS,)}
    assert [sorted(part) for part in by_driver[1]] == [[], [], ["dim_currency", "dim_staff", "fact_sales_order"], []]

    monkeypatch.setattr(scan, "FEW_ROWS", 0)
    monkeypatch.setattr(files, "_ROWS_OF_ONE_TASK", 100)
    transform.run(job_run(rebuild="true"), lake.ingested, lake.processed)

    assert contents(lake) == by_driver
    assert all(each < ("2030",) for part in months(lake) for each in part.values())


def test_files_have_the_types_of_files_of_spark(lake):
    """As Spark writes them: decimals are integers, times have no zone."""
    batches = lake.processed_batches()
    [first] = [batch for batch in batches if batch.sequence == 1]
    rebuilt = batches[-1].parts[0]
    for name in STAR_TABLES:
        by_driver, by_spark = (
            parquet.ParquetFile(next((lake.folder / lake.processed / batch.tables[name].path).rglob("*.parquet")))
            for batch in (first, rebuilt)
        )
        types = [
            [(column.name, column.physical_type, str(column.logical_type)) for column in file.schema]
            for file in (by_driver, by_spark)
        ]
        assert types[0] == types[1]


def test_an_empty_file_does_not_end_a_local_frame(spark):
    """Spark takes an empty chunk of an Arrow table for its end."""
    frame = spark.createDataFrame([(1,), (2,)], "key int")
    rows = frame.toArrow()

    assert local_frame(spark, pa.concat_tables([rows, rows.slice(0, 0), rows]), frame.schema).count() == 4


def test_a_file_may_lack_a_column_and_have_no_wanted_row(lake):
    """A column that it lacks is NULL."""
    table = STAR_TABLES["dim_staff"]
    sets = [batch.tables["dim_staff"].file_set(batch.sequence) for batch in lake.processed_batches()[:2]]
    later = (*table.stored_columns, replace(table.columns[1], name="nickname"))
    s3 = s3_for_readers(boto3)

    found = DriverScan(lake.spark, lake.processed, s3, "staff_id", {1, 950}).rows(sets, later).collect()
    none = DriverScan(lake.spark, lake.processed, s3, "staff_id", ()).rows(sets, later)

    assert {(row.staff_id, row.nickname) for row in found} == {(1, None), (950, None)}
    assert none.count() == 0
