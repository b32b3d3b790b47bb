"""The dimensions: one row per record, the latest version; it is deleted when the driving record is."""

import json

import pycountry
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables.lineage import matched_key


def dim_date(calendar: DataFrame) -> DataFrame:
    """One row per day of the calendar, whose columns are `date_id` and, always NULL, `_deleted_at`."""
    return calendar.select(
        "date_id",
        F.year("date_id").alias("year"),
        F.month("date_id").alias("month"),
        F.day("date_id").alias("day"),
        (F.weekday("date_id") + 1).alias("day_of_week"),
        F.date_format("date_id", "EEEE").alias("day_name"),
        F.date_format("date_id", "MMMM").alias("month_name"),
        F.quarter("date_id").alias("quarter"),
        "_deleted_at",
    )


def dim_staff(staff: DataFrame, department: DataFrame) -> DataFrame:
    """One row per member of staff, with their department."""
    return _with_lookup(staff, "department_id", department, "department_id").select(
        "staff_id",
        "first_name",
        "last_name",
        "department_name",
        F.coalesce("location", F.lit("Undefined")).alias("location"),
        "email_address",
        "department_id",
        matched_key("department_id"),
        "_deleted_at",
    )


def dim_location(address: DataFrame) -> DataFrame:
    """One row per address."""
    return address.select(
        F.col("address_id").alias("location_id"),
        "address_line_1",
        "address_line_2",
        "district",
        "city",
        "postal_code",
        "country",
        "phone",
        "_deleted_at",
    )


def dim_currency(currency: DataFrame) -> DataFrame:
    """One row per currency, with its ISO 4217 name."""
    return currency.select("currency_id", "currency_code", _currency_name().alias("currency_name"), "_deleted_at")


def dim_design(design: DataFrame) -> DataFrame:
    """One row per design."""
    return design.select("design_id", "design_name", "file_location", "file_name", "_deleted_at")


def dim_counterparty(counterparty: DataFrame, address: DataFrame) -> DataFrame:
    """One row per counterparty, with its legal address."""
    return _with_lookup(counterparty, "legal_address_id", address, "address_id").select(
        "counterparty_id",
        "counterparty_legal_name",
        F.col("address_line_1").alias("counterparty_legal_address_line_1"),
        F.col("address_line_2").alias("counterparty_legal_address_line_2"),
        F.col("district").alias("counterparty_legal_district"),
        F.col("city").alias("counterparty_legal_city"),
        F.col("postal_code").alias("counterparty_legal_postal_code"),
        F.col("country").alias("counterparty_legal_country"),
        F.col("phone").alias("counterparty_legal_phone_number"),
        "legal_address_id",
        matched_key("legal_address_id"),
        "_deleted_at",
    )


def dim_transaction(transaction: DataFrame) -> DataFrame:
    """One row per transaction."""
    return transaction.select(
        "transaction_id", "transaction_type", "sales_order_id", "purchase_order_id", "_deleted_at"
    )


def dim_payment_type(payment_type: DataFrame) -> DataFrame:
    """One row per kind of payment."""
    return payment_type.select("payment_type_id", "payment_type_name", "_deleted_at")


def _with_lookup(rows: DataFrame, reference: str, table: DataFrame, key: str) -> DataFrame:
    """Return all `rows`, left-joined by the foreign key `reference` with the `key` of `table`.

    The column `matched_key(reference)` has that key. Only deleted rows match a deleted row of `table`.
    """
    referenced = table.withColumnsRenamed({key: matched_key(reference), "_deleted_at": "_lost_at"})
    is_available = F.col("_lost_at").isNull() | F.col("_deleted_at").isNotNull()
    return rows.join(referenced, (F.col(reference) == F.col(matched_key(reference))) & is_available, "left")


def _currency_name() -> Column:
    """Return the ISO 4217 name of `currency_code`, NULL for a code that the standard does not have."""
    names = {currency.alpha_3: currency.name for currency in pycountry.currencies}
    # As JSON the names are one literal; a map has hundreds, which take seconds to compile.
    names_by_code = F.from_json(F.lit(json.dumps(names)), "map<string, string>")
    return F.try_element_at(names_by_code, F.upper("currency_code"))
