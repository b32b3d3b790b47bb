"""The reconcile stage: the warehouse compared with totesys by key, and the explanations of differences."""

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
from totelake.reconcile.compare import DifferenceKind, RowDifference, SourceVersion
from totelake.reconcile.explanations import Explainer, Reason, last_loaded
from totelake.runtime import retry
from totelake.runtime.connections import Login
from totelake.runtime.errors import ReconcileError
from totelake.tables import STAR_TABLES
from totelake.warehouse import load
from totelake.warehouse.postgres import apply
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import ledger as redshift_ledger
from totelake.warehouse.redshift.ledger import rows_if_unchanged


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of the totesys that all tests of this module change in sequence."""
    return shared_totesys


@pytest.fixture(scope="module")
def reader(shared_reader):
    """Return the login that reads it."""
    return shared_reader


@pytest.fixture(scope="module")
def warehouse_login(make_module_database):
    """Return the login of the warehouse loaded from that totesys."""
    return login_of(make_module_database(owner=WAREHOUSE_OWNER))


@pytest.fixture(scope="module")
def lake(shared_lake, reader, warehouse_login):
    """Return a lake whose first batch is loaded into the warehouse."""
    run_stages(shared_lake, reader, warehouse_login)
    return shared_lake


def run_stages(lake, reader, warehouse):
    """Run the workflow once."""
    lake.ingest(reader)
    lake.transform()
    lake.load(warehouse)


@pytest.fixture
def load_changes(lake, reader, warehouse_login):
    """Return a function that runs the workflow, so that the warehouse is up to date with totesys."""
    return lambda: run_stages(lake, reader, warehouse_login)


@pytest.fixture
def reconcile_with(lake, reader, warehouse_login):
    """Return a function that reconciles a warehouse, by default the loaded one, and returns the reports by table."""

    def run(warehouse=warehouse_login):
        opened = Postgres(warehouse) if isinstance(warehouse, Login) else warehouse
        return reconcile.run(job_run(), reconcile.Databases(reader, opened), lake.ingested, lake.processed)

    return run


@pytest.fixture
def tampered_copy(lake, warehouse_login, make_database, postgres_server):
    """Return a function that runs statements on a copy of the warehouse, without foreign keys; returns its login."""

    def make(*statements):
        copy = make_database(warehouse_login.database, WAREHOUSE_OWNER)
        with psycopg.connect(superuser(postgres_server, login_of(copy).database)) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)
        return login_of(copy)

    return make


@pytest.fixture
def differences(reconcile_with, tampered_copy):
    """Return a function that tampers with a copy of the warehouse and returns the differences reported by table."""

    def find(*statements):
        with pytest.raises(ReconcileError) as raised:
            reconcile_with(tampered_copy(*statements))
        return raised.value.differences

    return find


@pytest.fixture(scope="module")
def in_redshift(lake, make_module_database):
    """Return an emulated Redshift warehouse loaded with the same batches."""
    side = redshift_side(make_module_database(owner=WAREHOUSE_OWNER), f"s3://{lake.processed}/temporary")
    load.run(job_run(), lake.processed, side.warehouse)
    return side


@pytest.fixture
def tampered_redshift(in_redshift, make_database):
    """Return a function that runs statements on a copy of that warehouse and returns the copy."""

    def make(*statements):
        copy = make_database(login_of(in_redshift.url).database, WAREHOUSE_OWNER)
        change(copy, *statements)
        return replace(in_redshift.warehouse, database=login_of(copy).database)

    return make


def change(url, *statements):
    """Run statements in one transaction."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def explained_differences(reports):
    """Return the explained differences: for each table the kind of difference, the reason and the keys."""
    return {
        table: [(what, reason, finding.keys) for (what, reason), finding in report.findings.items()]
        for table, report in reports.items()
        if report.findings
    }


def insert_copy(table, key, number, **changed):
    """Return the statement that inserts a copy of the first row of `table` with another key."""
    columns = [column.name for column in STAR_TABLES[table].stored_columns]
    values = [str({key: number, **changed}.get(name, name)) for name in columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} ORDER BY {key} LIMIT 1"


