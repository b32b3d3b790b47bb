"""The merge from staging: dimensions by key, facts by version, each row once."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.warehouse.postgres import apply, keys, staging
from totelake.warehouse.postgres import merge as merging
from totelake.warehouse.postgres.merge import merge

DIM_CURRENCY, FACT = STAR_TABLES["dim_currency"], STAR_TABLES["fact_purchase_order"]
CURRENCY = {"currency_id": 1, "currency_code": "GBP", "currency_name": "Pound Sterling", "_ingested_sequence": 1}
ORDER = {
    "purchase_order_id": 7,
    "created_date": "2024-11-21",
    "created_time": "08:05:09.007",
    "last_updated_date": "2024-11-21",
    "last_updated_time": "23:59:59.999",
    "staff_id": 1,
    "counterparty_id": 1,
    "item_code": "0XY7Z12",
    "item_quantity": 3,
    "item_unit_price": "2.500000000000000000",
    "currency_id": 1,
    "agreed_delivery_date": "2024-11-21",
    "agreed_payment_date": "2024-11-21",
    "agreed_delivery_location_id": 1,
    "_source_version": 100,
    "_ingested_sequence": 1,
}
DIMENSIONS = """
INSERT INTO public.dim_date VALUES ('2024-11-21', 2024, 11, 21, 4, 'Thursday', 'November', 4, 1, NULL);
INSERT INTO public.dim_staff VALUES (1, 'Pat', 'O''Keefe', 'HR', 'Leeds', 'pat@example.com', 1, NULL);
INSERT INTO public.dim_counterparty VALUES (1, 'A', '1 Road', NULL, NULL, 'Leeds', '01138', 'UK', '1', 1, NULL);
INSERT INTO public.dim_location VALUES (1, '1 Road', NULL, NULL, 'Leeds', '01138', 'UK', '1', 1, NULL);
INSERT INTO public.dim_currency VALUES (1, 'GBP', 'Pound Sterling', 1, NULL);
"""


@pytest.fixture
def connection(warehouse):
    """Return a connection to a warehouse without rows."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        apply(opened)
        yield opened


@pytest.fixture
def dimensions(connection):
    """Return a connection to a warehouse with the dimensions that ORDER references."""
    connection.execute(DIMENSIONS)
    return connection


@contextmanager
def staged(connection, table, *rows) -> Iterator[str]:
    """Fill a staging table with `rows` and yield its name."""
    with staging.staging_tables(connection, [table], "1_test") as names:
        for row in rows:
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier("staging", names[table.name]),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Literal, row.values())),
            )
            connection.execute(insert)
        yield names[table.name]


def merge_rows(connection, table, *rows) -> int:
    """Merge `rows` into `table` as a load does."""
    with staged(connection, table, *rows) as name, connection.transaction():
        return merge(connection, table, name)


def merge_completely(connection, staging_table) -> None:
    """Merge into the fact and add its missing foreign keys, in one transaction."""
    with connection.transaction():
        merge(connection, FACT, staging_table)
        keys.add_foreign_keys(connection)


def all_rows(connection, relation, columns="*", order="1"):
    """Return all rows of `relation`."""
    return connection.execute(f"SELECT {columns} FROM public.{relation} ORDER BY {order}").fetchall()


def test_new_and_changed_dimension_rows_are_merged(connection):
    """An unchanged row is not counted and keeps the batch that changed it last."""
    euro = {**CURRENCY, "currency_id": 3, "currency_code": "EUR", "currency_name": "euro"}
    assert merge_rows(connection, DIM_CURRENCY, CURRENCY, euro) == 2

    changed = {**euro, "currency_name": "Euro", "_ingested_sequence": 2}
    assert merge_rows(connection, DIM_CURRENCY, {**CURRENCY, "_ingested_sequence": 2}, changed) == 1

    assert all_rows(connection, "dim_currency") == [
        (1, "GBP", "Pound Sterling", 1, None),
        (3, "EUR", "Euro", 2, None),
    ]


