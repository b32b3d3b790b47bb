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
INSERT INTO dim_date VALUES ('2024-11-21', 2024, 11, 21, 4, 'Thursday', 'November', 4, 1, NULL);
INSERT INTO dim_staff VALUES (1, 'Pat', 'O''Keefe', 'HR', 'Leeds', 'pat@example.com', 1, NULL);
INSERT INTO dim_counterparty VALUES (1, 'A', '1 Road', NULL, NULL, 'Leeds', '01138', 'UK', '1', 1, NULL);
INSERT INTO dim_location VALUES (1, '1 Road', NULL, NULL, 'Leeds', '01138', 'UK', '1', 1, NULL);
INSERT INTO dim_currency VALUES (1, 'GBP', 'Pound Sterling', 1, NULL);
"""


@pytest.fixture
def connection(warehouse):
    """Connect to a warehouse without rows."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        apply(opened)
        yield opened


@pytest.fixture
def dimensions(connection):
    """Return the connection to a warehouse with the dimensions that ORDER refers to."""
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
    """Merge into the fact and then add the keys that it lacks, in one transaction."""
    with connection.transaction():
        merge(connection, FACT, staging_table)
        keys.add_foreign_keys(connection)


def everything(connection, relation, columns="*", order="1"):
    """Return the rows of `relation`."""
    return connection.execute(f"SELECT {columns} FROM {relation} ORDER BY {order}").fetchall()


def test_a_dimension_takes_new_rows_and_changed_ones(connection):
    """And counts no row that is the same: it keeps the batch that last changed it."""
    euro = {**CURRENCY, "currency_id": 3, "currency_code": "EUR", "currency_name": "euro"}
    assert merge_rows(connection, DIM_CURRENCY, CURRENCY, euro) == 2

    changed = {**euro, "currency_name": "Euro", "_ingested_sequence": 2}
    assert merge_rows(connection, DIM_CURRENCY, {**CURRENCY, "_ingested_sequence": 2}, changed) == 1

    assert everything(connection, "dim_currency") == [
        (1, "GBP", "Pound Sterling", 1, None),
        (3, "EUR", "Euro", 2, None),
    ]


def test_a_dimension_row_that_is_the_same_is_not_written_again(connection):
    """Its version in Postgres stays, NULL being the same as NULL."""
    table = STAR_TABLES["dim_transaction"]
    row = {"transaction_id": 1, "transaction_type": "SALE", "sales_order_id": 5, "_ingested_sequence": 1}
    merge_rows(connection, table, row)
    before = everything(connection, "dim_transaction", "xmin::text, ctid, *")

    assert merge_rows(connection, table, row) == 0
    assert everything(connection, "dim_transaction", "xmin::text, ctid, *") == before


def test_a_value_becomes_null_and_comes_back(connection):
    """A change to NULL is a change."""
    table = STAR_TABLES["dim_transaction"]
    row = {"transaction_id": 1, "transaction_type": "SALE", "sales_order_id": 5, "_ingested_sequence": 1}
    merge_rows(connection, table, row)
    assert merge_rows(connection, table, {**row, "sales_order_id": None}) == 1
    assert everything(connection, "dim_transaction", "sales_order_id") == [(None,)]
    assert merge_rows(connection, table, row) == 1
    assert everything(connection, "dim_transaction", "sales_order_id") == [(5,)]


@pytest.mark.parametrize(("table", "row"), [(DIM_CURRENCY, CURRENCY), (FACT, ORDER)], ids=["dimension", "fact"])
def test_what_was_copied_twice_is_merged_once(dimensions, table, row):
    """Spark may run a task again whose first try had reached Postgres."""
    dimensions.execute("TRUNCATE dim_currency CASCADE" if table is DIM_CURRENCY else "TRUNCATE fact_purchase_order")
    with staged(dimensions, table, row, row) as name:
        staging.check(dimensions, table, name, expected=1)
        assert merge(dimensions, table, name) == 1
    assert len(everything(dimensions, table.name)) == 1


def test_a_fact_keeps_its_values_exactly(dimensions):
    """Money without the zeros that the lake adds, times to the millisecond, codes with their zeros."""
    merge_rows(dimensions, FACT, ORDER)
    columns = "item_unit_price::text, created_time::text, last_updated_time::text, item_code"
    assert everything(dimensions, "fact_purchase_order", columns) == [
        ("2.5", "08:05:09.007", "23:59:59.999", "0XY7Z12")
    ]
    assert everything(dimensions, "fact_purchase_order", "item_unit_price") == [(Decimal("2.5"),)]


def test_a_dimension_row_that_is_gone_stays_with_the_time_and_can_come_back(connection):
    """Facts refer to it; the view of what is there now leaves it out."""
    merge_rows(connection, DIM_CURRENCY, CURRENCY)
    gone = {**CURRENCY, "_ingested_sequence": 2, "_deleted_at": "2024-11-21 09:00:00.123"}
    assert merge_rows(connection, DIM_CURRENCY, gone) == 1
    assert everything(connection, "dim_currency", "_ingested_sequence, _deleted_at::text") == [
        (2, "2024-11-21 09:00:00.123")
    ]
    assert everything(connection, "current_dim_currency") == []
    assert merge_rows(connection, DIM_CURRENCY, {**CURRENCY, "_ingested_sequence": 3}) == 1
    assert everything(connection, "current_dim_currency") == [(1, "GBP", "Pound Sterling", 3)]