def published(name):
    """Return the sum and the number of the data points of the metric `name`, over all runs."""
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Totelake",
        MetricName=name,
        StartTime=datetime.now(UTC) - timedelta(hours=2),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points), sum(point["SampleCount"] for point in points)


def test_reconcile_reports_no_difference_after_a_load(reconcile_with):
    """All rows of every table except the calendar are compared."""
    reports = reconcile_with()

    assert set(reports) == STAR_TABLES.keys() - {"dim_date"}
    assert explained_differences(reports) == {}
    assert reports["fact_sales_order"].rows_in_totesys == reports["fact_sales_order"].rows_in_warehouse == 200


def test_reconcile_reports_no_difference_after_a_load_into_redshift(reconcile_with, in_redshift):
    """Numbers, times of day, dates, booleans and NULLs have the same text on both sides."""
    reports = reconcile_with(in_redshift.warehouse)

    assert {table: report.rows_in_warehouse for table, report in reports.items()} == {
        table: report.rows_in_warehouse for table, report in reconcile_with().items()
    }
    assert explained_differences(reports) == {}


def test_differences_in_redshift_are_reported_by_key(reconcile_with, tampered_redshift):
    """And column: 1e-18 of money, a millisecond, a boolean, a trailing space, NULL, a lost row."""
    warehouse = tampered_redshift(
        "UPDATE fact_payment SET payment_amount = payment_amount + 0.000000000000000001 WHERE payment_id = 1",
        "UPDATE fact_payment SET created_time = created_time + interval '1 millisecond' WHERE payment_id = 2",
        "UPDATE fact_payment SET paid = NOT paid WHERE payment_id = 3",
        "UPDATE dim_location SET city = city || ' ' WHERE location_id = 4",
        "UPDATE dim_location SET district = CASE WHEN district IS NULL THEN '' END WHERE location_id = 3",
        "DELETE FROM dim_staff WHERE staff_id = 5",
    )

    with pytest.raises(ReconcileError) as raised:
        reconcile_with(warehouse)

    assert raised.value.differences == {
        "fact_payment": ["3 different in payment_amount, created_time, paid: 1, 2, 3"],
        "dim_location": ["2 different in district, city: 3, 4"],
        "dim_staff": ["1 missing in the warehouse: 5"],
    }


