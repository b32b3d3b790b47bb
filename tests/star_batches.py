"""Batches of the processed zone with a few rows, in the layout that Spark writes, written without Spark."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

import boto3
import pyarrow as pa
from pyarrow import parquet

from totelake.lake.batches import ProcessedBatch, ProcessedTable
from totelake.lake.commit_log import CommitLog
from totelake.tables import STAR_TABLES, Column, StarTable

DAY = dt.date(2024, 11, 21)
FAR = dt.date(2026, 9, 1)
type Rows = list[tuple[object, ...]]
DIMENSIONS: dict[str, Rows] = {
    "dim_date": [
        (DAY, 2024, 11, 21, 4, "Thursday", "November", 4, 1, None),
        (FAR, 2026, 9, 1, 2, "Tuesday", "September", 3, 1, None),
    ],
    "dim_staff": [(1, "Pat", "O'Keefe", "HR", "Undefined", "pat.o'keefe@example.com", 1, None)],
    "dim_location": [(1, "1 Road", None, None, "Leeds", "01138", "Svalbard & Jan Mayen", "0021 366201", 1, None)],
    "dim_currency": [(1, "GBP", "Pound Sterling", 1, None)],
    "dim_counterparty": [(1, "Fahey", "1 Road", None, None, "Leeds", "01138", "UK", "0021 366201", 1, None)],
    "dim_transaction": [(5, "PURCHASE", None, 7, 1, None)],
    "dim_payment_type": [(3, "PURCHASE_PAYMENT", 1, None)],
}


def order(number=7, *, version=100, batch=1, quantity=3, price="2.50"):
    """Return one version of a purchase order."""
    stamps = (DAY, "08:05:09.007", DAY, "23:59:59.999")
    return (number, *stamps, 1, 1, "00Y7Z12", quantity, Decimal(price), 1, FAR, DAY, 1, version, batch, None)


def payment(*, paid, version=100, batch=1):
    """Return one version of the payment of the purchase order that `order` returns."""
    return (9, DAY, "08:05:09.007", DAY, "07:55:11.000", 5, 1, Decimal("7.50"), 1, 3, paid, DAY, version, batch, None)


SMALL = {name: DIMENSIONS[name] for name in ("dim_currency", "dim_payment_type")}
FIRST: dict[str, Rows] = {**DIMENSIONS, "fact_purchase_order": [order()], "fact_payment": [payment(paid=False)]}


def put(bucket: str, key: str, table: StarTable, rows: Rows) -> None:
    """Write `rows` of a star table as the Parquet file `key`."""
    columns = pa.schema([(column.name, _arrow_type(column)) for column in table.stored_columns])
    file = pa.BufferOutputStream()
    named = [dict(zip(columns.names, row, strict=True)) for row in rows]
    parquet.write_table(pa.Table.from_pylist(named, columns), file)
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=file.getvalue().to_pybytes())


def _arrow_type(column: Column) -> pa.DataType:
    name, _, bounds = column.type.spark.partition("(")
    if name == "decimal":
        return pa.decimal128(*map(int, bounds.removesuffix(")").split(",")))
    return {
        "int": pa.int32(),
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
        "string": pa.string(),
        "date": pa.date32(),
        "timestamp_ntz": pa.timestamp("us"),
    }[name]


def commit(
    bucket: str,
    tables: dict[str, Rows],
    *,
    counts: dict[str, int] | None = None,
    ingested: tuple[int, int] | None = None,
) -> ProcessedBatch:
    """Commit `tables` as the next batch of `bucket`; `counts` replaces the row counts in its record."""
    log = CommitLog(bucket, ProcessedBatch)
    sequence = log.last_sequence() + 1
    batch_id = f"20241121T09000000{sequence}Z-{uuid4().hex[:8]}"
    written = {}
    for name, rows in tables.items():
        table = STAR_TABLES[name]
        path = f"tables/{name}/batch_id={batch_id}/"
        folder = path + ("month=2024-11/" if table.is_fact else "")
        put(bucket, f"{folder}part-00000.parquet", table, rows)
        months = ("2024-11",) if table.is_fact else ()
        written[name] = ProcessedTable(path=path, rows=(counts or {}).get(name, len(rows)), bytes=1, months=months)
    first, last = ingested or (sequence, sequence)
    taken_at = "2024-11-21T09:00:00.000Z"
    batch = ProcessedBatch(
        sequence, batch_id, first, last, taken_at, written, run_id="jr_t", code_version="v1", committed_at=taken_at
    )
    log.commit(batch)
    return batch
