"""The transform stage on ingested batches: every change of a fact, and of a dimension only what differs."""

import psycopg
import pytest

from totelake.errors import LogError, RowRuleError
from totelake.tables import STAR_TABLES
from totelake.zones import PROCESSED


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of the totesys that all tests of this module change, one after the other."""
    return shared_totesys


@pytest.fixture(scope="module")
def reader(shared_reader):
    """Return the login by which the ingest stage reads it."""
    return shared_reader


@pytest.fixture(scope="module")
def first(shared_lake, shared_reader):
    """Return the first batch of each zone."""
    return shared_lake.ingest(shared_reader), shared_lake.transform()


@pytest.fixture
def lake(shared_lake, first):
    """Return the lake after its first batch."""
    return shared_lake


def change(url: str, *statements: str) -> None:
    """Let the business do something, in one transaction."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def test_the_first_batch_builds_every_star_table(first):
    """Facts row for row; the calendar from 2020 to 2050."""
    ingested, batch = first

    assert set(batch.tables) == set(STAR_TABLES)
    assert (batch.first_ingested, batch.last_ingested) == (1, 1)
    assert batch.tables["fact_payment"].rows == ingested.tables["payment"].rows
    assert batch.tables["dim_date"].rows == 11_323
    assert batch.quarantined == {}


def test_nothing_pending_means_nothing_written(lake):
    """No file, no record."""
    files = lake.files()

    assert lake.transform() is None
    assert lake.files() == files


def test_all_pending_batches_are_taken_in_one_go(lake, totesys, reader):
    """Both versions of the order become rows, and the record names the range."""
    change(totesys, "UPDATE sales_order SET units_sold = 1111 WHERE sales_order_id = 1")
    lake.ingest(reader)
    change(totesys, "UPDATE sales_order SET units_sold = 2222 WHERE sales_order_id = 1")
    lake.ingest(reader)

    batch = lake.transform()

    earlier, later = batch.first_ingested, batch.last_ingested
    rows = lake.rows(batch, "fact_sales_order").orderBy("_ingested_sequence").collect()
    assert [(row.units_sold, row._ingested_sequence) for row in rows] == [(1111, earlier), (2222, later)]
    assert set(batch.tables) == {"fact_sales_order"}


def test_a_change_of_department_reaches_every_member_of_its_staff(lake, totesys, reader):
    """And nobody else: both tables of a join can change a dimension."""
    with psycopg.connect(totesys) as connection:
        found = connection.execute("SELECT staff_id FROM staff WHERE department_id = 2 ORDER BY 1").fetchall()
    members = [staff_id for (staff_id,) in found]
    change(totesys, "UPDATE department SET location = 'York' WHERE department_id = 2")
    lake.ingest(reader)

    batch = lake.transform()

    rows = lake.rows(batch, "dim_staff").orderBy("staff_id").collect()
    assert members
    assert [row.staff_id for row in rows] == members
    assert {row.location for row in rows} == {"York"}
    assert set(batch.tables) == {"dim_staff"}


def test_a_change_of_address_reaches_the_location_and_whoever_lives_there(lake, totesys, reader):
    """One source table feeds two dimensions."""
    change(
        totesys, "UPDATE address SET city = 'York' WHERE address_id = (SELECT min(legal_address_id) FROM counterparty)"
    )
    lake.ingest(reader)

    batch = lake.transform()

    assert set(batch.tables) == {"dim_location", "dim_counterparty"}
    assert batch.tables["dim_location"].rows == 1
    assert {row.counterparty_legal_city for row in lake.rows(batch, "dim_counterparty").collect()} == {"York"}


def test_a_change_that_no_dimension_shows_writes_no_row(lake, totesys, reader):
    """The range is covered all the same."""
    change(totesys, "UPDATE department SET manager = 'Somebody', last_updated = clock_timestamp()")
    lake.ingest(reader)

    batch = lake.transform()

    assert batch.tables == {}
    assert batch.last_ingested == lake.ingested_batches()[-1].sequence
    assert lake.transform() is None


