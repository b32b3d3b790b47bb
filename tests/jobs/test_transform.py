"""The transform stage on ingested batches: every change of a fact, and only changed rows of a dimension."""

import datetime as dt
import hashlib
import json

import boto3
import psycopg
import pytest

from tests.lakes import job_run
from totelake import transform
from totelake.lake import catalog, quarantine
from totelake.lake.batches import ProcessedBatch, active_batches
from totelake.lake.commit_log import CommitLog
from totelake.lake.scan import Scan
from totelake.lake.zones import PROCESSED
from totelake.runtime.errors import LogError, QuarantineError
from totelake.tables import STAR_TABLES
from totelake.tables.model import SEVERAL_MONTHS


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of the totesys that all tests of this module change in sequence."""
    return shared_totesys


@pytest.fixture(scope="module")
def reader(shared_reader):
    """Return the login with which the ingest stage reads it."""
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
    """Run statements in one transaction."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def test_first_batch_builds_every_star_table(first):
    """Facts row by row; the calendar from 2020 to 2050."""
    ingested, batch = first

    assert set(batch.tables) == set(STAR_TABLES)
    assert (batch.first_ingested, batch.last_ingested) == (1, 1)
    assert batch.tables["fact_payment"].rows == ingested.tables["payment"].rows
    assert batch.tables["dim_date"].rows == 11_323
    assert batch.quarantined == {}


def test_transform_writes_nothing_without_pending_batches(lake):
    """Neither a file nor a commit record."""
    files = lake.files()

    assert lake.transform() is None
    assert lake.files() == files


def test_all_pending_batches_are_transformed_in_one_run(lake, totesys, reader):
    """Both versions of the order are rows, and the commit record names the range."""
    change(totesys, "UPDATE sales_order SET units_sold = 1111 WHERE sales_order_id = 1")
    lake.ingest(reader)
    change(totesys, "UPDATE sales_order SET units_sold = 2222 WHERE sales_order_id = 1")
    lake.ingest(reader)

    batch = lake.transform()

    earlier, later = batch.first_ingested, batch.last_ingested
    rows = lake.rows(batch, "fact_sales_order").orderBy("_ingested_sequence").collect()
    assert [(row.units_sold, row._ingested_sequence) for row in rows] == [(1111, earlier), (2222, later)]
    assert set(batch.tables) == {"fact_sales_order"}


def test_department_change_updates_every_member_of_staff(lake, totesys, reader):
    """And no one else; both tables of a join can change a dimension."""
    with psycopg.connect(totesys) as connection:
        rows = connection.execute("SELECT staff_id FROM staff WHERE department_id = 2 ORDER BY 1").fetchall()
    members = [staff_id for (staff_id,) in rows]
    change(totesys, "UPDATE department SET location = 'York' WHERE department_id = 2")
    lake.ingest(reader)

    batch = lake.transform()

    rows = lake.rows(batch, "dim_staff").orderBy("staff_id").collect()
    assert members
    assert [row.staff_id for row in rows] == members
    assert {row.location for row in rows} == {"York"}
    assert set(batch.tables) == {"dim_staff"}


def test_address_change_updates_the_location_and_its_counterparties(lake, totesys, reader):
    """One source table feeds two dimensions."""
    change(
        totesys, "UPDATE address SET city = 'York' WHERE address_id = (SELECT min(legal_address_id) FROM counterparty)"
    )
    lake.ingest(reader)

    batch = lake.transform()

    assert set(batch.tables) == {"dim_location", "dim_counterparty"}
    assert batch.tables["dim_location"].rows == 1
    assert {row.counterparty_legal_city for row in lake.rows(batch, "dim_counterparty").collect()} == {"York"}


