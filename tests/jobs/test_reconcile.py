"""The reconcile stage: the warehouse held against totesys, down to the keys, and what explains a difference."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import psycopg
import pytest

from tests.lakes import job_run
from tests.postgres_servers import WAREHOUSE_OWNER, login_of, superuser
from tests.warehouses import redshift_side
from totelake import reconcile
from totelake.ingest.source import open_source
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import compare as comparing
from totelake.reconcile import stage, warehouse_state
from totelake.reconcile.compare import Difference, Version, What
from totelake.reconcile.explanations import Evidence, Reason, last_loaded
from totelake.runtime import retry
from totelake.runtime.connections import Login
from totelake.runtime.errors import ReconcileError
from totelake.tables import STAR_TABLES
from totelake.warehouse import load
from totelake.warehouse.postgres import apply
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import ledger as redshift_ledger
from totelake.warehouse.redshift.ledger import rows_while


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of the totesys that all tests of this module change, one after the other."""
    return shared_totesys


@pytest.fixture(scope="module")
def reader(shared_reader):
    """Return the login by which it is read."""
    return shared_reader


@pytest.fixture(scope="module")
def loaded(make_module_database):
    """Return the login of the warehouse that follows that totesys."""
    return login_of(make_module_database(owner=WAREHOUSE_OWNER))


@pytest.fixture(scope="module")
def lake(shared_lake, reader, loaded):
    """Return a lake of which the warehouse has loaded the first batch."""
    run_stages(shared_lake, reader, loaded)
    return shared_lake


def run_stages(lake, reader, warehouse):
    """Run the workflow once."""
    lake.ingest(reader)
    lake.transform()
    lake.load(warehouse)


@pytest.fixture
def catch_up(lake, reader, loaded):
    """Return a function that brings the warehouse up to totesys."""
    return lambda: run_stages(lake, reader, loaded)


@pytest.fixture
def reconciled(lake, reader, loaded):
    """Return a function that compares, by default the warehouse that follows, and returns what it found by table."""

    def run(warehouse=loaded):
        opened = Postgres(warehouse) if isinstance(warehouse, Login) else warehouse
        return reconcile.run(job_run(), reconcile.Databases(reader, opened), lake.ingested, lake.processed)

    return run


@pytest.fixture
def tampered(lake, loaded, make_database, postgres_server):
    """Return a function that runs statements on a copy of the warehouse, past its foreign keys: the copy's login."""

    def make(*statements):
        copy = make_database(loaded.database, WAREHOUSE_OWNER)
        with psycopg.connect(superuser(postgres_server, login_of(copy).database)) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)
        return login_of(copy)

    return make


@pytest.fixture
def differences(reconciled, tampered):
    """Return a function that tampers with a copy of the warehouse and returns what is then told of each table."""

    def find(*statements):
        with pytest.raises(ReconcileError) as raised:
            reconciled(tampered(*statements))
        return raised.value.differences

    return find


@pytest.fixture(scope="module")
def in_redshift(lake, make_module_database):
    """Return a warehouse in Redshift that has loaded the same batches."""
    side = redshift_side(make_module_database(owner=WAREHOUSE_OWNER), f"s3://{lake.processed}/temporary")
    load.run(job_run(), lake.processed, side.warehouse)
    return side


@pytest.fixture
def tampered_in_redshift(in_redshift, make_database):
    """Return a function that runs statements on a copy of that warehouse, and returns the copy."""

    def make(*statements):
        copy = make_database(login_of(in_redshift.url).database, WAREHOUSE_OWNER)
        change(copy, *statements)
        return replace(in_redshift.warehouse, database=login_of(copy).database)

    return make