def test_a_changed_and_a_new_member_of_staff_are_the_only_rows_that_go_out(lake, totesys, reader):
    """A move to another department finds that department although it did not change."""
    change(
        totesys,
        "UPDATE staff SET department_id = 8 WHERE staff_id = 1",
        "INSERT INTO staff (first_name, last_name, department_id, email_address)"
        " VALUES ('Mary', 'O''Keefe', 1, 'mary.okeefe@terrifictotes.com')",
    )
    lake.ingest(reader)

    batch = lake.transform()

    rows = lake.rows(batch, "dim_staff").orderBy("staff_id").collect()
    assert [(row.department_name, row.last_name == "O'Keefe") for row in rows] == [("HR", False), ("Sales", True)]


def test_a_row_that_breaks_a_rule_is_quarantined_and_the_others_go_on(lake, totesys, reader):
    """With its key and what is wrong; corrected in totesys, it comes with the next batch."""
    change(
        totesys,
        "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 3",
        "UPDATE sales_order SET units_sold = 3333 WHERE sales_order_id IN (4, 5)",
    )
    lake.ingest(reader)

    batch = lake.transform()

    assert batch.quarantined == {"fact_sales_order": 1}
    assert batch.tables["fact_sales_order"].rows == 2
    place = f"s3://{lake.processed}/quarantine/fact_sales_order/batch_id={batch.batch_id}/"
    [held] = lake.spark.read.parquet(place).collect()
    assert held.sales_order_id == 3
    assert held._broken == ["agreed_payment_date is missing or not of type date"]

    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 3")
    lake.ingest(reader)
    assert lake.transform().tables["fact_sales_order"].rows == 1


def test_a_batch_whose_only_change_breaks_a_rule_is_covered_all_the_same(lake, totesys, reader):
    """A day beyond the calendar, which the warehouse would refuse for ever."""
    change(totesys, "UPDATE sales_order SET agreed_delivery_date = '2119-11-20' WHERE sales_order_id = 3")
    lake.ingest(reader)

    batch = lake.transform()

    assert (batch.tables, batch.quarantined) == ({}, {"fact_sales_order": 1})
    assert lake.transform() is None


def test_an_ingested_log_that_lost_records_stops_the_stage(lake):
    """Going on would number later versions below those that were loaded."""
    last = lake.ingested_batches()[-1].sequence
    record = lake.folder / lake.ingested / "log" / f"{last:08d}.json"
    kept = record.read_bytes()
    record.unlink()

    with pytest.raises(LogError, match=f"covers it up to {last}"):
        lake.transform()

    record.write_bytes(kept)


def test_a_dimension_that_breaks_a_rule_stops_the_stage(lake, totesys, reader):
    """Facts refer to it, so it cannot be held back; nothing is committed."""
    change(totesys, "UPDATE currency SET currency_code = 'XXQ' WHERE currency_id = 2")
    lake.ingest(reader)

    with pytest.raises(
        RowRuleError, match="dim_currency: 1 rows break its rules, for example 2: currency_name is missing"
    ):
        lake.transform()

    change(totesys, "UPDATE currency SET currency_code = 'USD' WHERE currency_id = 2")
    corrected = lake.ingest(reader)
    batch = lake.transform()
    assert (batch.first_ingested, batch.last_ingested) == (corrected.sequence - 1, corrected.sequence)


def test_a_facts_months_are_partitions_of_the_catalog(lake, first, totesys, partitions):
    """A processed batch has one partition for each month of each fact."""
    _, batch = first
    months = batch.tables["fact_sales_order"].months

    registered = partitions(PROCESSED, "fact_sales_order")

    assert [values for values in registered if values[0] == batch.batch_id] == [
        [batch.batch_id, month] for month in months
    ]
    with psycopg.connect(totesys) as connection:
        found = connection.execute(
            "SELECT DISTINCT to_char(created_at, 'YYYY-MM') FROM sales_order ORDER BY 1"
        ).fetchall()
    assert [month for (month,) in found] == list(months)