def test_change_of_a_column_in_no_dimension_writes_no_row(lake, totesys, reader):
    """The batch covers the ingested range nevertheless."""
    change(totesys, "UPDATE department SET manager = 'A. Other', last_updated = clock_timestamp()")
    lake.ingest(reader)

    batch = lake.transform()

    assert batch.tables == {}
    assert batch.last_ingested == lake.ingested_batches()[-1].sequence
    assert lake.transform() is None


def test_only_changed_and_new_dimension_rows_are_written(lake, totesys, reader):
    """A member of staff moved to a department is joined to it although the department did not change."""
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


def quarantined_rows(lake, batch, table):
    """Return the quarantined rows of `table`: key, rule, column, value, superseded."""
    rows = lake.spark.read.parquet(f"s3://{lake.processed}/{batch.held[table].path}").collect()
    return [(row[0], row.rule, row.column, row.value, row.superseded) for row in rows]


def test_row_that_violates_a_rule_is_quarantined_and_the_others_are_written(lake, totesys, reader):
    """With key, rule and value; once corrected in totesys, it is in the next batch and leaves quarantine."""
    change(
        totesys,
        "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 3",
        "UPDATE sales_order SET units_sold = 3333 WHERE sales_order_id IN (4, 5)",
    )
    lake.ingest(reader)

    batch = lake.transform()

    assert batch.quarantined == {"fact_sales_order": 1}
    assert batch.broken == {"fact_sales_order": {"date": 1}}
    metrics = boto3.client("cloudwatch").list_metrics(Namespace="Totelake", MetricName="QuarantinedRows")["Metrics"]
    dimensions = [{dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]} for metric in metrics]
    assert {"Table": "fact_sales_order", "Rule": "date"} in dimensions
    assert batch.tables["fact_sales_order"].rows == 2
    assert batch.held["fact_sales_order"].rows == 1
    assert quarantined_rows(lake, batch, "fact_sales_order") == [
        (3, "date", "agreed_payment_date", "2024-02-30", False)
    ]
    [fault] = quarantine.violations(lake.processed)
    assert (fault.table, fault.key, fault.rule, fault.value) == ("fact_sales_order", 3, "date", "2024-02-30")
    assert json.loads(fault.row)["agreed_payment_date"] == "2024-02-30"

    change(totesys, "UPDATE currency SET last_updated = clock_timestamp() WHERE currency_id = 1")
    lake.ingest(reader)
    assert lake.transform().held["fact_sales_order"].rows == 1

    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 3")
    lake.ingest(reader)
    corrected = lake.transform()
    assert corrected.tables["fact_sales_order"].rows == 1
    assert (corrected.held, corrected.quarantined) == ({}, {})
    assert quarantine.violations(lake.processed) == []


def test_versions_of_an_order_are_quarantined_until_its_reference_is_valid(lake, totesys, reader):
    """An unknown currency is quarantined with both versions of the order that references it, until it is corrected."""
    change(
        totesys,
        "INSERT INTO currency (currency_id, currency_code) VALUES (9, 'XXQ')",
        "UPDATE sales_order SET currency_id = 9 WHERE sales_order_id = 6",
    )
    lake.ingest(reader)
    change(totesys, "UPDATE sales_order SET units_sold = 6666 WHERE sales_order_id = 6")
    last = lake.ingest(reader)

    batch = lake.transform()

    assert quarantined_rows(lake, batch, "dim_currency") == [(9, "not null", "currency_name", None, False)]
    assert batch.held["fact_sales_order"].sequences == (last.sequence - 1, last.sequence)
    assert set(quarantined_rows(lake, batch, "fact_sales_order")) == {(6, "reference", "currency_id", "9", False)}

    change(totesys, "UPDATE currency SET currency_code = 'CHF' WHERE currency_id = 9")
    lake.ingest(reader)
    released = lake.transform()

    assert (released.held, released.quarantined) == ({}, {})
    assert [row.currency_name for row in lake.rows(released, "dim_currency").collect()] == ["Swiss Franc"]
    rows = lake.rows(released, "fact_sales_order").orderBy("_ingested_sequence").collect()
    assert [row._ingested_sequence for row in rows] == [last.sequence - 1, last.sequence]
    assert rows[1].units_sold == 6666


