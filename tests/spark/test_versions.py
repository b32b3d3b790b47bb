"""Which version of a record is the latest, and which rows keep the rules."""

from decimal import Decimal

from totelake.rules import BROKEN, judge
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.transforms.facts import fact_sales_order
from totelake.versions import latest


def test_the_youngest_batch_has_the_latest_version_even_when_its_transaction_is_older(rows):
    """Of two writers the one with the lower transaction id can be the later one to write the row."""
    versions = rows(
        "department",
        {"department_id": 1, "manager": "first", "_source_version": 101, "_ingested_sequence": 1},
        {"department_id": 1, "manager": "second", "_source_version": 100, "_ingested_sequence": 2},
        {"department_id": 2, "manager": "only", "_source_version": 50, "_ingested_sequence": 1},
    )

    found = latest(versions, SOURCE_TABLES["department"].key).orderBy("department_id").collect()

    assert [row.manager for row in found] == ["second", "only"]


def test_a_row_that_keeps_the_rules_has_no_faults(rows):
    """A price of two decimals fits, and so does a day far ahead."""
    order = rows("sales_order", {"unit_price": Decimal("3.99"), "agreed_delivery_date": "2026-08-01"})

    [row] = judge(fact_sales_order(order), STAR_TABLES["fact_sales_order"]).collect()

    assert row[BROKEN] == []


def test_every_fault_of_a_row_is_named(rows):
    """A date that is none, and a price that would lose a digit or overflow."""
    orders = rows(
        "sales_order",
        {"sales_order_id": 1, "agreed_payment_date": "2024-02-30", "unit_price": Decimal("3.995")},
        {"sales_order_id": 2, "unit_price": Decimal("123456789.00")},
    )

    first, second = judge(fact_sales_order(orders), STAR_TABLES["fact_sales_order"]).orderBy("sales_order_id").collect()

    assert first[BROKEN] == [
        "unit_price does not fit decimal(10,2)",
        "agreed_payment_date is missing or not of type date",
    ]
    assert second[BROKEN] == ["unit_price does not fit decimal(10,2)"]