def test_of_several_rows_of_a_dimension_the_one_of_the_last_batch_counts(connection):
    """Whatever their order."""
    older, newer = ({**CURRENCY, "currency_name": f"name {n}", "_ingested_sequence": n} for n in (1, 2))
    assert merge_rows(connection, DIM_CURRENCY, newer, older) == 1
    assert everything(connection, "dim_currency", "currency_name") == [("name 2",)]


def test_a_deleted_order_is_in_the_history_and_not_in_the_view(dimensions):
    """One that came back is there again."""
    gone = {**ORDER, "_ingested_sequence": 2, "_deleted_at": "2024-11-21 09:00:00"}
    merge_rows(dimensions, FACT, ORDER, gone, {**ORDER, "purchase_order_id": 8})

    assert len(everything(dimensions, "fact_purchase_order")) == 3
    assert everything(dimensions, "current_fact_purchase_order", "purchase_order_id") == [(8,)]
    merge_rows(dimensions, FACT, {**ORDER, "_source_version": 200, "_ingested_sequence": 3})
    assert everything(dimensions, "current_fact_purchase_order", "purchase_order_id") == [(7,), (8,)]


def test_a_version_that_is_there_stays_as_it_is(dimensions):
    """A replay inserts nothing, not even when the rest of the row differs."""
    assert merge_rows(dimensions, FACT, ORDER) == 1
    before = everything(dimensions, "fact_purchase_order", "xmin::text, ctid, *")
    assert merge_rows(dimensions, FACT, {**ORDER, "item_quantity": 4}) == 0
    assert everything(dimensions, "fact_purchase_order", "xmin::text, ctid, *") == before


def test_every_version_is_kept_and_the_view_shows_the_youngest_batch(dimensions):
    """Not the highest version: two transactions wrote the row in the opposite order of their numbers."""
    older = {**ORDER, "_source_version": 101, "_ingested_sequence": 1, "item_quantity": 1}
    newer = {**ORDER, "_source_version": 100, "_ingested_sequence": 2, "item_quantity": 2}
    other = {**ORDER, "purchase_order_id": 8}
    merge_rows(dimensions, FACT, newer, older, other)

    assert len(everything(dimensions, "fact_purchase_order")) == 3
    current = everything(dimensions, "current_fact_purchase_order", "purchase_order_id, item_quantity, _source_version")
    assert current == [(7, 2, 100), (8, 3, 100)]


def test_a_large_fact_is_merged_run_by_run(dimensions, monkeypatch):
    """Runs of blocks of staging cover every row, each once."""
    monkeypatch.setattr(merging, "CHUNK_BLOCKS", 1)
    rows = [{**ORDER, "purchase_order_id": number} for number in range(1, 201)]
    with staged(dimensions, FACT, *rows) as name:
        blocks = dimensions.execute("SELECT pg_relation_size(%s) / 8192", (f'staging."{name}"',)).fetchone()[0]
        assert blocks > 2
        assert merge(dimensions, FACT, name) == 200
    numbers = everything(dimensions, "fact_purchase_order", "purchase_order_id")
    assert numbers == [(number,) for number in range(1, 201)]


@pytest.mark.parametrize("keys_are_there", [True, False], ids=["row by row", "all rows at the end"])
def test_a_fact_without_its_dimension_is_refused(dimensions, keys_are_there):
    """Whether the keys are there already or are added at the end of the transaction."""
    if not keys_are_there:
        dimensions.execute("ALTER TABLE fact_purchase_order DROP CONSTRAINT fact_purchase_order_staff_id_fkey")
    stranger = {**ORDER, "staff_id": 99}
    refused = pytest.raises(psycopg.errors.ForeignKeyViolation, match="fact_purchase_order_staff_id_fkey")
    with staged(dimensions, FACT, stranger) as name, refused:
        merge_completely(dimensions, name)
    assert everything(dimensions, "fact_purchase_order") == []


def test_readers_are_not_kept_out_by_a_merge(dimensions, warehouse):
    """Tables and views can be read while a merge that adds the foreign keys has not committed."""
    dimensions.execute("ALTER TABLE fact_purchase_order DROP CONSTRAINT fact_purchase_order_staff_id_fkey")
    changed = {**CURRENCY, "currency_name": "Sterling"}
    with (
        staged(dimensions, FACT, ORDER) as name,
        psycopg.connect(warehouse.conninfo, options="-c lock_timeout=1s") as reader,
        dimensions.transaction(),
    ):
        dimensions.execute("UPDATE dim_currency SET currency_name = %s", (changed["currency_name"],))
        merge(dimensions, FACT, name)
        keys.add_foreign_keys(dimensions)

        assert everything(reader, "current_fact_purchase_order") == []
        assert everything(reader, "dim_currency", "currency_name") == [("Pound Sterling",)]
        assert len(everything(reader, "dim_staff")) == 1
