"""What is Redshift's own about a load: keys that nobody enforces, a transaction that runs without whoever began it."""

import datetime as dt
import json
import runpy
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import psycopg
import pytest

from tests import star_batches
from tests.star_batches import DIMENSIONS, FIRST, SMALL, order, payment
from tests.unit.test_warehouse_definition import PREDEFINED, found_columns
from totelake.runtime import failpoints, retry
from totelake.runtime.errors import OrphanError, StagingError, StatementError
from totelake.tables import STAR_TABLES
from totelake.warehouse import load
from totelake.warehouse.redshift import load as redshift_load
from totelake.warehouse.redshift import shape
from totelake.warehouse.redshift.data_api import DataApi
from totelake.warehouse.redshift.files import CopyFiles


@pytest.fixture(params=["redshift"])
def kind(request):
    """Return the one kind of warehouse of this module."""
    return request.param


@pytest.fixture
def query(side):
    """Return a function that returns the rows of a query on what stands for Redshift."""

    def rows(statement):
        with psycopg.connect(side.url) as connection:
            return connection.execute(statement).fetchall()

    return rows


@pytest.fixture
def again_at_once(monkeypatch):
    """Let a run try again without a wait; return what else may be changed for the test."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    return monkeypatch


@contextmanager
def held(side, table):
    """Keep everybody from `table` in the block, and at its end until somebody waits for the ledger."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'load_ledger'::regclass"
    with psycopg.connect(side.url) as connection, psycopg.connect(side.url, autocommit=True) as observer:
        connection.execute(f"LOCK TABLE {table}")
        yield
        give_up = time.monotonic() + 30
        while observer.execute(waits).fetchone() == (0,):
            assert time.monotonic() < give_up, "nobody came to wait"
            time.sleep(0.02)


def in_background(function):
    """Run `function` in a thread; return the thread and the list into which an error of it comes."""
    errors = []

    def run():
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is looked at in the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_the_tables_are_the_predefined_ones(side, query):
    """The names and the order of their columns; the types are those of Redshift."""
    shape.apply(side.warehouse.api)
    with psycopg.connect(side.url) as connection:
        found = {table: [name for name, _ in columns] for table, columns in found_columns(connection).items()}
    assert found == {table: list(columns) for table, columns in PREDEFINED.items()}


def test_a_warehouse_that_has_everything_is_only_read(side, query):
    """What is missing is made: a view that somebody dropped comes back."""
    shape.apply(side.warehouse.api)
    everything = (
        "SELECT oid, relname, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    )
    before = query(everything)
    shape.apply(side.warehouse.api)
    assert query(everything) == before

    with psycopg.connect(side.url) as connection:
        connection.execute("DROP VIEW current_fact_payment")
    shape.apply(side.warehouse.api)
    assert query("SELECT count(*) FROM current_fact_payment") == [(0,)]


def test_the_job_takes_the_warehouse_from_its_arguments(commit, side, processed, query):
    """As Glue gives them to the script."""
    commit(SMALL)
    warehouse = side.warehouse
    arguments = {
        "JOB_NAME": "load",
        "JOB_RUN_ID": "jr_1",
        "code_version": "v3",
        "processed": processed,
        "redshift_workgroup": warehouse.workgroup,
        "redshift_database": warehouse.database,
        "redshift_secret": warehouse.secret,
        "redshift_copy_role": warehouse.copy_role,
        "TempDir": warehouse.temporary,
    }
    script = runpy.run_path(str(Path(load.__file__).parents[2] / "load.py"))
    script["main"](["load.py", *(word for name, value in arguments.items() for word in (f"--{name}", value))])
    assert query("SELECT run_id, code_version FROM load_ledger") == [("jr_1", "v3")]


def test_two_loads_at_once_load_a_batch_once(commit, run_load, query, again_at_once, capsys):
    """Both take it for pending: the second waits, finds the ledger changed, begins again, and finds nothing to do."""
    run_load()
    commit(FIRST)
    both = threading.Barrier(2, timeout=30)
    real = redshift_load._Load._within_bounds

    def together(opened, steps):
        if opened.run.attempt == 1:
            both.wait()
        return real(opened, steps)

    again_at_once.setattr(redshift_load._Load, "_within_bounds", together)
    crew = [in_background(run_load) for _ in range(2)]
    for thread, errors in crew:
        thread.join(60)
        assert errors == []

    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]
    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (again,) = [line["error"] for line in said if line["event"] == "retry"]
    assert "another load has changed load_ledger since it was read" in again


