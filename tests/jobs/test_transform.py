"""The transform stage on ingested batches: every change of a fact, and of a dimension only what differs."""

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
from totelake.lake.versions import written_versions
from totelake.lake.zones import PROCESSED
from totelake.runtime.errors import LogError, QuarantineError
from totelake.tables import STAR_TABLES


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


def held_rows(lake, batch, table):
    """Return what is held back of `table`: key, rule, column, value, superseded."""
    rows = lake.spark.read.parquet(f"s3://{lake.processed}/{batch.held[table].path}").collect()
    return [(row[0], row.rule, row.column, row.value, row.superseded) for row in rows]


def test_a_row_that_breaks_a_rule_is_quarantined_and_the_others_go_on(lake, totesys, reader):
    """With its key, the rule and the value; corrected in totesys, it comes with the next batch and nothing waits."""
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
    dimensions = [{found["Name"]: found["Value"] for found in metric["Dimensions"]} for metric in metrics]
    assert {"Table": "fact_sales_order", "Rule": "date"} in dimensions
    assert batch.tables["fact_sales_order"].rows == 2
    assert batch.held["fact_sales_order"].rows == 1
    assert held_rows(lake, batch, "fact_sales_order") == [(3, "date", "agreed_payment_date", "2024-02-30", False)]
    [fault] = quarantine.faults(lake.processed)
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
    assert quarantine.faults(lake.processed) == []


def test_an_order_waits_for_what_it_refers_to_and_its_history_is_whole(lake, totesys, reader):
    """A currency that nobody knows is held back, and both versions of the order with it, until it is corrected."""
    change(
        totesys,
        "INSERT INTO currency (currency_id, currency_code) VALUES (9, 'XXQ')",
        "UPDATE sales_order SET currency_id = 9 WHERE sales_order_id = 6",
    )
    lake.ingest(reader)
    change(totesys, "UPDATE sales_order SET units_sold = 6666 WHERE sales_order_id = 6")
    last = lake.ingest(reader)

    batch = lake.transform()

    assert held_rows(lake, batch, "dim_currency") == [(9, "not null", "currency_name", None, False)]
    assert batch.held["fact_sales_order"].sequences == (last.sequence - 1, last.sequence)
    assert set(held_rows(lake, batch, "fact_sales_order")) == {(6, "reference", "currency_id", "9", False)}

    change(totesys, "UPDATE currency SET currency_code = 'CHF' WHERE currency_id = 9")
    lake.ingest(reader)
    released = lake.transform()

    assert (released.held, released.quarantined) == ({}, {})
    assert [row.currency_name for row in lake.rows(released, "dim_currency").collect()] == ["Swiss Franc"]
    rows = lake.rows(released, "fact_sales_order").orderBy("_ingested_sequence").collect()
    assert [row._ingested_sequence for row in rows] == [last.sequence - 1, last.sequence]
    assert rows[1].units_sold == 6666


def test_a_deleted_record_is_one_more_row_with_the_time(lake, totesys, reader):
    """Of a fact and of a dimension alike; a broken last version does not keep the deletion back."""
    change(totesys, "INSERT INTO currency (currency_id, currency_code) VALUES (8, 'NOK')")
    change(totesys, "UPDATE payment SET payment_amount = 2000000 WHERE payment_id = 12")
    lake.ingest(reader)
    before = lake.transform()
    change(totesys, "DELETE FROM currency WHERE currency_id = 8", "DELETE FROM payment WHERE payment_id IN (11, 12)")
    ingested = lake.ingest(reader)

    batch = lake.transform()

    assert held_rows(lake, before, "fact_payment") == [
        (12, "range", "payment_amount", "2000000.000000000000000000", False)
    ]
    gone = dt.datetime.fromisoformat(ingested.snapshot.taken_at).replace(tzinfo=None)
    payments = lake.rows(batch, "fact_payment").orderBy("payment_id").collect()
    assert [(row.payment_id, row._ingested_sequence, row._deleted_at) for row in payments] == [
        (11, ingested.sequence, gone),
        (12, ingested.sequence, gone),
    ]
    assert payments[1].payment_amount < 1_000_000
    [currency] = lake.rows(batch, "dim_currency").collect()
    assert (currency.currency_code, currency._deleted_at) == ("NOK", gone)
    assert batch.held == {}


