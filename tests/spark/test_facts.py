"""The transforms that build the facts."""

from datetime import date, datetime
from decimal import Decimal

from chispa import assert_df_equality

from totelake.tables import STAR_TABLES
from totelake.transform.files import exact
from totelake.transform.rules import check_rules
from totelake.transform.star_tables.facts import fact_payment, fact_purchase_order, fact_sales_order


def test_sales_order_is_transformed_to_a_fact_row(spark, rows):
    """Columns are renamed, timestamps split into date and time, text cast to dates, money exact."""
    order = {
        "sales_order_id": 7,
        "created_at": datetime(2024, 11, 21, 8, 5, 9, 7000),
        "last_updated": datetime(2024, 11, 22, 18, 59, 59, 999000),
        "staff_id": 3,
        "counterparty_id": 4,
        "units_sold": 50_000,
        "unit_price": Decimal("3.99"),
        "currency_id": 2,
        "design_id": 9,
        "agreed_payment_date": "2024-11-28",
        "agreed_delivery_date": "2026-08-01",
        "agreed_delivery_location_id": 11,
        "_source_version": 4_294_967_301,
        "_ingested_sequence": 5,
    }
    table = STAR_TABLES["fact_sales_order"]

    fact = exact(check_rules(fact_sales_order(rows("sales_order", order)), table, {}), table)

    created, changed = (date(2024, 11, 21), "08:05:09.007"), (date(2024, 11, 22), "18:59:59.999")
    sold, due = (3, 4, 50_000, Decimal("3.99"), 2, 9), (date(2024, 11, 28), date(2026, 8, 1), 11)
    expected = (7, *created, *changed, *sold, *due, 4_294_967_301, 5, None)
    assert_df_equality(fact, spark.createDataFrame([expected], fact.schema))


def test_every_version_of_an_order_is_a_row(rows):
    """An order created and then corrected has two rows."""
    versions = rows(
        "sales_order",
        {"units_sold": 10, "_source_version": 100, "_ingested_sequence": 1},
        {"units_sold": 20, "_source_version": 101, "_ingested_sequence": 2},
    )

    facts = fact_sales_order(versions).select("units_sold", "_ingested_sequence").collect()

    assert sorted(tuple(row) for row in facts) == [(10, 1), (20, 2)]


def test_purchase_keeps_its_staff_and_item(rows):
    """The columns keep their names in totesys."""
    purchase = rows("purchase_order", {"staff_id": 5, "item_code": "ZDOI5EA", "item_unit_price": Decimal("361.39")})

    [row] = fact_purchase_order(purchase).collect()

    assert (row.staff_id, row.item_code, row.item_unit_price) == (5, "ZDOI5EA", Decimal("361.39"))


def test_payment_has_no_account_numbers(rows):
    """They are sensitive and not needed in the warehouse."""
    [row] = fact_payment(rows("payment", {"paid": True, "payment_amount": Decimal("552548.62")})).collect()

    assert (row.paid, row.payment_amount) == (True, Decimal("552548.62"))
    assert not [name for name in row.asDict() if "ac_number" in name]
