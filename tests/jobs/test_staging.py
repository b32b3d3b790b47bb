"""The copy of files into staging: exact values, every file once, no password in errors."""

import datetime as dt
from decimal import Decimal

import boto3
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.lakes import job_run
from tests.star_batches import put
from totelake.lake.batches import ProcessedTable
from totelake.runtime.errors import StagingError
from totelake.tables import STAR_TABLES
from totelake.warehouse.postgres import apply, copying, staging

LOCATION, PURCHASE = STAR_TABLES["dim_location"], STAR_TABLES["fact_purchase_order"]
DAY = dt.date(2026, 9, 1)
# Money with 38 digits, a time of day with milliseconds, a code with leading zeros.
ORDER = (
    7,
    DAY,
    "08:05:09.007",
    DAY,
    "00:00:00.000",
    1,
    1,
    "00Y7Z12",
    3,
    Decimal("12345678901234567890.123456789012345678"),
    *(1, DAY, DAY, 1, 2**40, 1, dt.datetime(2026, 9, 1, 8, 5, 9, 7000)),
)


@pytest.fixture
def connection(warehouse):
    """Return a connection to a warehouse without rows."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        apply(opened)
        yield opened


@pytest.fixture(params=["driver", "executors"])
def copy(request, lake, warehouse, monkeypatch):
    """Return a function that copies the files in a folder of the lake to a staging table: the number of copies."""
    if request.param == "executors":
        monkeypatch.setattr(copying, "DRIVER_BYTES", -1)

    def run(table, staging_table, path="tables/"):
        part, s3 = ProcessedTable(path, rows=0, bytes=0), boto3.client("s3")
        copies = copying.plan(lake.processed, table, [part], staging_table, s3)
        copying.run_copies(job_run(), lake.processed, copies, warehouse.conninfo, s3)
        return len(copies)

    return run


def location(number):
    """Return a location."""
    return (number, "1 O'Keefe Road", None, None, "Köln", "01138", "DE", "0021 366201", 1, None)


def staged_rows(connection, name):
    """Return the rows of the staging table `name`."""
    return connection.execute(f'SELECT * FROM staging."{name}" ORDER BY 1').fetchall()


def test_text_and_null_are_copied_exactly(lake, copy, connection):
    """Apostrophes, leading zeros, umlauts and NULL."""
    put(lake.processed, "tables/1.parquet", LOCATION, [location(1)])
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        copy(LOCATION, names["dim_location"])
        assert staged_rows(connection, names["dim_location"]) == [location(1)]


def test_money_dates_and_large_numbers_are_copied_exactly(lake, copy, connection):
    """All 38 digits of a decimal, a future date, a version over 32 bits."""
    put(lake.processed, "tables/1.parquet", PURCHASE, [ORDER])
    with staging.staging_tables(connection, [PURCHASE], "1_test") as names:
        copy(PURCHASE, names["fact_purchase_order"])
        assert staged_rows(connection, names["fact_purchase_order"]) == [ORDER]


@pytest.fixture(params=[2**20, 0], ids=["together", "apart"])
def copies_of_three_files(request, monkeypatch):
    """Return how many copies three files take, which are copied together up to a number of bytes."""
    monkeypatch.setattr(copying, "COPY_BYTES", request.param)
    return 1 if request.param else 3


def test_every_file_is_copied_and_an_empty_one_adds_nothing(lake, copy, connection, copies_of_three_files):
    """A folder of months has several."""
    for name, rows in {
        "month=2024-01/1": [location(1), location(2)],
        "month=2024-02/1": [location(3)],
        "2": [],
    }.items():
        put(lake.processed, f"tables/{name}.parquet", LOCATION, rows)
    put(lake.processed, "other/1.parquet", LOCATION, [location(4)])
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        assert copy(LOCATION, names["dim_location"]) == copies_of_three_files
        assert [row[0] for row in staged_rows(connection, names["dim_location"])] == [1, 2, 3]


def test_column_missing_from_an_older_file_is_null(lake, copy, connection):
    """A file keeps the columns and the order that it was written with; a narrower number is widened."""
    file = pa.BufferOutputStream()
    columns = {
        "city": ["Leeds"],
        "location_id": pa.array([7], pa.int16()),
        "_ingested_sequence": pa.array([1], pa.int64()),
    }
    parquet.write_table(pa.table(columns), file)
    boto3.client("s3").put_object(Bucket=lake.processed, Key="tables/1.parquet", Body=file.getvalue().to_pybytes())
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        copy(LOCATION, names["dim_location"])
        assert staged_rows(connection, names["dim_location"]) == [(7, *[None] * 3, "Leeds", *[None] * 3, 1, None)]


def test_file_copied_twice_counts_once(lake, copy, connection):
    """Distinct rows are counted."""
    put(lake.processed, "tables/1.parquet", LOCATION, [location(1), location(2)])
    put(lake.processed, "again/1.parquet", LOCATION, [location(2)])
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        copy(LOCATION, names["dim_location"])
        copy(LOCATION, names["dim_location"], "again/")
        assert staging.count(connection, names["dim_location"]) == 3
        staging.check(connection, LOCATION, names["dim_location"], expected=2)


@pytest.mark.parametrize("expected", [1, 3])
def test_wrong_row_count_is_rejected(lake, copy, connection, expected):
    """Too low or too high, with both counts."""
    put(lake.processed, "tables/1.parquet", LOCATION, [location(1), location(2)])
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        copy(LOCATION, names["dim_location"])
        with pytest.raises(StagingError, match=f"dim_location: the batch has {expected} rows, staging 2") as raised:
            staging.check(connection, LOCATION, names["dim_location"], expected)
    assert (raised.value.expected, raised.value.actual) == (expected, 2)


def test_failed_copy_reports_the_cause_without_the_password(lake, copy, warehouse):
    """The error names the missing table; no message has the password."""
    put(lake.processed, "tables/1.parquet", LOCATION, [location(1)])
    with pytest.raises(Exception, match="no_such_table") as raised:
        copy(LOCATION, "no_such_table")
    assert warehouse.password not in str(raised.value)


def test_staging_tables_of_killed_attempts_are_dropped(connection):
    """Before the next attempt creates its tables, and its own at its end."""
    connection.execute("CREATE TABLE staging.dim_location_1_dead (location_id int)")
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace")
        assert tables.fetchall() == [(names["dim_location"],)]
    assert connection.execute("SELECT FROM pg_class WHERE relnamespace = 'staging'::regnamespace").fetchall() == []


def test_locked_leftover_table_does_not_block_the_next_attempt(connection, warehouse, monkeypatch):
    """The next load drops it."""
    monkeypatch.setattr(staging, "_DROP_WAIT", "50ms")
    connection.execute("CREATE TABLE staging.dim_location_1_dead (location_id int)")
    with psycopg.connect(warehouse.conninfo) as executor:
        executor.execute("INSERT INTO staging.dim_location_1_dead VALUES (1)")
        with staging.staging_tables(connection, [LOCATION], "1_test") as names:
            assert staged_rows(connection, names["dim_location"]) == []
        executor.rollback()
    staging.drop_all(connection)
    assert connection.execute("SELECT FROM pg_class WHERE relnamespace = 'staging'::regnamespace").fetchall() == []