def test_unchanged_dimension_row_is_not_written(connection):
    """Its row version in Postgres stays; NULL equals NULL."""
    table = STAR_TABLES["dim_transaction"]
    row = {"transaction_id": 1, "transaction_type": "SALE", "sales_order_id": 5, "_ingested_sequence": 1}
    merge_rows(connection, table, row)
    before = all_rows(connection, "dim_transaction", "xmin::text, ctid, *")

    assert merge_rows(connection, table, row) == 0
    assert all_rows(connection, "dim_transaction", "xmin::text, ctid, *") == before


def test_change_to_null_and_back_is_merged(connection):
    """A change to NULL is a change."""
    table = STAR_TABLES["dim_transaction"]
    row = {"transaction_id": 1, "transaction_type": "SALE", "sales_order_id": 5, "_ingested_sequence": 1}
    merge_rows(connection, table, row)
    assert merge_rows(connection, table, {**row, "sales_order_id": None}) == 1
    assert all_rows(connection, "dim_transaction", "sales_order_id") == [(None,)]
    assert merge_rows(connection, table, row) == 1
    assert all_rows(connection, "dim_transaction", "sales_order_id") == [(5,)]


@pytest.mark.parametrize(("table", "row"), [(DIM_CURRENCY, CURRENCY), (FACT, ORDER)], ids=["dimension", "fact"])
def test_rows_copied_twice_are_merged_once(dimensions, table, row):
    """Spark may retry a task whose first attempt reached Postgres."""
    dimensions.execute(f"TRUNCATE public.{table.name} CASCADE")
    with staged(dimensions, table, row, row) as name:
        staging.check(dimensions, table, name, expected=1)
        assert merge(dimensions, table, name) == 1
    assert len(all_rows(dimensions, table.name)) == 1


def test_fact_values_are_exact(dimensions):
    """Money without trailing zeros, times with milliseconds, codes with leading zeros."""
    merge_rows(dimensions, FACT, ORDER)
    columns = "item_unit_price::text, created_time::text, last_updated_time::text, item_code"
    assert all_rows(dimensions, "fact_purchase_order", columns) == [("2.5", "08:05:09.007", "23:59:59.999", "0XY7Z12")]
    assert all_rows(dimensions, "fact_purchase_order", "item_unit_price") == [(Decimal("2.5"),)]


def test_deleted_dimension_row_is_kept_with_its_deletion_time_and_can_return(connection):
    """Facts reference it; the view of current rows leaves it out."""
    merge_rows(connection, DIM_CURRENCY, CURRENCY)
    deleted = {**CURRENCY, "_ingested_sequence": 2, "_deleted_at": "2024-11-21 09:00:00.123"}
    assert merge_rows(connection, DIM_CURRENCY, deleted) == 1
    assert all_rows(connection, "dim_currency", "_ingested_sequence, _deleted_at::text") == [
        (2, "2024-11-21 09:00:00.123")
    ]
    assert all_rows(connection, "current_dim_currency") == []
    assert merge_rows(connection, DIM_CURRENCY, {**CURRENCY, "_ingested_sequence": 3}) == 1
    assert all_rows(connection, "current_dim_currency") == [(1, "GBP", "Pound Sterling", 3)]


def test_last_batch_wins_for_several_rows_of_a_dimension_key(connection):
    """In any order."""
    older, newer = ({**CURRENCY, "currency_name": f"name {n}", "_ingested_sequence": n} for n in (1, 2))
    assert merge_rows(connection, DIM_CURRENCY, newer, older) == 1
    assert all_rows(connection, "dim_currency", "currency_name") == [("name 2",)]


def test_deleted_order_is_in_the_history_and_not_in_the_view(dimensions):
    """One inserted again is in the view."""
    deleted = {**ORDER, "_ingested_sequence": 2, "_deleted_at": "2024-11-21 09:00:00"}
    merge_rows(dimensions, FACT, ORDER, deleted, {**ORDER, "purchase_order_id": 8})

    assert len(all_rows(dimensions, "fact_purchase_order")) == 3
    assert all_rows(dimensions, "current_fact_purchase_order", "purchase_order_id") == [(8,)]
    merge_rows(dimensions, FACT, {**ORDER, "_source_version": 200, "_ingested_sequence": 3})
    assert all_rows(dimensions, "current_fact_purchase_order", "purchase_order_id") == [(7,), (8,)]