def change(url, *statements):
    """Let the business do something, in one transaction."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def explained(reports):
    """Return what differs for a reason: table to what, reason and keys."""
    return {
        table: [(what, reason, finding.keys) for (what, reason), finding in report.findings.items()]
        for table, report in reports.items()
        if report.findings
    }


def copies(table, key, number, **changed):
    """Return the statement that adds a copy of the first row of `table` under another key."""
    columns = [column.name for column in STAR_TABLES[table].stored_columns]
    values = [str({key: number, **changed}.get(name, name)) for name in columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} ORDER BY {key} LIMIT 1"


def published(name, table):
    """Return the sum of what the metric `name` was for `table`, over all runs."""
    found = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Totelake",
        MetricName=name,
        Dimensions=[{"Name": "Table", "Value": table}],
        StartTime=datetime.now(UTC) - timedelta(hours=2),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    return sum(point["Sum"] for point in found), sum(point["SampleCount"] for point in found)


def test_a_loaded_warehouse_does_not_differ(reconciled):
    """Every table but the calendar, every row of it."""
    reports = reconciled()

    assert set(reports) == STAR_TABLES.keys() - {"dim_date"}
    assert explained(reports) == {}
    assert reports["fact_sales_order"].rows_in_totesys == reports["fact_sales_order"].rows_in_warehouse == 200


def test_a_warehouse_in_redshift_does_not_differ(reconciled, in_redshift):
    """Every value is the same text on both sides: numbers, times of day, days, truths and what is NULL."""
    reports = reconciled(in_redshift.warehouse)

    assert {table: report.rows_in_warehouse for table, report in reports.items()} == {
        table: report.rows_in_warehouse for table, report in reconciled().items()
    }
    assert explained(reports) == {}


def test_what_differs_in_redshift_is_found_by_its_key(reconciled, tampered_in_redshift):
    """Down to the column: money by a hair, a millisecond, a truth, a space at the end of a text, NULL, a lost row."""
    warehouse = tampered_in_redshift(
        "UPDATE fact_payment SET payment_amount = payment_amount + 0.000000000000000001 WHERE payment_id = 1",
        "UPDATE fact_payment SET created_time = created_time + interval '1 millisecond' WHERE payment_id = 2",
        "UPDATE fact_payment SET paid = NOT paid WHERE payment_id = 3",
        "UPDATE dim_location SET city = city || ' ' WHERE location_id = 4",
        "UPDATE dim_location SET district = CASE WHEN district IS NULL THEN '' END WHERE location_id = 3",
        "DELETE FROM dim_staff WHERE staff_id = 5",
    )

    with pytest.raises(ReconcileError) as raised:
        reconciled(warehouse)

    assert raised.value.differences == {
        "fact_payment": ["3 different in payment_amount, created_time, paid: 1, 2, 3"],
        "dim_location": ["2 different in district, city: 3, 4"],
        "dim_staff": ["1 missing in the warehouse: 5"],
    }


def test_what_is_compared_in_redshift_is_one_state_of_it(reconciled, in_redshift, monkeypatch, capsys):
    """There is no snapshot to hold: when a load comes between, the comparison begins again."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    real, interrupted = rows_while, []

    def load_between(api, last, statement):
        if not interrupted:
            interrupted.append(True)
            return real(api, replace(last, entries=last.entries - 1), statement)
        return real(api, last, statement)

    monkeypatch.setattr(redshift_ledger, "rows_while", load_between)
    assert explained(reconciled(in_redshift.warehouse)) == {}
    assert "another load has changed load_ledger since it was read" in capsys.readouterr().out


def test_awkward_values_are_the_same_on_both_sides(reconciled, totesys, catch_up):
    """Zeros at the end of a number, quotes, commas and brackets in a text, an empty text beside a NULL."""
    change(
        totesys,
        "UPDATE sales_order SET unit_price = 2.500, created_at = '2024-02-29 23:59:59.990' WHERE sales_order_id = 8",
        "UPDATE payment SET payment_amount = 1000.0000000000010 WHERE payment_id = 8",
        r"""UPDATE address SET city = '"a\b", (c'',d) {e} %s é', address_line_2 = '', district = NULL
            WHERE address_id = 1""",
        "UPDATE department SET location = '' WHERE department_id = 1",
        "UPDATE department SET location = NULL WHERE department_id = 2",
        "INSERT INTO currency (currency_code) VALUES ('jpy')",
    )
    catch_up()

    assert explained(reconciled()) == {}


