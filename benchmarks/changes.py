"""The same small change of totesys again and again: a new sales order; an order, a payment and an address changed.

`record` makes many of them, each in its own transaction, and records what an ingest after each would have read: the new
row versions, their transaction ids, and the snapshot. So a lake that is written from the records is the one that as
many runs would have written, and the next ingest continues it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import psycopg
from psycopg.rows import dict_row

from totelake.lake.batches import Snapshot
from totelake.tables import SOURCE_TABLES

CHANGED = ("sales_order", "payment", "address")
"""The tables with a changed row. No counterparty has one of the addresses: each row changes one of one star table."""

_NOW = "clock_timestamp() AT TIME ZONE 'UTC'"
_VERSION = "pg_current_xact_id()::text::bigint"


def _versions(table: str) -> str:
    return f"CREATE TABLE growth.{table} AS SELECT 0 AS number, 0::bigint AS version, * FROM public.{table} LIMIT 0;"


def _recording(table: str, statement: str) -> str:
    """Return `statement`, which changes rows of `table`, with the new versions recorded if `recorded`."""
    return f"""
        WITH changed AS ({statement} RETURNING *)
        INSERT INTO growth.{table} SELECT number, {_VERSION}, changed.* FROM changed WHERE recorded;"""


_DEFINITION = f"""
CREATE SCHEMA growth;
{"".join(map(_versions, CHANGED))}
CREATE TABLE growth.snapshot (number int, low bigint, high bigint, active bigint[], taken_at text);
CREATE TABLE growth.known AS
    SELECT array(SELECT sales_order_id FROM sales_order ORDER BY 1) AS orders,
           array(SELECT payment_id FROM payment ORDER BY 1) AS payments,
           array(SELECT address_id FROM address WHERE address_id NOT IN (SELECT legal_address_id FROM counterparty)
                 ORDER BY 1) AS addresses;
CREATE PROCEDURE growth.change(number int, recorded bool) LANGUAGE plpgsql AS $$
DECLARE
    known growth.known;
BEGIN
    SELECT * INTO known FROM growth.known;
    {
    _recording(
        "sales_order",
        f'''
        INSERT INTO sales_order (created_at, last_updated, design_id, staff_id, counterparty_id, units_sold, unit_price,
            currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id)
        SELECT {_NOW}, {_NOW}, design_id, staff_id, counterparty_id, 1000 + number % 1000, unit_price, currency_id,
            agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id
        FROM sales_order WHERE sales_order_id = known.orders[1 + (number * 7) % cardinality(known.orders)]''',
    )
}
    {
    _recording(
        "sales_order",
        f'''
        UPDATE sales_order SET units_sold = 1000 + units_sold % 1000 + 1, last_updated = {_NOW}
        WHERE sales_order_id = known.orders[1 + number % cardinality(known.orders)]''',
    )
}
    {
    _recording(
        "payment",
        f'''
        UPDATE payment SET paid = NOT paid, last_updated = {_NOW}
        WHERE payment_id = known.payments[1 + number % cardinality(known.payments)]''',
    )
}
    {
    _recording(
        "address",
        f'''
        UPDATE address SET phone = to_char(number, 'FM0000 000000'), last_updated = {_NOW}
        WHERE address_id = known.addresses[1 + number % cardinality(known.addresses)]''',
    )
}
END $$;
CREATE PROCEDURE growth.record(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
    FOR number IN first..last LOOP
        CALL growth.change(number, true);
        COMMIT;
        INSERT INTO growth.snapshot
        SELECT number, pg_snapshot_xmin(snapshot)::text::bigint, pg_snapshot_xmax(snapshot)::text::bigint,
               ARRAY(SELECT xip::text::bigint FROM pg_snapshot_xip(snapshot) AS xip),
               to_char({_NOW}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        FROM pg_current_snapshot() AS snapshot;
        COMMIT;
    END LOOP;
END $$;
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ingest after one change would have read: the snapshot, and the new versions of rows by table."""

    snapshot: Snapshot
    rows: dict[str, list[dict[str, Any]]]


def define(url: str) -> None:
    """Create the procedures in the totesys at `url`, in a schema of their own; its rows are known by then."""
    with psycopg.connect(url) as connection:
        connection.execute(_DEFINITION.encode())


def change(url: str, number: int) -> None:
    """Make the change `number`, from 1."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CALL growth.change(%s, false)", (number,))


def record(url: str, first: int, last: int, before: Snapshot) -> Iterator[Recorded]:
    """Make the changes `first` to `last`, and yield each; `before` is a snapshot of the same database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CALL growth.record(%s, %s)", (first, last))
    with psycopg.connect(url, row_factory=dict_row) as connection:
        snapshots = connection.execute(
            "SELECT * FROM growth.snapshot WHERE number BETWEEN %s AND %s ORDER BY number", (first, last)
        ).fetchall()
        versions = {table: _by_number(connection, table) for table in CHANGED}
    for taken in snapshots:
        snapshot = replace(
            before, xmin=taken["low"], xmax=taken["high"], xip=tuple(taken["active"]), taken_at=taken["taken_at"]
        )
        yield Recorded(snapshot, {table: versions[table][taken["number"]] for table in CHANGED})


def _by_number(connection: psycopg.Connection[dict[str, Any]], table: str) -> dict[int, list[dict[str, Any]]]:
    """Return the recorded rows of `table` by the number of the change, with the columns of a batch."""
    columns = ", ".join(SOURCE_TABLES[table].column_names)
    statement = f"SELECT number, {columns}, 'U' AS _op, version AS _source_version FROM growth.{table} ORDER BY number"
    rows = connection.execute(statement.encode()).fetchall()
    return {number: list(group) for number, group in groupby(rows, lambda row: row.pop("number"))}