def test_a_record_that_was_broken_all_its_life_leaves_nothing(lake, totesys, reader):
    """It was deleted before it was corrected: nobody waits for it, and the warehouse never heard of it."""
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


def test_more_broken_rows_than_may_be_stop_the_stage_until_they_are_allowed(lake, totesys, reader):
    """A mistake in every row is not one that is put aside."""
    change(totesys, "UPDATE payment SET payment_amount = 0 WHERE payment_id BETWEEN 21 AND 40")
    lake.ingest(reader)

    with pytest.raises(QuarantineError, match="fact_payment: 20 of 20 new rows break a rule"):
        lake.transform()
    batch = transform.run(job_run(quarantine_share="1"), lake.ingested, lake.processed)
    assert batch.quarantined == {"fact_payment": 20}

    change(totesys, "UPDATE payment SET payment_amount = 100 WHERE payment_id BETWEEN 21 AND 40")
    lake.ingest(reader)
    assert lake.transform().held == {}


def test_a_batch_whose_only_change_breaks_a_rule_is_covered_all_the_same(lake, totesys, reader):
    """A day beyond the calendar, which the warehouse would refuse for ever."""
    change(totesys, "UPDATE sales_order SET agreed_delivery_date = '2119-11-20' WHERE sales_order_id = 3")
    lake.ingest(reader)

    batch = lake.transform()

    assert (batch.tables, batch.quarantined) == ({}, {"fact_sales_order": 1})
    assert lake.transform() is None
    change(totesys, "UPDATE sales_order SET agreed_delivery_date = '2024-11-20' WHERE sales_order_id = 3")
    lake.ingest(reader)
    assert lake.transform().held == {}


def test_an_ingested_log_that_lost_records_stops_the_stage(lake):
    """Going on would number later versions below those that were loaded."""
    last = lake.ingested_batches()[-1].sequence
    record = lake.folder / lake.ingested / "log" / f"{last:08d}.json"
    kept = record.read_bytes()
    record.unlink()

    with pytest.raises(LogError, match=f"covers it up to {last}"):
        lake.transform()

    record.write_bytes(kept)