@pytest.mark.parametrize(
    ("table", "assignment", "condition", "told"),
    [
        ("fact_sales_order", "units_sold = units_sold + 1", "sales_order_id = 7", "1 different in units_sold: 7"),
        ("fact_sales_order", "unit_price = unit_price + 0.01", "sales_order_id = 7", "1 different in unit_price: 7"),
        ("fact_purchase_order", "item_code = 'x'", "purchase_order_id = 3", "1 different in item_code: 3"),
        ("fact_payment", "paid = NOT paid", "payment_id = 4", "1 different in paid: 4"),
        (
            "fact_payment",
            "created_time = created_time + interval '1 ms', payment_date = payment_date + 1",
            "payment_id < 3",
            "2 different in created_time, payment_date: 1, 2",
        ),
        ("dim_staff", "department_name = 'x'", "staff_id = 2", "1 different in department_name: 2"),
        ("dim_location", "district = ''", "district IS NULL", " different in district: "),
        ("dim_currency", "currency_name = 'Pound'", "currency_id = 1", "1 different in currency_name: 1"),
        ("dim_design", "file_name = 'x'", "design_id = 2", "1 different in file_name: 2"),
        ("dim_counterparty", "counterparty_legal_city = 'x'", "counterparty_id = 5", "in counterparty_legal_city: 5"),
        ("dim_transaction", "purchase_order_id = NULL", "purchase_order_id = 1", "1 different in purchase_order_id: "),
        ("dim_payment_type", "payment_type_name = 'x'", "payment_type_id = 2", "in payment_type_name: 2"),
    ],
)
def test_a_changed_value_is_found_by_its_key_and_column(differences, table, assignment, condition, told):
    """In every table, and nothing in another one."""
    found = differences(f"UPDATE {table} SET {assignment} WHERE {condition}")

    assert found.keys() == {table}
    assert len(found[table]) == 1
    assert told in found[table][0]


def test_missing_rows_and_extra_rows_are_found_by_their_keys(differences):
    """In several tables at once, the first five keys of each kind."""
    found = differences(
        "DELETE FROM fact_payment WHERE payment_id BETWEEN 11 AND 17",
        copies("fact_payment", "payment_id", 999_999),
        copies("fact_payment", "payment_id", -1),
        "DELETE FROM dim_design WHERE design_id = 3",
        copies("dim_currency", "currency_id", 99),
    )

    assert found == {
        "fact_payment": ["2 only in the warehouse: -1, 999999", "7 missing in the warehouse: 11, 12, 13, 14, 15, …"],
        "dim_design": ["1 missing in the warehouse: 3"],
        "dim_currency": ["1 only in the warehouse: 99"],
    }


def test_as_many_rows_in_other_places_are_no_match(differences):
    """A count alone, or values that were exchanged, would not show it."""
    found = differences(
        "UPDATE fact_sales_order SET units_sold = CASE sales_order_id WHEN 1 THEN 22 ELSE 11 END"
        " WHERE sales_order_id IN (1, 2)",
        "UPDATE dim_staff SET staff_id = 7777 WHERE staff_id = 4",
    )

    assert found["fact_sales_order"] == ["2 different in units_sold: 1, 2"]
    assert found["dim_staff"] == ["1 missing in the warehouse: 4", "1 only in the warehouse: 7777"]


def test_only_ranges_that_differ_are_read_again(differences, monkeypatch):
    """Of ranges of eight keys, those of the two rows that were changed, and their neighbours do not count."""
    monkeypatch.setattr(comparing, "RANGE_BITS", 3)
    read = []
    real = comparing.Comparison._differences
    monkeypatch.setattr(
        comparing.Comparison, "_differences", lambda self, place: read.append(place) or real(self, place)
    )

    found = differences("UPDATE fact_sales_order SET units_sold = 0 WHERE sales_order_id IN (8, 15, 40)")

    assert found == {"fact_sales_order": ["3 different in units_sold: 8, 15, 40"]}
    assert read == [1, 5]


def test_a_difference_is_a_metric_and_a_line_and_an_error_that_names_it(reconciled, tampered, capsys):
    """And a table without one is a metric of nothing."""
    before = {table: published("ReconcileDifferences", table) for table in ("dim_design", "dim_staff")}
    warehouse = tampered("UPDATE dim_design SET design_name = 'x' WHERE design_id < 3")

    with pytest.raises(ReconcileError) as raised:
        reconciled(warehouse)

    assert "dim_design: 2 rows (2 different in design_name: 1, 2). Nothing was changed." in str(raised.value)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [told] = [line for line in lines if line.get("table") == "dim_design"]
    assert (told["event"], told["status"], told["differences"]) == ("table_reconciled", "ok", 2)
    found = {"what": "different", "reason": None, "rows": 2, "keys": [1, 2], "columns": ["design_name"]}
    assert told["findings"] == [found]
    assert (lines[-1]["event"], lines[-1]["status"], lines[-1]["differences"]) == ("reconcile", "failed", 2)
    after = {table: published("ReconcileDifferences", table) for table in before}
    added = {table: tuple(new - old for new, old in zip(after[table], before[table], strict=True)) for table in before}
    assert added == {"dim_design": (2, 1), "dim_staff": (0, 1)}


