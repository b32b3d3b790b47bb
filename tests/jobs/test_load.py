"""The load stage on committed batches: each is loaded completely, once and in order, or not at all."""

from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from tests.jobs.loaded_rows import contents
from tests.jobs.log_lines import log_lines
from tests.star_batches import DIMENSIONS, FAR, FIRST, SMALL, order, payment
from totelake.runtime import retry
from totelake.runtime.errors import (
    AlreadyRunningError,
    DatabaseUnavailableError,
    LedgerError,
    StagingError,
    WarehouseSchemaError,
)
from totelake.runtime.glue import JobRun
from totelake.warehouse import load
from totelake.warehouse.postgres import ledger
from totelake.warehouse.postgres.session import open_warehouse


@pytest.fixture
def run_load(processed, side):
    """Return a function that runs the load stage once and returns the job run."""

    def once(**arguments):
        run = JobRun(id=f"jr_{uuid4().hex}", code_version="v2", arguments=arguments)
        load.run(run, processed, side.warehouse)
        return run

    return once


def test_batch_is_loaded_completely_and_exactly(commit, run_load, query, side):
    """Apostrophes, leading zeros, NULLs, exact money, milliseconds and a far future date."""
    commit(FIRST)
    run_load()

    assert query("SELECT * FROM dim_location") == DIMENSIONS["dim_location"]
    assert query("SELECT last_name, email_address FROM dim_staff") == [("O'Keefe", "pat.o'keefe@example.com")]
    assert query("SELECT * FROM dim_transaction") == [(5, "PURCHASE", None, 7, 1, None)]
    price = "trim_scale(item_unit_price)::text"
    facts = f"created_time::text, last_updated_time::text, item_code, {price}, agreed_delivery_date"
    assert query(f"SELECT {facts} FROM fact_purchase_order") == [
        ("08:05:09.007", "23:59:59.999", "00Y7Z12", "2.5", FAR)
    ]
    assert query("SELECT paid, payment_amount, last_updated_time::text FROM current_fact_payment") == [
        (False, Decimal("7.5"), "07:55:11")
    ]
    assert side.left_in_staging() == []


def test_ledger_records_the_loaded_batch(commit, run_load, query):
    """With its run, code version and row counts."""
    batch = commit(SMALL)
    run = run_load()
    rows = {name: len(written) for name, written in SMALL.items()}
    columns = "processed_sequence, batch_id, run_id, code_version, rows::jsonb"
    assert query(f"SELECT {columns} FROM load_ledger") == [(1, batch.batch_id, run.id, "v2", rows)]


def test_every_table_has_a_log_line_with_its_rows(commit, run_load, capsys):
    """`totelake run` shows them."""
    commit({**FIRST, "fact_purchase_order": [order(7), order(8)]})
    run_load()
    loaded = {line["table"]: line["rows"] for line in log_lines(capsys, "table_loaded") if line["stage"] == "load"}
    assert loaded == {name: len(rows) for name, rows in FIRST.items()} | {"fact_purchase_order": 2}


def test_load_without_pending_batches_starts_no_spark_and_writes_nothing(commit, run_load, query, capsys):
    """Repeated, and before the first batch."""
    assert "spark" not in run_load().__dict__
    commit(SMALL)
    run_load()
    before = contents(query)
    capsys.readouterr()

    assert "spark" not in run_load().__dict__
    assert contents(query) == before
    assert [line["batches"] for line in log_lines(capsys, "load")] == [0]


def test_replayed_batch_changes_nothing(commit, run_load, query):
    """Even when its ledger row is missing: only that row is written again."""
    commit(FIRST)
    run_load()
    before = contents(query) | {"load_ledger": None}
    removed_from_ledger = query("DELETE FROM load_ledger RETURNING processed_sequence")

    run_load()

    assert removed_from_ledger == [(1,)]
    assert contents(query) | {"load_ledger": None} == before
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_pending_batches_are_loaded_in_order_and_the_view_shows_the_last_version(commit, run_load, query):
    """The later batch has the lower transaction id and is still the newer version."""
    commit({**FIRST, "fact_purchase_order": [order(version=101)]})
    commit({"fact_purchase_order": [order(version=100, batch=2, quantity=4)]})
    commit({"fact_payment": [payment(paid=True, version=102, batch=3)]})

    run_load()

    assert query("SELECT processed_sequence FROM load_ledger ORDER BY loaded_at") == [(1,), (2,), (3,)]
    assert query("SELECT item_quantity FROM fact_purchase_order ORDER BY _ingested_sequence") == [(3,), (4,)]
    assert query("SELECT item_quantity, _source_version FROM current_fact_purchase_order") == [(4, 100)]
    assert query("SELECT paid FROM current_fact_payment") == [(True,)]


