"""The load into Redshift: keys without enforcement, and a transaction that outlives the job that submitted it."""

import datetime as dt
import json
import runpy
from pathlib import Path

import boto3
import psycopg
import pytest

from tests import star_batches
from tests.star_batches import DIMENSIONS, FIRST, SMALL, order, payment
from tests.unit.totelake.predefined_schema import PREDEFINED
from tests.unit.totelake.test_warehouse_definition import actual_columns
from totelake.runtime import failpoints
from totelake.runtime.errors import OrphanError, StagingError, StatementError
from totelake.tables import STAR_TABLES
from totelake.warehouse import load
from totelake.warehouse.redshift import load as redshift_load
from totelake.warehouse.redshift import shape
from totelake.warehouse.redshift.files import CopyFiles


@pytest.fixture(params=["redshift"])
def kind(request):
    """Return the only kind of warehouse of this module."""
    return request.param


def test_tables_are_the_predefined_ones(side, query):
    """With the predefined column names and order; the types are Redshift's."""
    shape.apply(side.warehouse.api)
    with psycopg.connect(side.url) as connection:
        created = {table: [name for name, _ in columns] for table, columns in actual_columns(connection).items()}
    assert created == {table: list(columns) for table, columns in PREDEFINED.items()}


def test_complete_warehouse_is_only_read(side, query):
    """Missing objects are created, such as a dropped view."""
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


def test_load_job_takes_the_warehouse_from_its_arguments(commit, side, processed, query):
    """In the form in which Glue passes them."""
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


def test_fact_without_its_dimension_row_fails_the_load(commit, run_load, query):
    """Nothing of its batch is loaded; Redshift does not enforce foreign keys."""
    commit(FIRST)
    run_load()
    orphan = (*payment(paid=True, batch=2)[:5], 99, *payment(paid=True, batch=2)[6:])
    commit({"dim_currency": [(2, "USD", "US Dollar", 2, None)], "fact_payment": [orphan]})

    with pytest.raises(OrphanError, match="rows of fact_payment reference a dimension row that neither"):
        run_load()

    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    assert query("SELECT currency_id FROM dim_currency") == [(1,)]
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]


def test_duplicate_dimension_key_in_a_batch_fails_the_load(commit, run_load, query):
    """MERGE would insert both rows."""
    commit({"dim_currency": [(1, "GBP", "Pound Sterling", 1, None), (1, "GBP", "Sterling", 1, None)]})
    with pytest.raises(StagingError, match="dim_currency: the batch has 2 rows, staging 1"):
        run_load()
    assert query("SELECT count(*) FROM dim_currency") == [(0,)]


def test_unchanged_dimension_row_is_not_written(commit, run_load, query, capsys):
    """NULL equals NULL; a change to or from NULL counts, and so does a trailing space."""
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

    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rows"] for line in logged if line["event"] == "table_loaded"] == [2, 1, 2]


def test_deleted_dimension_row_is_not_in_its_view(commit, run_load, query):
    """It stays in the table, since facts may reference it."""
    commit(SMALL)
    (currency,) = SMALL["dim_currency"]
    commit({"dim_currency": [(*currency[:-2], 2, dt.datetime(2024, 11, 21, 9))]})
    run_load()
    assert query("SELECT _ingested_sequence, _deleted_at IS NULL FROM dim_currency") == [(2, False)]
    assert query("SELECT * FROM current_dim_currency") == []


def test_load_with_too_many_statements_for_one_batch_copies_first(commit, side, run_load, query, monkeypatch):
    """Row counts are checked in the transaction nevertheless."""
    commit(FIRST)
    monkeypatch.setattr(redshift_load, "MAX_STATEMENTS", 24)
    side.break_its_end(monkeypatch)
    with pytest.raises(StatementError):
        run_load()
    assert query("SELECT count(*) FROM dim_staff") == query("SELECT count(*) FROM load_ledger") == [(0,)]
    monkeypatch.undo()
    monkeypatch.setattr(redshift_load, "MAX_STATEMENTS", 24)

    run_load()

    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    commit({**FIRST, "fact_payment": [payment(paid=True, batch=2)]}, counts={"fact_payment": 2})
    with pytest.raises(StagingError, match="fact_payment: the batch has 2 rows, staging 1"):
        run_load()
    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    assert side.left_in_staging() == []


def test_manifest_lists_exactly_the_files_of_the_batches(commit, processed):
    """Each with its length, which Parquet requires, without the orphans of a killed attempt and empty objects."""
    batches = [commit(FIRST), commit({"fact_purchase_order": [order(batch=2)]})]
    orphan = "tables/fact_purchase_order/batch_id=dead/month=2024-11/part-00000.parquet"
    star_batches.put(processed, orphan, STAR_TABLES["fact_purchase_order"], [order(9)])
    files = CopyFiles.of_load(f"s3://{processed}/temporary/")

    s3 = boto3.client("s3")
    parts = [batch.tables["fact_purchase_order"] for batch in batches]
    s3.put_object(Bucket=processed, Key=f"{parts[0].path}month=2024-11/")  # as S3A marks a directory
    s3.put_object(Bucket=processed, Key=f"{parts[0].path}month=2024-11/empty.parquet")
    address = files.manifest(processed, "fact_purchase_order", parts)

    assert address.startswith(f"s3://{processed}/temporary/copy/")
    key = address.removeprefix(f"s3://{processed}/")
    manifest = json.loads(s3.get_object(Bucket=processed, Key=key)["Body"].read())
    keys = [f"{part.path}month=2024-11/part-00000.parquet" for part in parts]
    assert manifest["entries"] == [
        {
            "url": f"s3://{processed}/{key}",
            "mandatory": True,
            "meta": {"content_length": s3.head_object(Bucket=processed, Key=key)["ContentLength"]},
        }
        for key in keys
    ]


def test_batch_without_files_fails_the_load(commit, run_load, processed):
    """Its commit record has rows."""
    batch = commit(SMALL)
    s3 = boto3.client("s3")
    path = batch.tables["dim_currency"].path
    s3.delete_object(Bucket=processed, Key=f"{path}part-00000.parquet")
    with pytest.raises(StagingError, match="dim_currency: the batch has 1 rows, staging 0"):
        run_load()


def test_load_hits_its_failpoint_after_the_commit(commit, run_load, query):
    """A run killed there has loaded the batch."""
    commit(SMALL)
    seen = []
    with failpoints.watched(lambda boundary: seen.append((boundary, query("SELECT count(*) FROM load_ledger")))):
        run_load()
    assert seen == [(failpoints.MERGE_COMMITTED, [(1,)])]


def test_dimensions_are_loaded_before_the_facts_that_reference_them(commit, run_load, query):
    """In any order of the record."""
    commit({"fact_payment": [payment(paid=False)], **DIMENSIONS})
    run_load()
    assert query("SELECT count(*) FROM current_fact_payment") == [(1,)]