def test_what_the_business_did_since_the_last_batch_is_no_difference(reconciled, totesys, catch_up):
    """New rows, changed rows, a dimension through either table of its join: told with the reason, until they come."""
    change(
        totesys,
        "UPDATE sales_order SET units_sold = 4711 WHERE sales_order_id IN (21, 22)",
        "INSERT INTO design (design_id, design_name, file_location, file_name) VALUES (9001, 'n', '/n', 'n.json')",
        "UPDATE staff SET email_address = 'x' WHERE staff_id = 1",
        "UPDATE department SET location = 'York' WHERE department_id = 6",
    )
    with psycopg.connect(totesys) as connection:
        members = connection.execute("SELECT staff_id FROM staff WHERE department_id = 6 OR staff_id = 1").fetchall()
    reports = reconciled()

    found = explained(reports)
    assert found["fact_sales_order"] == [(What.DIFFERENT, Reason.NEWER, [21, 22])]
    assert reports["fact_sales_order"].findings[What.DIFFERENT, Reason.NEWER].columns == ["units_sold"]
    assert found["dim_design"] == [(What.MISSING, Reason.NEWER, [9001])]
    assert reports["dim_staff"].explained == len(members) > 1
    assert found.keys() == {"fact_sales_order", "dim_design", "dim_staff"}

    catch_up()
    assert explained(reconciled()) == {}


def test_a_difference_beside_newer_rows_still_counts(reconciled, tampered, totesys, catch_up):
    """And only that one."""
    change(totesys, "UPDATE payment SET paid = NOT paid WHERE payment_id = 31")

    with pytest.raises(ReconcileError) as raised:
        reconciled(tampered("UPDATE fact_payment SET paid = NOT paid WHERE payment_id = 32"))

    assert raised.value.differences == {"fact_payment": ["1 different in paid: 32"]}
    catch_up()


def test_a_deletion_is_no_difference_until_a_batch_has_brought_it(
    reconciled, differences, totesys, catch_up, make_database
):
    """While the raw zone holds the record to be alive, the next ingest finds it gone; after that it must be gone."""
    change(totesys, "DELETE FROM payment WHERE payment_id = 41")
    assert explained(reconciled()) == {"fact_payment": [(What.EXTRA, Reason.DELETED, [41])]}

    catch_up()

    assert explained(reconciled()) == {}
    found = differences("DELETE FROM fact_payment WHERE payment_id = 41 AND _deleted_at IS NOT NULL")
    assert found == {"fact_payment": ["1 only in the warehouse: 41"]}


def test_a_subtransaction_that_was_open_at_the_last_batch_is_no_difference(reconciled, totesys, catch_up):
    """No snapshot names it, and its number is lower than others that were seen: that it never landed tells."""
    with psycopg.connect(totesys) as late:
        late.execute("SELECT pg_current_xact_id()")
        with late.transaction():
            late.execute("UPDATE sales_order SET units_sold = 5151 WHERE sales_order_id = 51")
        change(totesys, "UPDATE sales_order SET units_sold = 5252 WHERE sales_order_id = 52")
        catch_up()
        assert explained(reconciled()) == {}
        late.commit()

    assert explained(reconciled()) == {"fact_sales_order": [(What.DIFFERENT, Reason.NEWER, [51])]}
    catch_up()
    assert explained(reconciled()) == {}


def test_a_row_that_landed_is_not_newer_however_young(reconciled, tampered, totesys, catch_up):
    """A transaction that is open for long makes all that follow it seem to be young."""
    with psycopg.connect(totesys) as late:
        late.execute("SELECT pg_current_xact_id()")
        change(
            totesys,
            "UPDATE sales_order SET units_sold = 6161 WHERE sales_order_id = 61",
            "UPDATE staff SET email_address = 'y' WHERE staff_id = 3",
        )
        catch_up()

    with pytest.raises(ReconcileError) as raised:
        reconciled(
            tampered(
                "DELETE FROM fact_sales_order WHERE sales_order_id = 61 AND units_sold = 6161",
                "UPDATE dim_staff SET email_address = 'z' WHERE staff_id = 3",
            )
        )

    assert raised.value.differences == {
        "fact_sales_order": ["1 different in units_sold: 61"],
        "dim_staff": ["1 different in email_address: 3"],
    }


