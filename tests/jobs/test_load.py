"""The load stage on committed batches: each there whole, once and in order, or not at all."""

import datetime as dt
import json
from decimal import Decimal
from uuid import uuid4

import boto3
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql.pandas.types import to_arrow_schema

from totelake import attempts, load
from totelake.batches import ProcessedBatch, ProcessedTable
from totelake.errors import (
    AlreadyRunningError,
    DatabaseUnavailableError,
    LedgerError,
    StagingError,
    WarehouseSchemaError,
)
from totelake.frames import schema
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.tables import STAR_TABLES
from totelake.warehouse import ledger
from totelake.warehouse.session import open_warehouse

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
    """Return one version of the payment of that order."""
    return (9, DAY, "08:05:09.007", DAY, "07:55:11.000", 5, 1, Decimal("7.50"), 1, 3, paid, DAY, version, batch, None)


SMALL = {name: DIMENSIONS[name] for name in ("dim_currency", "dim_payment_type")}
FIRST: dict[str, Rows] = {**DIMENSIONS, "fact_purchase_order": [order()], "fact_payment": [payment(paid=False)]}


def put(bucket, key, table, rows):
    """Write `rows` of a star table as the Parquet file `key`."""
    columns = to_arrow_schema(schema(table.stored_columns))
    file = pa.BufferOutputStream()
    named = [dict(zip(columns.names, row, strict=True)) for row in rows]
    parquet.write_table(pa.Table.from_pylist(named, columns), file)
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=file.getvalue().to_pybytes())


@pytest.fixture
def commit(lake):
    """Return a function that commits rows of star tables as the next batch of the processed bucket."""
    log = CommitLog(lake.processed, ProcessedBatch)

    def write(tables, *, counts=None, ingested=None):
        sequence = log.last_sequence() + 1
        batch_id = f"20241121T09000000{sequence}Z-{uuid4().hex[:8]}"
        written = {}
        for name, rows in tables.items():
            table = STAR_TABLES[name]
            path = f"tables/{name}/batch_id={batch_id}/"
            folder = path + ("month=2024-11/" if table.is_fact else "")
            put(lake.processed, f"{folder}part-00000.parquet", table, rows)
            months = ("2024-11",) if table.is_fact else ()
            written[name] = ProcessedTable(path=path, rows=(counts or {}).get(name, len(rows)), bytes=1, months=months)
        first, last = ingested or (sequence, sequence)
        taken_at = "2024-11-21T09:00:00.000Z"
        batch = ProcessedBatch(
            sequence, batch_id, first, last, taken_at, written, run_id="jr_t", code_version="v1", committed_at=taken_at
        )
        log.commit(batch)
        return batch

    return write


@pytest.fixture
def run_load(lake, warehouse):
    """Return a function that runs the load stage once and returns its run."""

    def once(**arguments):
        run = JobRun(id=f"jr_{uuid4().hex}", code_version="v2", arguments=arguments)
        load.run(run, lake.processed, warehouse)
        return run

    return once


@pytest.fixture
def query(warehouse):
    """Return a function that returns the rows of a query on the warehouse."""

    def rows(statement):
        with psycopg.connect(warehouse.conninfo) as connection:
            return connection.execute(statement).fetchall()

    return rows


def contents(query):
    """Return every row of every star table and of the ledger, with its version in Postgres."""
    tables = [*STAR_TABLES, "load_ledger"]
    return {table: sorted(map(repr, query(f"SELECT xmin::text, ctid::text, * FROM {table}"))) for table in tables}


def staging_tables(query):
    """Return the tables that a load has left in staging."""
    return query("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'")


def lines(capsys, event):
    """Return the lines of that event that a stage has printed."""
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in said if line["event"] == event]