def test_existing_version_is_unchanged(dimensions):
    """A replay inserts nothing, even if the row differs."""
    assert merge_rows(dimensions, FACT, ORDER) == 1
    before = all_rows(dimensions, "fact_purchase_order", "xmin::text, ctid, *")
    assert merge_rows(dimensions, FACT, {**ORDER, "item_quantity": 4}) == 0
    assert all_rows(dimensions, "fact_purchase_order", "xmin::text, ctid, *") == before


def test_every_version_is_kept_and_the_view_has_the_last_batch(dimensions):
    """Not the highest transaction id: two transactions wrote the row in the opposite order of their ids."""
    older = {**ORDER, "_source_version": 101, "_ingested_sequence": 1, "item_quantity": 1}
    newer = {**ORDER, "_source_version": 100, "_ingested_sequence": 2, "item_quantity": 2}
    other = {**ORDER, "purchase_order_id": 8}
    merge_rows(dimensions, FACT, newer, older, other)

    assert len(all_rows(dimensions, "fact_purchase_order")) == 3
    current = all_rows(dimensions, "current_fact_purchase_order", "purchase_order_id, item_quantity, _source_version")
    assert current == [(7, 2, 100), (8, 3, 100)]


def test_large_fact_is_merged_in_chunks(dimensions, monkeypatch):
    """Ranges of blocks of the staging table cover every row once."""
    monkeypatch.setattr(merging, "CHUNK_BLOCKS", 1)
    rows = [{**ORDER, "purchase_order_id": number} for number in range(1, 201)]
    with staged(dimensions, FACT, *rows) as name:
        blocks = dimensions.execute("SELECT pg_relation_size(%s) / 8192", (f'staging."{name}"',)).fetchone()[0]
        assert blocks > 2
        assert merge(dimensions, FACT, name) == 200
    numbers = all_rows(dimensions, "fact_purchase_order", "purchase_order_id")
    assert numbers == [(number,) for number in range(1, 201)]


@pytest.mark.parametrize("keys_are_there", [True, False], ids=["row by row", "all rows at the end"])
def test_fact_without_its_dimension_row_is_rejected(dimensions, keys_are_there):
    """With existing keys, and with keys added at the end of the transaction."""
    if not keys_are_there:
        dimensions.execute("ALTER TABLE public.fact_purchase_order DROP CONSTRAINT fact_purchase_order_staff_id_fkey")
    orphan = {**ORDER, "staff_id": 99}
    violation = pytest.raises(psycopg.errors.ForeignKeyViolation, match="fact_purchase_order_staff_id_fkey")
    with staged(dimensions, FACT, orphan) as name, violation:
        merge_completely(dimensions, name)
    assert all_rows(dimensions, "fact_purchase_order") == []


def test_merge_does_not_block_readers(dimensions, warehouse):
    """Tables and views are readable before a merge that adds foreign keys is committed."""
    dimensions.execute("ALTER TABLE public.fact_purchase_order DROP CONSTRAINT fact_purchase_order_staff_id_fkey")
    changed = {**CURRENCY, "currency_name": "Sterling"}
    with (
        staged(dimensions, FACT, ORDER) as name,
        psycopg.connect(warehouse.conninfo, options="-c lock_timeout=1s") as reader,
        dimensions.transaction(),
    ):
        dimensions.execute("UPDATE public.dim_currency SET currency_name = %s", (changed["currency_name"],))
        merge(dimensions, FACT, name)
        keys.add_foreign_keys(dimensions)

        assert all_rows(reader, "current_fact_purchase_order") == []
        assert all_rows(reader, "dim_currency", "currency_name") == [("Pound Sterling",)]
        assert len(all_rows(reader, "dim_staff")) == 1