def test_a_row_in_quarantine_is_no_difference(reconciled, totesys, catch_up):
    """The warehouse goes on to show what it was before it broke a rule."""
    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 71")
    assert explained(reconciled()) == {"fact_sales_order": [(What.DIFFERENT, Reason.NEWER, [71])]}

    catch_up()

    assert explained(reconciled()) == {"fact_sales_order": [(What.DIFFERENT, Reason.HELD, [71])]}
    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 71")
    catch_up()
    assert explained(reconciled()) == {}


def test_a_row_whose_department_is_not_there_counts_until_it_is_held(reconciled, totesys, catch_up):
    """Before that batch it is newer or its department was deleted since; one that is missing is held, not absent."""
    columns = "staff_id, first_name, last_name, department_id, email_address"
    change(
        totesys,
        "ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey",
        "INSERT INTO department (department_id, department_name) VALUES (98, 'Closing')",
        f"INSERT INTO staff ({columns}) VALUES (911, 'A', 'B', 98, 'x')",
    )
    catch_up()
    change(
        totesys,
        "DELETE FROM department WHERE department_id = 98",
        f"INSERT INTO staff ({columns}) VALUES (912, 'C', 'D', 99, 'y')",
    )
    assert explained(reconciled()) == {
        "dim_staff": [(What.MISSING, Reason.NEWER, [912]), (What.DIFFERENT, Reason.DELETED, [911])]
    }

    catch_up()

    reports = reconciled()
    assert explained(reports) == {
        "dim_staff": [(What.DIFFERENT, Reason.HELD, [911]), (What.MISSING, Reason.HELD, [912])]
    }
    assert reports["dim_staff"].rows_in_totesys == reports["dim_staff"].rows_in_warehouse + 1
    change(totesys, "DELETE FROM staff WHERE staff_id > 910")
    change(totesys, "ALTER TABLE staff ADD FOREIGN KEY (department_id) REFERENCES department")
    catch_up()
    assert explained(reconciled()) == {}


def test_a_load_in_the_middle_makes_no_difference(reconciled, totesys, monkeypatch, catch_up):
    """What is compared is the warehouse as it was when its ledger was read."""

    def then_load(*arguments):
        batches = last_loaded(*arguments)
        change(totesys, "UPDATE sales_order SET units_sold = 8181 WHERE sales_order_id = 81")
        catch_up()
        return batches

    with monkeypatch.context() as patch:
        patch.setattr(stage, "last_loaded", then_load)
        reports = reconciled()

    assert explained(reports) == {"fact_sales_order": [(What.DIFFERENT, Reason.NEWER, [81])]}
    assert explained(reconciled()) == {}


def test_after_a_restore_no_row_is_taken_to_be_newer(lake, reader, loaded):
    """Transaction ids are given out again, so they prove nothing: every difference counts."""
    with warehouse_state.opened(Postgres(loaded)) as warehouse:
        logs = CommitLog(lake.ingested, IngestedBatch), CommitLog(lake.processed, ProcessedBatch)
        batches = last_loaded(warehouse.last, *logs)
    with open_source(reader) as source:
        now = source.snapshot
    young = Difference(1, What.DIFFERENT, (Version("sales_order", 1, now.xmax & 0xFFFFFFFF),))
    goes_on = Evidence(lake.ingested, lake.processed, batches, now)
    restored = Evidence(lake.ingested, lake.processed, batches, replace(now, timeline=now.timeline + 1))

    assert goes_on.at_once("fact_sales_order", young) == Reason.NEWER
    assert restored.at_once("fact_sales_order", young) is None
    assert restored.from_raw_zone("fact_sales_order", [young]) == {}


def test_before_the_first_load_redshift_has_nothing_to_compare(reconciled, in_redshift, make_database):
    """There is no ledger yet."""
    empty = login_of(make_database(owner=WAREHOUSE_OWNER)).database
    assert reconciled(replace(in_redshift.warehouse, database=empty)) == {}


def test_before_the_first_load_there_is_nothing_to_compare(reconciled, make_database, capsys):
    """Neither in an empty database nor with a ledger that is empty."""
    url = make_database(owner=WAREHOUSE_OWNER)

    assert reconciled(login_of(url)) == {}
    with psycopg.connect(url) as connection:
        apply(connection)
    assert reconciled(login_of(url)) == {}
    assert [json.loads(line)["loaded"] for line in capsys.readouterr().out.splitlines()] == [False, False]
