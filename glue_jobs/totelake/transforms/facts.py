"""The facts: one row for every version of a record."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

_DATE = "yyyy-MM-dd"
_TIME = "HH:mm:ss.SSS"


def fact_sales_order(sales_order: DataFrame) -> DataFrame:
    """One row per recorded change to a sales order."""
    return sales_order.select(
        "sales_order_id",
        *_stamps(),
        F.col("staff_id").alias("sales_staff_id"),
        "counterparty_id",
        "units_sold",
        "unit_price",
        "currency_id",
        "design_id",
        _date("agreed_payment_date"),
        _date("agreed_delivery_date"),
        "agreed_delivery_location_id",
        "_source_version",
        "_ingested_sequence",
    )


def fact_purchase_order(purchase_order: DataFrame) -> DataFrame:
    """One row per recorded change to a purchase order."""
    return purchase_order.select(
        "purchase_order_id",
        *_stamps(),
        "staff_id",
        "counterparty_id",
        "item_code",
        "item_quantity",
        "item_unit_price",
        "currency_id",
        _date("agreed_delivery_date"),
        _date("agreed_payment_date"),
        "agreed_delivery_location_id",
        "_source_version",
        "_ingested_sequence",
    )


def fact_payment(payment: DataFrame) -> DataFrame:
    """One row per recorded change to a payment; account numbers stay behind."""
    return payment.select(
        "payment_id",
        *_stamps(),
        "transaction_id",
        "counterparty_id",
        "payment_amount",
        "currency_id",
        "payment_type_id",
        "paid",
        _date("payment_date"),
        "_source_version",
        "_ingested_sequence",
    )


def _stamps() -> tuple[Column, ...]:
    """Return created_at and last_updated as a date and a time of day each, to the millisecond."""
    return (
        F.to_date("created_at").alias("created_date"),
        F.date_format("created_at", _TIME).alias("created_time"),
        F.to_date("last_updated").alias("last_updated_date"),
        F.date_format("last_updated", _TIME).alias("last_updated_time"),
    )


def _date(name: str) -> Column:
    """Return the text column `name` as a date: NULL where it is not exactly a day in the form yyyy-mm-dd."""
    return F.try_to_date(name, _DATE).alias(name)