def test_a_dimension_row_that_breaks_a_rule_leaves_the_one_before_in_force(lake, totesys, reader):
    """Facts that refer to it pass; taken back in totesys, it leaves no trace."""
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
    """Drop the foreign keys of staff and counterparty, and make what refers nullable; undo it after the test."""
    keys = (("staff", "department_id", "department"), ("counterparty", "legal_address_id", "address"))
    with psycopg.connect(totesys) as connection:
        for table, column, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_fkey")
            connection.execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
    yield
    with psycopg.connect(totesys) as connection:
        for table, column, parent in keys:
            there = f"SELECT FROM {parent} WHERE {parent}_id = {table}.{column}"
            connection.execute(f"UPDATE {table} SET {column} = 1 WHERE NOT EXISTS ({there})")  # a failed test left it
            connection.execute(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")
            connection.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {parent}")


@pytest.mark.usefixtures("without_foreign_keys")
def test_a_dimension_row_waits_for_what_it_looks_up(lake, totesys, reader):
    """A new one is kept from the facts, one that was there stays as it was; the department that arrives frees both."""
    change(
        totesys,
        "INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)"
        " VALUES (901, 'Ada', 'L', 99, 'a@x'), (902, 'Bob', 'M', NULL, 'b@x')",
        "UPDATE staff SET department_id = 99, email_address = 'moved@x' WHERE staff_id = 2",
        "UPDATE sales_order SET staff_id = 901 WHERE sales_order_id = 31",
    )
    brought = lake.ingest(reader).sequence
    batch = lake.transform()

    assert (batch.tables, batch.quarantined) == ({}, {"dim_staff": 3, "fact_sales_order": 1})
    assert batch.broken["dim_staff"] == {"reference": 2, "not null": 1}
    found = [
        (fault.table, fault.key, fault.rule, fault.column, fault.value) for fault in quarantine.faults(lake.processed)
    ]
    assert found == [
        ("dim_staff", 2, "reference", "department_id", "99"),
        ("dim_staff", 901, "reference", "department_id", "99"),
        ("dim_staff", 902, "not null", "department_id", None),
        ("fact_sales_order", 31, "reference", "sales_staff_id", "901"),
    ]
    assert json.loads(quarantine.faults(lake.processed)[0].row)["department_id"] == 99

    change(totesys, "UPDATE department SET manager = 'Anyone' WHERE department_id = 1")
    lake.ingest(reader)
    again = lake.transform()
    assert (again.tables, again.quarantined, again.held["dim_staff"].rows) == ({}, {}, 3)
    assert {fault.sequence for fault in quarantine.faults(lake.processed)} == {brought}

    change(totesys, "INSERT INTO department (department_id, department_name) VALUES (99, 'New')")
    change(totesys, "DELETE FROM staff WHERE staff_id = 902")
    lake.ingest(reader)
    freed = lake.transform()
    assert (freed.held, freed.quarantined) == ({}, {})
    staff = {row.staff_id: row for row in lake.rows(freed, "dim_staff").collect()}
    assert {key: (row.department_name, row.location) for key, row in staff.items()} == {
        2: ("New", "Undefined"),
        901: ("New", "Undefined"),
    }
    assert staff[2].email_address == "moved@x"
    assert [row.sales_staff_id for row in lake.rows(freed, "fact_sales_order").collect()] == [901]


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


def test_a_rebuilt_zone_has_the_same_rows_and_the_old_files_stay(lake, partitions):
    """All rows of all tables, in new files; the catalog shows those alone, and the log goes on."""
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


def test_timestamps_beyond_the_calendar_are_held_back_as_they_are(lake, totesys, reader):
    """From the first year to the last that there are, and the ten days that one calendar leaves out."""
    days = {33: "0001-01-01", 34: "1582-10-10", 35: "2019-12-31", 36: "2051-01-01", 37: "9999-12-31"}
    changes = [
        f"UPDATE sales_order SET created_at = '{day} 23:59:59.999' WHERE sales_order_id = {key}"
        for key, day in days.items()
    ]
    change(totesys, *changes)
    lake.ingest(reader)

    lake.transform()

    faults = quarantine.faults(lake.processed)
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
def test_a_counterparty_waits_for_its_address_and_its_deletion_does_not(lake, totesys, reader):
    """The deletion shows what was written last."""
    change(totesys, "UPDATE counterparty SET legal_address_id = NULL WHERE counterparty_id = 1")
    change(
        totesys,
        "INSERT INTO counterparty (counterparty_id, counterparty_legal_name, legal_address_id) VALUES (901, 'New', 1)",
    )
    lake.ingest(reader)
    batch = lake.transform()
    assert held_rows(lake, batch, "dim_counterparty") == [(1, "not null", "legal_address_id", None, False)]
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
    gone = {row.counterparty_id: row for row in lake.rows(batch, "dim_counterparty").collect()}[901]
    assert gone._deleted_at is not None
    assert gone.counterparty_legal_city == written.counterparty_legal_city


@pytest.mark.usefixtures("without_foreign_keys")
def test_rows_whose_department_is_deleted_stay_as_they_were_and_wait(lake, totesys, reader):
    """Unless they are deleted with it; a member that moves on is free."""
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

    assert held_rows(lake, batch, "dim_staff") == [(911, "reference", "department_id", "98", False)]
    [gone] = lake.rows(batch, "dim_staff").collect()
    assert (gone.staff_id, gone.department_name, gone._deleted_at is None) == (912, "Closing", False)

    change(totesys, "UPDATE staff SET department_id = 1 WHERE staff_id = 911")
    lake.ingest(reader)
    freed = lake.transform()
    assert freed.held == {}
    assert [row.staff_id for row in lake.rows(freed, "dim_staff").collect()] == [911]


@pytest.mark.usefixtures("without_foreign_keys")
def test_rows_that_were_let_pass_into_quarantine_are_not_counted_again(lake, totesys, reader):
    """A change of what they look up has them judged again: that must not stop the stage."""
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
    """Return the rows of all parts in force of the processed zone, by table."""
    parts = [part for batch in active_batches(lake.processed_batches()) for part in batch.parts]
    paths = {name: [part.tables[name].path for part in parts if name in part.tables] for name in STAR_TABLES}
    return {
        name: sorted(map(str, written_versions(lake.spark, lake.processed, table, paths[name]).collect()))
        for name, table in STAR_TABLES.items()
    }


def checksum(lake, name):
    """Return the digest of a file of the lake."""
    return hashlib.sha256((lake.folder / name).read_bytes()).hexdigest()