def test_dimension_has_its_latest_state(commit, run_load, query):
    """The facts that reference it are kept."""
    commit(FIRST)
    run_load()
    commit({"dim_staff": [(1, "Pat", "O'Keefe", "Sales", "Leeds", "pat.o'keefe@example.com", 2, None)]})
    run_load()
    assert query("SELECT department_name, location, _ingested_sequence FROM dim_staff") == [("Sales", "Leeds", 2)]


def test_load_that_fails_before_its_commit_leaves_nothing(commit, run_load, query, side, monkeypatch):
    """No row, no ledger row, no staging table; the next load loads everything."""
    commit(SMALL)
    with monkeypatch.context() as broken:
        side.break_its_end(broken)
        with pytest.raises(side.failure):
            run_load()
    assert not any(contents(query).values())
    assert side.left_in_staging() == []

    run_load()

    assert query("SELECT count(*) FROM dim_currency") == [(1,)]


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
def test_load_that_loses_its_connection_is_completed_by_the_next(commit, run_load, query, side, monkeypatch):
    """Its staging tables stay, unmerged, until the next load drops them."""
    commit(SMALL)

    def die(connection, *_):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "insert", die)
        broken.setattr(retry, "MAX_ATTEMPTS", 1)
        with pytest.raises(DatabaseUnavailableError):
            run_load()
    assert not any(contents(query).values())
    assert len(side.left_in_staging()) == len(SMALL)

    run_load()

    assert query("SELECT count(*) FROM dim_currency") == [(1,)]
    assert side.left_in_staging() == []


@pytest.mark.parametrize("count", [2, 4])
def test_batch_with_a_wrong_row_count_is_not_merged(commit, run_load, query, count):
    """The record's count differs from the files': no other table is loaded either."""
    commit(FIRST)
    run_load()
    before = contents(query)
    orders = [order(number, version=200, batch=2) for number in (11, 12, 13)]
    dollar = (2, "USD", "US Dollar", 2, None)
    commit({"fact_purchase_order": orders, "dim_currency": [dollar]}, counts={"fact_purchase_order": count})

    with pytest.raises(StagingError, match=f"the batch has {count} rows"):
        run_load()
    assert contents(query) == before


def test_non_consecutive_batches_are_rejected(commit, run_load, query):
    """The second batch skips an ingested batch: nothing is loaded, not even the first."""
    commit(SMALL)
    commit({"dim_currency": [(2, "USD", "US Dollar", 3, None)]}, ingested=(3, 3))
    with pytest.raises(LedgerError, match="starts with ingested batch 3"):
        run_load()
    assert query("SELECT count(*) FROM dim_currency") == [(0,)]


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
def test_concurrent_load_is_rejected(commit, run_load, side, query):
    """The error names the running one; a later run succeeds."""
    commit(SMALL)
    with (
        open_warehouse(side.warehouse.login, "jr_other"),
        pytest.raises(AlreadyRunningError, match="totelake load jr_other"),
    ):
        run_load()
    run_load()
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_warehouse_with_another_schema_is_rejected_before_the_copy(commit, run_load, query, side):
    """The error names the table and the column."""
    commit(FIRST)
    with psycopg.connect(side.url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS staging CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute("CREATE TABLE fact_payment (payment_record_id serial PRIMARY KEY)")
    with pytest.raises(WarehouseSchemaError, match="fact_payment: column payment_id is missing"):
        run_load()
    assert query("SELECT to_regclass('dim_staff')") == [(None,)]


def test_no_log_line_contains_the_password(commit, run_load, side, capfd):
    """Neither the stage's nor Spark's."""
    commit(SMALL)
    run_load()
    printed = capfd.readouterr()
    assert "table_loaded" in printed.out
    assert side.password not in printed.out + printed.err