class KilledError(BaseException):
    """Stands for the end of a process."""


def test_what_a_killed_job_had_handed_in_is_loaded_and_no_second_time(commit, side, run_load, query, again_at_once):
    """It ends by itself; the next run waits for it, and finds the batch in the ledger."""
    run_load()
    commit(FIRST)
    real = DataApi._ended

    def die(api, identifier):
        if "MERGE" in api._client.describe_statement(Id=identifier)["QueryString"]:
            raise KilledError
        return real(api, identifier)

    with held(side, "fact_payment"):
        with again_at_once.context() as killing:
            killing.setattr(DataApi, "_ended", die)
            with pytest.raises(KilledError):
                run_load()
        thread, errors = in_background(run_load)
    thread.join(60)

    assert errors == []
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]
    assert query("SELECT count(*) FROM fact_purchase_order") == [(1,)]


def test_a_killed_job_leaves_nothing_that_the_next_one_takes_for_its_own(commit, side, run_load, query):
    """Rows in staging, which no transaction came to, are not loaded."""
    commit(SMALL)
    shape.apply(side.warehouse.api)
    with psycopg.connect(side.url) as connection:
        connection.execute("INSERT INTO staging.dim_currency VALUES (9, 'XXX', 'None', 1, NULL)")
    run_load()
    assert query("SELECT currency_id FROM dim_currency") == [(1,)]


def test_a_fact_without_its_dimension_is_refused(commit, run_load, query):
    """Nothing of its batch is loaded: Redshift would have kept it, its foreign keys are hints."""
    commit(FIRST)
    run_load()
    stranger = (*payment(paid=True, batch=2)[:5], 99, *payment(paid=True, batch=2)[6:])
    commit({"dim_currency": [(2, "USD", "US Dollar", 2, None)], "fact_payment": [stranger]})

    with pytest.raises(OrphanError, match="rows of fact_payment refer to a dimension's row that neither"):
        run_load()

    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    assert query("SELECT currency_id FROM dim_currency") == [(1,)]
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_a_dimension_with_a_key_twice_in_a_batch_is_refused(commit, run_load, query):
    """MERGE would insert both."""
    commit({"dim_currency": [(1, "GBP", "Pound Sterling", 1, None), (1, "GBP", "Sterling", 1, None)]})
    with pytest.raises(StagingError, match="dim_currency: the batch holds 2 rows, staging 1"):
        run_load()
    assert query("SELECT count(*) FROM dim_currency") == [(0,)]


def test_a_dimension_row_that_is_the_same_is_not_written_again(commit, run_load, query, capsys):
    """NULL is the same as NULL; a change to NULL, and back, is a change, and so is a space at the end of a text."""
    commit({"dim_transaction": [(1, "SALE", 5, None, 1, None), (2, "SALE", 6, None, 1, None)]})
    run_load()
    before = query("SELECT xmin::text FROM dim_transaction WHERE transaction_id = 1")
    commit({"dim_transaction": [(1, "SALE", 5, None, 2, None), (2, "SALE", None, None, 2, None)]})
    run_load()
    assert query("SELECT xmin::text FROM dim_transaction WHERE transaction_id = 1") == before
    assert query("SELECT _ingested_sequence FROM dim_transaction ORDER BY transaction_id") == [(1,), (2,)]
    commit({"dim_transaction": [(1, "SALE ", 5, None, 3, None), (2, "SALE", 6, None, 3, None)]})
    run_load()
    assert query("SELECT transaction_type, sales_order_id FROM dim_transaction ORDER BY 1") == [
        ("SALE", 6),
        ("SALE ", 5),
    ]

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rows"] for line in said if line["event"] == "table_loaded"] == [2, 1, 2]


