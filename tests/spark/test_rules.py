"""The rules of a table, and the faults reported for rows that violate them."""

import json
from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables import STAR_TABLES
from totelake.transform import quarantine
from totelake.transform.rules import BROKEN, REFERRED, check_rules
from totelake.transform.star_tables.dimensions import dim_counterparty, dim_currency, dim_staff, dim_transaction
from totelake.transform.star_tables.facts import fact_sales_order

SALES = STAR_TABLES["fact_sales_order"]


@pytest.fixture
def missing(spark):
    """Return missing references: design 2 and currency 2."""
    return {name: spark.createDataFrame([(2,)], f"{REFERRED} int") for name in ("dim_design", "dim_currency")}


def faults(frame, table, missing):
    """Return the faults of each row as tuples of rule, column and value."""
    return [[tuple(fault) for fault in row[BROKEN]] for row in check_rules(frame, table, missing).collect()]


def test_valid_row_has_no_faults(rows, missing):
    """Such as a price with two decimals and a date far in the future."""
    order = {"units_sold": 1000, "unit_price": Decimal("3.99"), "agreed_delivery_date": "2026-08-01"}

    assert faults(fact_sales_order(rows("sales_order", order)), SALES, missing) == [[]]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"units_sold": None}, ("not null", "units_sold", None)),
        ({"units_sold": 999}, ("range", "units_sold", "999")),
        ({"units_sold": 100_001}, ("range", "units_sold", "100001")),
        ({"unit_price": Decimal("3.995")}, ("type", "unit_price", "3.995000000000000000")),
        ({"agreed_payment_date": "2024-02-30"}, ("date", "agreed_payment_date", "2024-02-30")),
        ({"agreed_payment_date": "2024-2-3"}, ("date", "agreed_payment_date", "2024-2-3")),
        ({"agreed_payment_date": "21/11/2024"}, ("date", "agreed_payment_date", "21/11/2024")),
        ({"agreed_payment_date": ""}, ("date", "agreed_payment_date", "")),
        ({"agreed_payment_date": "2119-11-20"}, ("range", "agreed_payment_date", "2119-11-20")),
        ({"design_id": 2}, ("reference", "design_id", "2")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_fault_has_the_rule_the_column_and_the_value(rows, missing, wrong, fault):
    """The value as it is in totesys."""
    order = {"units_sold": 1000} | wrong

    assert faults(fact_sales_order(rows("sales_order", order)), SALES, missing) == [[fault]]


def test_every_fault_of_a_row_is_reported(rows, missing):
    """A price too large for its type is also out of range."""
    order = {"units_sold": 1000, "unit_price": Decimal("123456789.00"), "currency_id": 2}

    [row_faults] = faults(fact_sales_order(rows("sales_order", order)), SALES, missing)

    assert [(rule, column) for rule, column, _ in row_faults] == [
        ("type", "unit_price"),
        ("range", "unit_price"),
        ("reference", "currency_id"),
    ]


@pytest.mark.parametrize(
    ("department_id", "expected"),
    [(99, [("reference", "department_id", "99")]), (None, [("not null", "department_id", None)]), (5, [])],
)
def test_missing_department_is_a_fault_of_the_reference_only(rows, department_id, expected):
    """Columns that are NULL because of it are not reported; a department without a location is valid."""
    departments = rows("department", {"department_id": 5, "location": None})
    staff = dim_staff(rows("staff", {"department_id": department_id}), departments)

    assert faults(staff.withColumn("_ingested_sequence", F.lit(1)), STAR_TABLES["dim_staff"], {}) == [expected]


def test_null_in_an_existing_address_is_a_fault(rows):
    """Only NULLs caused by a missing address are not reported."""
    party = dim_counterparty(rows("counterparty", {}), rows("address", {"city": None, "district": None}))

    assert faults(party.withColumn("_ingested_sequence", F.lit(1)), STAR_TABLES["dim_counterparty"], {}) == [
        [("not null", "counterparty_legal_city", None)]
    ]


@pytest.mark.parametrize(
    "day",
    ["0001-01-01", "0999-12-31", "1582-10-04", "1582-10-10", "1899-12-31", "2019-12-31", "2051-01-01", "9999-12-31"],
)
def test_date_outside_the_calendar_is_reported_unchanged(rows, day):
    """As a timestamp and as text, in the fault and in the quarantined row."""
    sales = rows("sales_order", {"units_sold": 1000, "agreed_delivery_date": day})
    stamp = F.lit(f"{day} 23:59:59.999").cast("timestamp_ntz")
    orders = fact_sales_order(sales.withColumns({"created_at": stamp, "last_updated": stamp}))
    columns = ("created_date", "last_updated_date", "agreed_delivery_date")

    assert faults(orders, SALES, {}) == [[("range", column, day) for column in columns]]
    [line, *_] = quarantine.lines(
        check_rules(orders, SALES, {}).withColumn("superseded", F.lit(False)), SALES
    ).collect()
    assert [json.loads(line.row)[column] for column in columns] == [day] * 3
    assert json.loads(line.row)["created_time"] == "23:59:59.999"


def test_rules_apply_to_dimensions(rows):
    """Accepted values, and currencies of the standard."""
    loan = dim_transaction(rows("transaction", {"transaction_type": "LOAN"})).withColumn("_ingested_sequence", F.lit(1))
    money = dim_currency(rows("currency", {"currency_code": "XXQ"})).withColumn("_ingested_sequence", F.lit(1))

    assert faults(loan, STAR_TABLES["dim_transaction"], {}) == [[("accepted values", "transaction_type", "LOAN")]]
    assert faults(money, STAR_TABLES["dim_currency"], {}) == [[("not null", "currency_name", None)]]
