"""The facts: one row per version of a record. Dates that are text in totesys stay text until the rules are checked."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

_TIME = "HH:mm:ss.SSS"
_LINEAGE = ("_source_version", "_ingested_sequence", "_deleted_at")


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
        "agreed_payment_date",
        "agreed_delivery_date",
        "agreed_delivery_location_id",
        *_LINEAGE,
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
        "agreed_delivery_date",
        "agreed_payment_date",
        "agreed_delivery_location_id",
        *_LINEAGE,
    )


def fact_payment(payment: DataFrame) -> DataFrame:
    """One row per recorded change to a payment, without account numbers."""
    return payment.select(
        "payment_id",
        *_stamps(),
        "transaction_id",
        "counterparty_id",
        "payment_amount",
        "currency_id",
        "payment_type_id",
        "paid",
        "payment_date",
        *_LINEAGE,
    )


def _stamps() -> tuple[Column, ...]:
    """Return created_at and last_updated, each as a date and a time of day to the millisecond."""
    return (
        F.to_date("created_at").alias("created_date"),
        F.date_format("created_at", _TIME).alias("created_time"),
        F.to_date("last_updated").alias("last_updated_date"),
        F.date_format("last_updated", _TIME).alias("last_updated_time"),
    )