def test_deleted_row_is_written_with_its_deletion_time(lake, totesys, reader):
    """For facts and dimensions; an invalid last version does not delay the deletion."""
    change(totesys, "INSERT INTO currency (currency_id, currency_code) VALUES (8, 'NOK')")
    change(totesys, "UPDATE payment SET payment_amount = 2000000 WHERE payment_id = 12")
    lake.ingest(reader)
    before = lake.transform()
    change(totesys, "DELETE FROM currency WHERE currency_id = 8", "DELETE FROM payment WHERE payment_id IN (11, 12)")
    ingested = lake.ingest(reader)

    batch = lake.transform()

    assert quarantined_rows(lake, before, "fact_payment") == [
        (12, "range", "payment_amount", "2000000.000000000000000000", False)
    ]
    deleted = dt.datetime.fromisoformat(ingested.snapshot.taken_at).replace(tzinfo=None)
    payments = lake.rows(batch, "fact_payment").orderBy("payment_id").collect()
    assert [(row.payment_id, row._ingested_sequence, row._deleted_at) for row in payments] == [
        (11, ingested.sequence, deleted),
        (12, ingested.sequence, deleted),
    ]
    assert payments[1].payment_amount < 1_000_000
    [currency] = lake.rows(batch, "dim_currency").collect()
    assert (currency.currency_code, currency._deleted_at) == ("NOK", deleted)
    assert batch.held == {}


def test_row_deleted_before_it_was_ever_valid_leaves_nothing(lake, totesys, reader):
    """It leaves quarantine, and the warehouse never gets it."""
    change(
        totesys,
        "INSERT INTO sales_order (sales_order_id, design_id, staff_id, counterparty_id, units_sold, unit_price,"
        " currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id)"
        " VALUES (9001, 1, 1, 1, 7, 3, 1, '2024-11-21', '2024-11-21', 1)",
    )
    lake.ingest(reader)
    assert lake.transform().held["fact_sales_order"].rows == 1
    change(totesys, "DELETE FROM sales_order WHERE sales_order_id = 9001")
    lake.ingest(reader)

    batch = lake.transform()

    assert (batch.tables, batch.held, batch.quarantined) == ({}, {}, {})


def test_too_many_invalid_rows_stop_the_stage_until_they_are_allowed(lake, totesys, reader):
    """An error in every row is systematic and not quarantined."""
    change(totesys, "UPDATE payment SET payment_amount = 0 WHERE payment_id BETWEEN 21 AND 40")
    lake.ingest(reader)

    with pytest.raises(QuarantineError, match="fact_payment: 20 of 20 new rows break a rule"):
        lake.transform()
    batch = transform.run(job_run(quarantine_share="1"), lake.ingested, lake.processed)
    assert batch.quarantined == {"fact_payment": 20}

    change(totesys, "UPDATE payment SET payment_amount = 100 WHERE payment_id BETWEEN 21 AND 40")
    lake.ingest(reader)
    assert lake.transform().held == {}


def test_batch_with_only_an_invalid_change_is_covered(lake, totesys, reader):
    """The date is after the end of the calendar; the warehouse would reject it in every run."""
    change(totesys, "UPDATE sales_order SET agreed_delivery_date = '2119-11-20' WHERE sales_order_id = 3")
    lake.ingest(reader)

    batch = lake.transform()

    assert (batch.tables, batch.quarantined) == ({}, {"fact_sales_order": 1})
    assert lake.transform() is None
    change(totesys, "UPDATE sales_order SET agreed_delivery_date = '2024-11-20' WHERE sales_order_id = 3")
    lake.ingest(reader)
    assert lake.transform().held == {}