def test_a_deleted_row_of_a_dimension_is_gone_from_its_view(commit, run_load, query):
    """Facts may refer to it, so it stays in the table."""
    commit(SMALL)
    (currency,) = SMALL["dim_currency"]
    commit({"dim_currency": [(*currency[:-2], 2, dt.datetime(2024, 11, 21, 9))]})
    run_load()
    assert query("SELECT _ingested_sequence, _deleted_at IS NULL FROM dim_currency") == [(2, False)]
    assert query("SELECT * FROM current_dim_currency") == []


def test_a_load_with_more_steps_than_one_batch_may_have_copies_before_it(commit, side, run_load, query, monkeypatch):
    """What is copied is held to the record in the transaction all the same."""
    commit(FIRST)
    monkeypatch.setattr(redshift_load, "BATCH", 24)
    side.break_its_end(monkeypatch)
    with pytest.raises(StatementError):
        run_load()
    assert query("SELECT count(*) FROM dim_staff") == query("SELECT count(*) FROM load_ledger") == [(0,)]
    monkeypatch.undo()
    monkeypatch.setattr(redshift_load, "BATCH", 24)

    run_load()

    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    commit({**FIRST, "fact_payment": [payment(paid=True, batch=2)]}, counts={"fact_payment": 2})
    with pytest.raises(StagingError, match="fact_payment: the batch holds 2 rows, staging 1"):
        run_load()
    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    assert side.left_in_staging() == []


def test_exactly_the_files_of_the_batches_are_copied(commit, processed):
    """Each with its length, which Parquet needs; orphans of an attempt that died are next to them."""
    batches = [commit(FIRST), commit({"fact_purchase_order": [order(batch=2)]})]
    orphan = "tables/fact_purchase_order/batch_id=dead/month=2024-11/part-00000.parquet"
    star_batches.put(processed, orphan, STAR_TABLES["fact_purchase_order"], [order(9)])
    files = CopyFiles.of_load(f"s3://{processed}/temporary/")

    parts = [batch.tables["fact_purchase_order"] for batch in batches]
    address = files.manifest(processed, "fact_purchase_order", parts)

    assert address.startswith(f"s3://{processed}/temporary/copy/")
    s3 = boto3.client("s3")
    key = address.removeprefix(f"s3://{processed}/")
    manifest = json.loads(s3.get_object(Bucket=processed, Key=key)["Body"].read())
    found = [f"{part.path}month=2024-11/part-00000.parquet" for part in parts]
    assert manifest["entries"] == [
        {
            "url": f"s3://{processed}/{key}",
            "mandatory": True,
            "meta": {"content_length": s3.head_object(Bucket=processed, Key=key)["ContentLength"]},
        }
        for key in found
    ]


def test_of_a_batch_without_files_nothing_is_copied(commit, run_load, processed):
    """Its record says that there are rows: it is refused."""
    batch = commit(SMALL)
    s3 = boto3.client("s3")
    path = batch.tables["dim_currency"].path
    s3.delete_object(Bucket=processed, Key=f"{path}part-00000.parquet")
    with pytest.raises(StagingError, match="dim_currency: the batch holds 1 rows, staging 0"):
        run_load()


def test_a_load_that_nobody_broke_off_reaches_its_boundary_once_committed(commit, run_load, query):
    """Whoever kills a run there finds the batch loaded."""
    commit(SMALL)
    seen = []
    with failpoints.watched(lambda boundary: seen.append((boundary, query("SELECT count(*) FROM load_ledger")))):
        run_load()
    assert seen == [(failpoints.MERGE_COMMITTED, [(1,)])]


def test_dimensions_come_before_the_facts_that_refer_to_them(commit, run_load, query):
    """Whatever their order in the record."""
    commit({"fact_payment": [payment(paid=False)], **DIMENSIONS})
    run_load()
    assert query("SELECT count(*) FROM current_fact_payment") == [(1,)]