def test_a_batch_arrives_whole_and_exactly(commit, run_load, query):
    """Apostrophes, leading zeros, NULLs, exact money, milliseconds and a date far ahead."""
    commit(FIRST)
    run_load()

    assert query("SELECT * FROM dim_location") == DIMENSIONS["dim_location"]
    assert query("SELECT last_name, email_address FROM dim_staff") == [("O'Keefe", "pat.o'keefe@example.com")]
    assert query("SELECT * FROM dim_transaction") == [(5, "PURCHASE", None, 7, 1, None)]
    facts = "created_time::text, last_updated_time::text, item_code, item_unit_price::text, agreed_delivery_date"
    assert query(f"SELECT {facts} FROM fact_purchase_order") == [
        ("08:05:09.007", "23:59:59.999", "00Y7Z12", "2.5", FAR)
    ]
    assert query("SELECT paid, payment_amount, last_updated_time::text FROM current_fact_payment") == [
        (False, Decimal("7.5"), "07:55:11")
    ]
    assert query("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(24,)]
    assert staging_tables(query) == []


def test_the_ledger_tells_what_was_loaded(commit, run_load, query):
    """Batch, run, code and rows."""
    batch = commit(SMALL)
    run = run_load()
    rows = {name: len(written) for name, written in SMALL.items()}
    columns = "processed_sequence, batch_id, run_id, code_version, rows"
    assert query(f"SELECT {columns} FROM load_ledger") == [(1, batch.batch_id, run.id, "v2", rows)]


def test_every_table_has_a_line_with_its_rows(commit, run_load, capsys):
    """What whoever follows the run shows."""
    commit({**FIRST, "fact_purchase_order": [order(7), order(8)]})
    run_load()
    loaded = {line["table"]: line["rows"] for line in lines(capsys, "table_loaded") if line["stage"] == "load"}
    assert loaded == {name: len(rows) for name, rows in FIRST.items()} | {"fact_purchase_order": 2}


def test_nothing_pending_starts_no_spark_and_writes_nothing(commit, run_load, query, capsys):
    """A load that is run again, and one before the first batch."""
    assert "spark" not in run_load().__dict__
    commit(SMALL)
    run_load()
    before = contents(query)
    capsys.readouterr()

    assert "spark" not in run_load().__dict__
    assert contents(query) == before
    assert [line["batches"] for line in lines(capsys, "load")] == [0]


def test_a_replayed_batch_changes_nothing(commit, run_load, query):
    """Even when the ledger has forgotten it: no row is written again, only the ledger's."""
    commit(FIRST)
    run_load()
    before = contents(query) | {"load_ledger": None}
    with_ledger = query("DELETE FROM load_ledger RETURNING processed_sequence")

    run_load()

    assert with_ledger == [(1,)]
    assert contents(query) | {"load_ledger": None} == before
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_pending_batches_are_loaded_in_order_and_the_view_shows_the_last_version(commit, run_load, query):
    """The later batch has the lower transaction: it is the newer version all the same."""
    commit({**FIRST, "fact_purchase_order": [order(version=101)]})
    commit({"fact_purchase_order": [order(version=100, batch=2, quantity=4)]})
    commit({"fact_payment": [payment(paid=True, version=102, batch=3)]})

    run_load()

    assert query("SELECT processed_sequence FROM load_ledger ORDER BY loaded_at") == [(1,), (2,), (3,)]
    assert query("SELECT item_quantity FROM fact_purchase_order ORDER BY _ingested_sequence") == [(3,), (4,)]
    assert query("SELECT item_quantity, _source_version FROM current_fact_purchase_order") == [(4, 100)]
    assert query("SELECT paid FROM current_fact_payment") == [(True,)]


def test_a_dimension_takes_its_latest_state(commit, run_load, query):
    """The facts that refer to it stay."""
    commit(FIRST)
    run_load()
    commit({"dim_staff": [(1, "Pat", "O'Keefe", "Sales", "Leeds", "pat.o'keefe@example.com", 2, None)]})
    run_load()
    assert query("SELECT department_name, location, _ingested_sequence FROM dim_staff") == [("Sales", "Leeds", 2)]


def test_a_load_that_fails_before_its_commit_leaves_nothing_behind(commit, run_load, query, monkeypatch):
    """No row, no entry, no staging table; the next load brings everything."""
    commit(SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "enter", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_load()
    assert not any(contents(query).values())
    assert staging_tables(query) == []

    run_load()

    assert query("SELECT count(*) FROM dim_currency") == [(1,)]


def test_a_load_that_dies_with_its_connection_is_made_good_by_the_next(commit, run_load, query, monkeypatch):
    """Its staging tables stay for a while; nothing of them is merged, and the next load drops them."""
    commit(SMALL)

    def die(connection, *_):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "enter", die)
        broken.setattr(attempts, "ATTEMPTS", 1)
        with pytest.raises(DatabaseUnavailableError):
            run_load()
    assert not any(contents(query).values())
    assert len(staging_tables(query)) == len(SMALL)

    run_load()

    assert query("SELECT count(*) FROM dim_currency") == [(1,)]
    assert staging_tables(query) == []


@pytest.mark.parametrize("count", [2, 4])
def test_a_batch_that_did_not_arrive_whole_is_not_merged(commit, run_load, query, count):
    """The record says otherwise than the files: not even the other tables are loaded."""
    commit(FIRST)
    run_load()
    before = contents(query)
    orders = [order(number, version=200, batch=2) for number in (11, 12, 13)]
    dollar = (2, "USD", "US Dollar", 2, None)
    commit({"fact_purchase_order": orders, "dim_currency": [dollar]}, counts={"fact_purchase_order": count})

    with pytest.raises(StagingError, match=f"the batch holds {count} rows"):
        run_load()
    assert contents(query) == before


def test_batches_that_do_not_follow_each_other_are_refused(commit, run_load, query):
    """The second leaves an ingested batch out: nothing is loaded, not even the first."""
    commit(SMALL)
    commit({"dim_currency": [(2, "USD", "US Dollar", 3, None)]}, ingested=(3, 3))
    with pytest.raises(LedgerError, match="begins with ingested batch 3"):
        run_load()
    assert query("SELECT count(*) FROM dim_currency") == [(0,)]


def test_of_two_loads_at_once_one_is_refused(commit, run_load, warehouse, query):
    """It names the other, does nothing, and can be run again."""
    commit(SMALL)
    with open_warehouse(warehouse, "jr_other"), pytest.raises(AlreadyRunningError, match="totelake load jr_other"):
        run_load()
    run_load()
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_a_warehouse_of_another_shape_is_refused_before_anything_is_copied(commit, run_load, query, warehouse):
    """The error names the table and its columns."""
    commit(FIRST)
    with psycopg.connect(warehouse.conninfo) as connection:
        connection.execute("CREATE TABLE fact_payment (payment_record_id serial PRIMARY KEY)")
    with pytest.raises(WarehouseSchemaError, match="fact_payment: column payment_id is missing"):
        run_load()
    assert query("SELECT to_regclass('dim_staff')") == [(None,)]


def test_no_line_holds_the_password(commit, run_load, warehouse, capfd):
    """Neither of the stage nor of Spark."""
    commit(SMALL)
    run_load()
    said = capfd.readouterr()
    assert "table_loaded" in said.out
    assert warehouse.password not in said.out + said.err


def without_surrogates(query):
    """Return every row of every star table, but for the numbers that the warehouse gives."""
    tables = {name: [column.name for column in table.stored_columns] for name, table in STAR_TABLES.items()}
    return {name: sorted(map(repr, query(f"SELECT {', '.join(names)} FROM {name}"))) for name, names in tables.items()}


def test_a_rebuilt_warehouse_has_the_same_rows(commit, warehouse, run_load, query):
    """History, deletions and the last state of each dimension; what was in it besides is gone."""
    commit({**FIRST, "fact_purchase_order": [order(version=101), order(8)]})
    commit({"fact_purchase_order": [order(version=100, batch=2, quantity=4)]})
    deleted = (*order(version=100, batch=3, quantity=4)[:-1], dt.datetime(2024, 11, 21, 9))
    commit({"fact_purchase_order": [deleted], "dim_currency": [(1, "GBP", "Sterling", 3, None)]})
    run_load()
    loaded = "SELECT processed_sequence, batch_id, rows FROM load_ledger"
    before, ledger_before = without_surrogates(query), query(loaded)
    with psycopg.connect(warehouse.conninfo) as connection:
        connection.execute("UPDATE fact_payment SET payment_amount = 0")
        connection.execute("DELETE FROM fact_purchase_order WHERE _ingested_sequence = 2")
        connection.execute("INSERT INTO dim_currency VALUES (5, 'XXX', 'None', 1, NULL)")

    run_load(rebuild="true")

    assert without_surrogates(query) == before
    assert query(loaded) == ledger_before
    assert query("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(24,)]
    run_load()
    assert without_surrogates(query) == before


def test_a_rebuild_that_fails_leaves_the_warehouse_as_it_was(commit, run_load, query, monkeypatch):
    """All of it is one transaction."""
    commit(FIRST)
    run_load()
    before = contents(query)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "enter", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_load(rebuild="true")
    assert contents(query) == before


def test_a_batch_that_begins_the_zone_anew_takes_the_place_of_the_others(commit, run_load, query):
    """The rows that only they had are gone, and the ledger goes on from it."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    anew = commit({**DIMENSIONS, "fact_payment": [payment(paid=False)]}, ingested=(1, 2))
    last = commit({"fact_payment": [payment(paid=True, batch=3)]}, ingested=(3, 3))

    run_load()

    assert query("SELECT processed_sequence, batch_id FROM load_ledger") == [
        (anew.sequence, anew.batch_id),
        (last.sequence, last.batch_id),
    ]
    assert query("SELECT paid, _ingested_sequence FROM fact_payment ORDER BY 2") == [(False, 1), (True, 3)]
    assert query("SELECT count(*) FROM fact_purchase_order") == [(0,)]
