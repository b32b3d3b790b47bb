"""The copy into staging: exact values, one COPY per partition, no password in errors."""

import datetime as dt
from decimal import Decimal

import psycopg
import pytest

from totelake.lake.frames import schema
from totelake.runtime.errors import StagingError
from totelake.tables import STAR_TABLES
from totelake.warehouse.postgres import apply, staging

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


def locations(spark, *numbers):
    """Return a location for each of `numbers`."""
    rows = [(number, "1 O'Keefe Road", None, None, "Köln", "01138", "DE", "0021 366201", 1, None) for number in numbers]
    return spark.createDataFrame(rows, schema(LOCATION.stored_columns))


def staged_rows(connection, name):
    """Return the rows of the staging table `name`."""
    return connection.execute(f'SELECT * FROM staging."{name}" ORDER BY 1').fetchall()


def test_text_and_null_are_copied_exactly(spark, warehouse, connection):
    """Apostrophes, leading zeros, umlauts and NULL."""
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        staging.copy(locations(spark, 1), warehouse.conninfo, names["dim_location"])
        assert staged_rows(connection, names["dim_location"]) == [
            (1, "1 O'Keefe Road", None, None, "Köln", "01138", "DE", "0021 366201", 1, None)
        ]


def test_money_dates_and_large_numbers_are_copied_exactly(spark, warehouse, connection):
    """All 38 digits of a decimal, a future date, a version over 32 bits."""
    frame = spark.createDataFrame([ORDER], schema(PURCHASE.stored_columns))
    with staging.staging_tables(connection, [PURCHASE], "1_test") as names:
        staging.copy(frame, warehouse.conninfo, names["fact_purchase_order"])
        assert staged_rows(connection, names["fact_purchase_order"]) == [ORDER]


def test_every_partition_is_copied_and_an_empty_one_adds_nothing(spark, warehouse, connection):
    """More partitions than rows."""
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        staging.copy(locations(spark, 1, 2, 3).repartition(5), warehouse.conninfo, names["dim_location"])
        assert [row[0] for row in staged_rows(connection, names["dim_location"])] == [1, 2, 3]


def test_partition_copied_twice_counts_once(spark, warehouse, connection):
    """Distinct rows are counted."""
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        staging.copy(locations(spark, 1, 2), warehouse.conninfo, names["dim_location"])
        staging.copy(locations(spark, 2), warehouse.conninfo, names["dim_location"])
        assert len(staged_rows(connection, names["dim_location"])) == 3
        staging.check(connection, LOCATION, names["dim_location"], expected=2)


@pytest.mark.parametrize("expected", [1, 3])
def test_wrong_row_count_is_rejected(spark, warehouse, connection, expected):
    """Too low or too high, with both counts."""
    with staging.staging_tables(connection, [LOCATION], "1_test") as names:
        staging.copy(locations(spark, 1, 2), warehouse.conninfo, names["dim_location"])
        with pytest.raises(StagingError, match=f"dim_location: the batch has {expected} rows, staging 2") as raised:
            staging.check(connection, LOCATION, names["dim_location"], expected)
    assert (raised.value.expected, raised.value.actual) == (expected, 2)


def test_failed_copy_reports_the_cause_without_the_password(spark, warehouse, connection):
    """The error names the missing table; no message of an executor has the password."""
    with pytest.raises(Exception, match="no_such_table") as raised:
        staging.copy(locations(spark, 1), warehouse.conninfo, "no_such_table")
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