def test_missing_records_in_the_ingested_log_stop_the_stage(lake):
    """Otherwise later versions would get lower sequence numbers than loaded ones."""
    last = lake.ingested_batches()[-1].sequence
    record = lake.folder / lake.ingested / "log" / f"{last:08d}.json"
    saved = record.read_bytes()
    record.unlink()

    with pytest.raises(LogError, match=f"covers it up to {last}"):
        lake.transform()

    record.write_bytes(saved)


def test_invalid_dimension_row_keeps_the_previous_version_active(lake, totesys, reader):
    """Facts that reference it are written; reverted in totesys, it leaves no row."""
    change(
        totesys,
        "UPDATE currency SET currency_code = 'XXQ' WHERE currency_id = 2",
        "UPDATE sales_order SET units_sold = 7777, currency_id = 2 WHERE sales_order_id = 8",
    )
    lake.ingest(reader)
    batch = lake.transform()
    assert set(batch.tables) == {"fact_sales_order"}
    assert set(batch.held) == {"dim_currency"}

    change(totesys, "UPDATE currency SET currency_code = 'USD' WHERE currency_id = 2")
    lake.ingest(reader)
    batch = lake.transform()
    assert (batch.tables, batch.held) == ({}, {})


@pytest.fixture
def without_foreign_keys(totesys):
    """Drop the foreign keys of staff and counterparty and make their columns nullable; restore both after the test."""
    keys = (("staff", "department_id", "department"), ("counterparty", "legal_address_id", "address"))
    with psycopg.connect(totesys) as connection:
        for table, column, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_fkey")
            connection.execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
    yield
    with psycopg.connect(totesys) as connection:
        for table, column, parent in keys:
            parent_exists = f"SELECT FROM {parent} WHERE {parent}_id = {table}.{column}"
            connection.execute(
                f"UPDATE {table} SET {column} = 1 WHERE NOT EXISTS ({parent_exists})"
            )  # left by a failed test
            connection.execute(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")
            connection.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {parent}")


@pytest.mark.usefixtures("without_foreign_keys")
def test_dimension_row_is_quarantined_until_its_lookup_succeeds(lake, totesys, reader):
    """A new row is withheld from facts, an existing one keeps its version; inserting the department releases both."""
    change(
        totesys,
        "INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)"
        " VALUES (901, 'Ada', 'L', 99, 'a@x'), (902, 'Bob', 'M', NULL, 'b@x')",
        "UPDATE staff SET department_id = 99, email_address = 'moved@x' WHERE staff_id = 2",
        "UPDATE sales_order SET staff_id = 901 WHERE sales_order_id = 31",
    )
    sequence = lake.ingest(reader).sequence
    batch = lake.transform()

    assert (batch.tables, batch.quarantined) == ({}, {"dim_staff": 3, "fact_sales_order": 1})
    assert batch.broken["dim_staff"] == {"reference": 2, "not null": 1}
    listed = [
        (fault.table, fault.key, fault.rule, fault.column, fault.value)
        for fault in quarantine.violations(lake.processed)
    ]
    assert listed == [
        ("dim_staff", 2, "reference", "department_id", "99"),
        ("dim_staff", 901, "reference", "department_id", "99"),
        ("dim_staff", 902, "not null", "department_id", None),
        ("fact_sales_order", 31, "reference", "sales_staff_id", "901"),
    ]
    assert json.loads(quarantine.violations(lake.processed)[0].row)["department_id"] == 99

    change(totesys, "UPDATE department SET manager = 'Anyone' WHERE department_id = 1")
    lake.ingest(reader)
    unchanged = lake.transform()
    assert (unchanged.tables, unchanged.quarantined, unchanged.held["dim_staff"].rows) == ({}, {}, 3)
    assert {fault.sequence for fault in quarantine.violations(lake.processed)} == {sequence}

    change(totesys, "INSERT INTO department (department_id, department_name) VALUES (99, 'New')")
    change(totesys, "DELETE FROM staff WHERE staff_id = 902")
    lake.ingest(reader)
    released = lake.transform()
    assert (released.held, released.quarantined) == ({}, {})
    staff = {row.staff_id: row for row in lake.rows(released, "dim_staff").collect()}
    assert {key: (row.department_name, row.location) for key, row in staff.items()} == {
        2: ("New", "Undefined"),
        901: ("New", "Undefined"),
    }
    assert staff[2].email_address == "moved@x"
    assert [row.sales_staff_id for row in lake.rows(released, "fact_sales_order").collect()] == [901]


def test_months_of_a_fact_are_catalog_partitions(lake, first, partitions):
    """A processed batch of few rows has one partition for all months of a fact."""
    _, batch = first

    registered = partitions(PROCESSED, "fact_sales_order")

    assert [values for values in registered if values[0] == batch.batch_id] == [[batch.batch_id, SEVERAL_MONTHS]]


def test_rebuilt_zone_has_the_same_rows_and_keeps_the_old_files(lake, partitions):
    """All rows of all tables are in new files; only those are in the catalog, and the log continues."""
    before, files = contents(lake), {name: checksum(lake, name) for name in lake.files()}
    written = active_batches(lake.processed_batches())

    batch = transform.run(job_run(rebuild="true"), lake.ingested, lake.processed)

    assert (batch.first_ingested, batch.last_ingested) == (1, written[-1].last_ingested)
    assert len(batch.parts) == len(written) > 10
    assert contents(lake) == before
    assert {name: checksum(lake, name) for name in files} == files
    assert {values[0] for values in partitions(PROCESSED, "fact_payment")} <= {part.batch_id for part in batch.parts}
    assert len(partitions(PROCESSED, "fact_payment")) == sum(
        len(part.tables["fact_payment"].months) for part in batch.parts if "fact_payment" in part.tables
    )
    assert lake.transform() is None

    registered = partitions(PROCESSED, "dim_currency")
    for values in registered:
        boto3.client("glue").delete_partition(
            DatabaseName=PROCESSED.database, TableName="dim_currency", PartitionValues=values
        )
    catalog.register_committed(CommitLog(lake.processed, ProcessedBatch), PROCESSED)
    assert partitions(PROCESSED, "dim_currency") == registered


def test_timestamps_outside_the_calendar_are_quarantined_unchanged(lake, totesys, reader):
    """From year 1 to 9999, and the ten days missing in the Gregorian calendar."""
    days = {33: "0001-01-01", 34: "1582-10-10", 35: "2019-12-31", 36: "2051-01-01", 37: "9999-12-31"}
    changes = [
        f"UPDATE sales_order SET created_at = '{day} 23:59:59.999' WHERE sales_order_id = {key}"
        for key, day in days.items()
    ]
    change(totesys, *changes)
    lake.ingest(reader)

    lake.transform()

    faults = quarantine.violations(lake.processed)
    assert [(fault.key, fault.rule, fault.column, fault.value) for fault in faults] == [
        (key, "range", "created_date", day) for key, day in days.items()
    ]
    assert [(row["created_date"], row["created_time"]) for row in (json.loads(fault.row) for fault in faults)] == [
        (day, "23:59:59.999") for day in days.values()
    ]
    change(totesys, "UPDATE sales_order SET created_at = '2024-01-01' WHERE sales_order_id BETWEEN 33 AND 37")
    lake.ingest(reader)
    assert lake.transform().held == {}


@pytest.mark.usefixtures("without_foreign_keys")
def test_counterparty_is_quarantined_without_its_address_but_its_deletion_is_not(lake, totesys, reader):
    """The deletion has the last values written."""
    change(totesys, "UPDATE counterparty SET legal_address_id = NULL WHERE counterparty_id = 1")
    change(
        totesys,
        "INSERT INTO counterparty (counterparty_id, counterparty_legal_name, legal_address_id) VALUES (901, 'New', 1)",
    )
    lake.ingest(reader)
    batch = lake.transform()
    assert quarantined_rows(lake, batch, "dim_counterparty") == [(1, "not null", "legal_address_id", None, False)]
    [written] = lake.rows(batch, "dim_counterparty").collect()

    change(totesys, "UPDATE counterparty SET legal_address_id = 9999 WHERE counterparty_id = 901")
    lake.ingest(reader)
    batch = lake.transform()
    assert (batch.tables, batch.quarantined) == ({}, {"dim_counterparty": 1})
    change(totesys, "UPDATE counterparty SET legal_address_id = 1 WHERE counterparty_id = 1")
    change(totesys, "DELETE FROM counterparty WHERE counterparty_id = 901")
    lake.ingest(reader)

    batch = lake.transform()

    assert batch.held == {}
    deleted = {row.counterparty_id: row for row in lake.rows(batch, "dim_counterparty").collect()}[901]
    assert deleted._deleted_at is not None
    assert deleted.counterparty_legal_city == written.counterparty_legal_city


@pytest.mark.usefixtures("without_foreign_keys")
def test_rows_of_a_deleted_department_keep_their_version_and_are_quarantined(lake, totesys, reader):
    """Unless they are deleted with it; a member moved to another department is released."""
    change(totesys, "INSERT INTO department (department_id, department_name) VALUES (98, 'Closing')")
    change(
        totesys,
        "INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)"
        " VALUES (911, 'Ada', 'L', 98, 'a@x'), (912, 'Bob', 'M', 98, 'b@x')",
    )
    lake.ingest(reader)
    assert lake.transform().tables["dim_staff"].rows == 2
    change(totesys, "DELETE FROM department WHERE department_id = 98", "DELETE FROM staff WHERE staff_id = 912")
    lake.ingest(reader)

    batch = lake.transform()

    assert quarantined_rows(lake, batch, "dim_staff") == [(911, "reference", "department_id", "98", False)]
    [deleted] = lake.rows(batch, "dim_staff").collect()
    assert (deleted.staff_id, deleted.department_name, deleted._deleted_at is None) == (912, "Closing", False)

    change(totesys, "UPDATE staff SET department_id = 1 WHERE staff_id = 911")
    lake.ingest(reader)
    released = lake.transform()
    assert released.held == {}
    assert [row.staff_id for row in lake.rows(released, "dim_staff").collect()] == [911]


@pytest.mark.usefixtures("without_foreign_keys")
def test_quarantined_rows_are_not_counted_again(lake, totesys, reader):
    """A change of a lookup table re-evaluates them, which must not stop the stage."""
    members = ", ".join(f"({920 + number}, 'A', 'B', 97, 'x')" for number in range(12))
    columns = "staff_id, first_name, last_name, department_id, email_address"
    change(totesys, f"INSERT INTO staff ({columns}) VALUES {members}")
    lake.ingest(reader)
    with pytest.raises(QuarantineError, match="dim_staff: 12 of 12 new rows"):
        lake.transform()
    transform.run(job_run(quarantine_share="1"), lake.ingested, lake.processed)
    change(totesys, "UPDATE department SET location = 'Hull' WHERE department_id = 1")
    lake.ingest(reader)

    batch = lake.transform()

    assert (batch.quarantined, batch.held["dim_staff"].rows) == ({}, 12)
    change(totesys, "DELETE FROM staff WHERE staff_id >= 920")
    lake.ingest(reader)
    assert lake.transform().held == {}


def contents(lake):
    """Return the rows of all active parts of the processed zone, by table."""
    processed = Scan(lake.spark, lake.processed)
    return {
        name: sorted(map(str, processed.rows(lake.processed_files(name), table.stored_columns).collect()))
        for name, table in STAR_TABLES.items()
    }


def checksum(lake, name):
    """Return the SHA-256 digest of a file of the lake."""
    return hashlib.sha256((lake.folder / name).read_bytes()).hexdigest()