def test_comparison_restarts_when_a_load_changes_redshift(reconcile_with, in_redshift, monkeypatch, capsys):
    """Redshift holds no snapshot across statements, so a load in between restarts the comparison."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.01)
    real, interrupted = rows_if_unchanged, []

    def load_in_between(api, last, statement):
        if not interrupted:
            interrupted.append(True)
            return real(api, replace(last, entries=last.entries - 1), statement)
        return real(api, last, statement)

    monkeypatch.setattr(redshift_ledger, "rows_if_unchanged", load_in_between)
    assert explained_differences(reconcile_with(in_redshift.warehouse)) == {}
    assert "another load has changed load_ledger since it was read" in capsys.readouterr().out


def test_special_values_are_equal_on_both_sides(reconcile_with, totesys, load_changes):
    """Trailing zeros, quotes, commas, brackets, empty text next to NULL."""
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
    load_changes()

    assert explained_differences(reconcile_with()) == {}


@pytest.mark.parametrize(
    ("table", "assignment", "condition", "expected"),
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
def test_changed_value_is_reported_by_key_and_column(differences, table, assignment, condition, expected):
    """In every table, and no other table is reported."""
    reported = differences(f"UPDATE {table} SET {assignment} WHERE {condition}")

    assert reported.keys() == {table}
    assert len(reported[table]) == 1
    assert expected in reported[table][0]


def test_missing_and_extra_rows_are_reported_by_key(differences):
    """In several tables at once, with the first five keys of each kind."""
    reported = differences(
        "DELETE FROM fact_payment WHERE payment_id BETWEEN 11 AND 17",
        insert_copy("fact_payment", "payment_id", 999_999),
        insert_copy("fact_payment", "payment_id", -1),
        "DELETE FROM dim_design WHERE design_id = 3",
        insert_copy("dim_currency", "currency_id", 99),
    )

    assert reported == {
        "fact_payment": ["2 only in the warehouse: -1, 999999", "7 missing in the warehouse: 11, 12, 13, 14, 15, …"],
        "dim_design": ["1 missing in the warehouse: 3"],
        "dim_currency": ["1 only in the warehouse: 99"],
    }


def test_differences_that_cancel_out_are_reported(differences):
    """Equal row counts and exchanged values are not enough."""
    reported = differences(
        "UPDATE fact_sales_order SET units_sold = CASE sales_order_id WHEN 1 THEN 22 ELSE 11 END"
        " WHERE sales_order_id IN (1, 2)",
        "UPDATE dim_staff SET staff_id = 7777 WHERE staff_id = 4",
    )

    assert reported["fact_sales_order"] == ["2 different in units_sold: 1, 2"]
    assert reported["dim_staff"] == ["1 missing in the warehouse: 4", "1 only in the warehouse: 7777"]


def test_only_ranges_that_differ_are_read_again(differences, monkeypatch):
    """Of ranges of eight keys, only the two with changed rows; neighbours are not reported."""
    monkeypatch.setattr(comparing, "RANGE_BITS", 3)
    read = []
    real = comparing.Comparison._differences
    monkeypatch.setattr(
        comparing.Comparison, "_differences", lambda self, place: read.append(place) or real(self, place)
    )

    reported = differences("UPDATE fact_sales_order SET units_sold = 0 WHERE sales_order_id IN (8, 15, 40)")

    assert reported == {"fact_sales_order": ["3 different in units_sold: 8, 15, 40"]}
    assert read == [1, 5]


def test_difference_is_a_metric_a_log_line_and_an_error(reconcile_with, tampered_copy, capsys):
    """The metric is the total of all tables; the log line and the error have the table."""
    before = published("ReconcileDifferences")
    warehouse = tampered_copy("UPDATE dim_design SET design_name = 'x' WHERE design_id < 3")

    with pytest.raises(ReconcileError) as raised:
        reconcile_with(warehouse)

    assert "dim_design: 2 rows (2 different in design_name: 1, 2). Nothing was changed." in str(raised.value)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [reported] = [line for line in lines if line.get("table") == "dim_design"]
    assert (reported["event"], reported["status"], reported["differences"]) == ("table_reconciled", "ok", 2)
    finding = {"what": "different", "reason": None, "rows": 2, "keys": [1, 2], "columns": ["design_name"]}
    assert reported["findings"] == [finding]
    assert (lines[-1]["event"], lines[-1]["status"], lines[-1]["differences"]) == ("reconcile", "failed", 2)
    after = published("ReconcileDifferences")
    assert tuple(new - old for new, old in zip(after, before, strict=True)) == (2, 1)


def test_change_since_the_last_batch_is_explained(reconcile_with, totesys, load_changes):
    """New rows, changed rows, and a dimension changed through either table of its join, until they are loaded."""
    change(
        totesys,
        "UPDATE sales_order SET units_sold = 4711 WHERE sales_order_id IN (21, 22)",
        "INSERT INTO design (design_id, design_name, file_location, file_name) VALUES (9001, 'n', '/n', 'n.json')",
        "UPDATE staff SET email_address = 'x' WHERE staff_id = 1",
        "UPDATE department SET location = 'York' WHERE department_id = 6",
    )
    with psycopg.connect(totesys) as connection:
        members = connection.execute("SELECT staff_id FROM staff WHERE department_id = 6 OR staff_id = 1").fetchall()
    reports = reconcile_with()

    reported = explained_differences(reports)
    assert reported["fact_sales_order"] == [(DifferenceKind.DIFFERENT, Reason.NEWER, [21, 22])]
    assert reports["fact_sales_order"].findings[DifferenceKind.DIFFERENT, Reason.NEWER].columns == ["units_sold"]
    assert reported["dim_design"] == [(DifferenceKind.MISSING, Reason.NEWER, [9001])]
    assert reports["dim_staff"].explained == len(members) > 1
    assert reported.keys() == {"fact_sales_order", "dim_design", "dim_staff"}

    load_changes()
    assert explained_differences(reconcile_with()) == {}


def test_real_difference_next_to_newer_rows_is_reported(reconcile_with, tampered_copy, totesys, load_changes):
    """And only that one."""
    change(totesys, "UPDATE payment SET paid = NOT paid WHERE payment_id = 31")

    with pytest.raises(ReconcileError) as raised:
        reconcile_with(tampered_copy("UPDATE fact_payment SET paid = NOT paid WHERE payment_id = 32"))

    assert raised.value.differences == {"fact_payment": ["1 different in paid: 32"]}
    load_changes()


def test_deletion_is_explained_until_it_is_ingested(reconcile_with, differences, totesys, load_changes, make_database):
    """The next ingest detects the deletion of a row that is live in the raw zone; then the warehouse must have it."""
    change(totesys, "DELETE FROM payment WHERE payment_id = 41")
    assert explained_differences(reconcile_with()) == {"fact_payment": [(DifferenceKind.EXTRA, Reason.DELETED, [41])]}

    load_changes()

    assert explained_differences(reconcile_with()) == {}
    reported = differences("DELETE FROM fact_payment WHERE payment_id = 41 AND _deleted_at IS NOT NULL")
    assert reported == {"fact_payment": ["1 only in the warehouse: 41"]}


def test_subtransaction_open_at_the_last_batch_is_explained(reconcile_with, totesys, load_changes):
    """No snapshot lists it, and its id is lower than ingested ones: only its absence in the lake identifies it."""
    with psycopg.connect(totesys) as late:
        late.execute("SELECT pg_current_xact_id()")
        with late.transaction():
            late.execute("UPDATE sales_order SET units_sold = 5151 WHERE sales_order_id = 51")
        change(totesys, "UPDATE sales_order SET units_sold = 5252 WHERE sales_order_id = 52")
        load_changes()
        assert explained_differences(reconcile_with()) == {}
        late.commit()

    assert explained_differences(reconcile_with()) == {
        "fact_sales_order": [(DifferenceKind.DIFFERENT, Reason.NEWER, [51])]
    }
    load_changes()
    assert explained_differences(reconcile_with()) == {}


def test_ingested_row_is_not_explained_as_newer(reconcile_with, tampered_copy, totesys, load_changes):
    """A long-running transaction makes every later one look newer than the snapshot."""
    with psycopg.connect(totesys) as late:
        late.execute("SELECT pg_current_xact_id()")
        change(
            totesys,
            "UPDATE sales_order SET units_sold = 6161 WHERE sales_order_id = 61",
            "UPDATE staff SET email_address = 'y' WHERE staff_id = 3",
        )
        load_changes()

    with pytest.raises(ReconcileError) as raised:
        reconcile_with(
            tampered_copy(
                "DELETE FROM fact_sales_order WHERE sales_order_id = 61 AND units_sold = 6161",
                "UPDATE dim_staff SET email_address = 'z' WHERE staff_id = 3",
            )
        )

    assert raised.value.differences == {
        "fact_sales_order": ["1 different in units_sold: 61"],
        "dim_staff": ["1 different in email_address: 3"],
    }


def test_row_in_quarantine_is_explained(reconcile_with, totesys, load_changes):
    """The warehouse keeps the last valid version."""
    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 71")
    assert explained_differences(reconcile_with()) == {
        "fact_sales_order": [(DifferenceKind.DIFFERENT, Reason.NEWER, [71])]
    }

    load_changes()

    assert explained_differences(reconcile_with()) == {
        "fact_sales_order": [(DifferenceKind.DIFFERENT, Reason.QUARANTINED, [71])]
    }
    change(totesys, "UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 71")
    load_changes()
    assert explained_differences(reconcile_with()) == {}


def test_row_without_its_department_is_explained_until_it_is_quarantined(reconcile_with, totesys, load_changes):
    """First it is newer or its department was deleted since the batch; then it is quarantined, not missing."""
    columns = "staff_id, first_name, last_name, department_id, email_address"
    change(
        totesys,
        "ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey",
        "INSERT INTO department (department_id, department_name) VALUES (98, 'Closing')",
        f"INSERT INTO staff ({columns}) VALUES (911, 'A', 'B', 98, 'x')",
    )
    load_changes()
    change(
        totesys,
        "DELETE FROM department WHERE department_id = 98",
        f"INSERT INTO staff ({columns}) VALUES (912, 'C', 'D', 99, 'y')",
    )
    assert explained_differences(reconcile_with()) == {
        "dim_staff": [(DifferenceKind.MISSING, Reason.NEWER, [912]), (DifferenceKind.DIFFERENT, Reason.DELETED, [911])]
    }

    load_changes()

    reports = reconcile_with()
    assert explained_differences(reports) == {
        "dim_staff": [
            (DifferenceKind.DIFFERENT, Reason.QUARANTINED, [911]),
            (DifferenceKind.MISSING, Reason.QUARANTINED, [912]),
        ]
    }
    assert reports["dim_staff"].rows_in_totesys == reports["dim_staff"].rows_in_warehouse + 1
    change(totesys, "DELETE FROM staff WHERE staff_id > 910")
    change(totesys, "ALTER TABLE staff ADD FOREIGN KEY (department_id) REFERENCES department")
    load_changes()
    assert explained_differences(reconcile_with()) == {}


def test_load_during_the_comparison_makes_no_difference(reconcile_with, totesys, monkeypatch, load_changes):
    """The warehouse is compared as of the read of its ledger."""

    def then_load(*arguments):
        batches = last_loaded(*arguments)
        change(totesys, "UPDATE sales_order SET units_sold = 8181 WHERE sales_order_id = 81")
        load_changes()
        return batches

    with monkeypatch.context() as patch:
        patch.setattr(stage, "last_loaded", then_load)
        reports = reconcile_with()

    assert explained_differences(reports) == {"fact_sales_order": [(DifferenceKind.DIFFERENT, Reason.NEWER, [81])]}
    assert explained_differences(reconcile_with()) == {}


def test_no_row_is_explained_as_newer_after_a_restore(lake, reader, warehouse_login):
    """Transaction ids are reused after a restore and prove nothing, so every difference counts."""
    with warehouse_state.open_state(Postgres(warehouse_login)) as warehouse:
        logs = CommitLog(lake.ingested, IngestedBatch), CommitLog(lake.processed, ProcessedBatch)
        batches = last_loaded(warehouse.last, *logs)
    with open_source(reader) as source:
        now = source.snapshot
    newer = RowDifference(1, DifferenceKind.DIFFERENT, (SourceVersion("sales_order", 1, now.xmax & 0xFFFFFFFF),))
    continued = Explainer(lake.ingested, lake.processed, batches, now)
    restored = Explainer(lake.ingested, lake.processed, batches, replace(now, timeline=now.timeline + 1))

    assert continued.reason_without_lake("fact_sales_order", newer) == Reason.NEWER
    assert restored.reason_without_lake("fact_sales_order", newer) is None
    assert restored.reasons_from_lake("fact_sales_order", [newer]) == {}


def test_reconcile_of_redshift_before_the_first_load_compares_nothing(reconcile_with, in_redshift, make_database):
    """There is no ledger yet."""
    empty = login_of(make_database(owner=WAREHOUSE_OWNER)).database
    assert reconcile_with(replace(in_redshift.warehouse, database=empty)) == {}


def test_reconcile_before_the_first_load_compares_nothing(reconcile_with, make_database, capsys):
    """Neither in an empty database nor with an empty ledger."""
    url = make_database(owner=WAREHOUSE_OWNER)

    assert reconcile_with(login_of(url)) == {}
    with psycopg.connect(url) as connection:
        apply(connection)
    assert reconcile_with(login_of(url)) == {}
    assert [json.loads(line)["loaded"] for line in capsys.readouterr().out.splitlines()] == [False, False]
