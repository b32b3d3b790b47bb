"""Queries as of an earlier batch on a lake with updates and deletions, against the answers of that time."""

import os
from itertools import pairwise
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest

from local_aws.state import State
from ops.cli import lake_query
from ops.sandbox import deployment
from ops.sandbox.errors import NotAskedAsOfError
from ops.sandbox.lake import LakeClient
from ops.sandbox.settings import SandboxSettings
from tests.lakes import job_run
from totelake import compact, transform
from totelake.compact import plan
from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED, PROCESSED
from totelake.tables import STAR_TABLES
from totelake.warehouse.current_views import query_in_athena
from totelake.warehouse.names import current_view

CHANGES = (
    """UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id % 7 = 0;
       UPDATE department SET location = 'Leeds' WHERE department_id = 1;
       UPDATE payment SET paid = NOT paid""",
    "DELETE FROM payment WHERE payment_id = 5; INSERT INTO currency (currency_id, currency_code) VALUES (9, 'CHF')",
    "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 7",
    "UPDATE currency SET currency_code = 'PLN' WHERE currency_id = 9; DELETE FROM payment WHERE payment_id = 6",
    """UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 7;
       DELETE FROM currency WHERE currency_id = 9""",
)
QUERIES = {
    "view": "SELECT * FROM current_fact_payment ORDER BY payment_id",
    "versions": """
        SELECT sales_order_id, units_sold, _ingested_sequence, _deleted_at FROM fact_sales_order ORDER BY 1, 3""",
    "question": """
        WITH sold AS (
            SELECT s.location, c.currency_code, o.units_sold
            FROM totesys_processed.current_fact_sales_order AS o
            JOIN current_dim_staff AS s ON s.staff_id = o.sales_staff_id
            RIGHT JOIN current_dim_currency AS c USING (currency_id))
        SELECT location, currency_code, count(*), sum(units_sold), (SELECT count(_deleted_at) FROM fact_payment)
        FROM sold GROUP BY 1, 2 ORDER BY 1, 2""",
}
DATABASES = {"processed": PROCESSED.database, "ingested": INGESTED.database, "discovered": DISCOVERED_DATABASE}


@pytest.fixture(scope="module")
def world(shared_lake):
    """Return the state and the settings of a local environment that has the lake, with its views in the catalog."""
    athena, results = boto3.client("athena"), f"s3://{shared_lake.processed}/results/"
    configuration = {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": {"OutputLocation": results}}
    athena.create_work_group(Name="time-travel", Configuration=configuration)
    port = int(urlsplit(os.environ["AWS_ENDPOINT_URL"]).port or 0)
    settings = SandboxSettings(port, 0, {}, access_key="local", secret_key="local")
    lake = LakeClient(settings, "time-travel", DATABASES)
    for table in STAR_TABLES.values():
        lake.query(f"CREATE VIEW {current_view(table)} AS {query_in_athena(table)}")
    buckets = {"ingested": shared_lake.ingested, "processed": shared_lake.processed}
    outputs = {"athena_workgroup": "time-travel", "databases": DATABASES, "buckets": buckets}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deployment, "outputs", lambda _state: outputs)
        yield State(shared_lake.folder.parent), settings
    athena.delete_work_group(WorkGroup="time-travel", RecursiveDeleteOption=True)


@pytest.fixture
def ask(world):
    """Return a function that answers the queries, now or as of a batch or time."""
    return answers(world)


def answers(world):
    """Return a function that answers the queries, now or as of a batch or time."""
    lake = LakeClient(world[1], "time-travel", DATABASES)

    def ask(as_of=None):
        moment = None if as_of is None else lake_query.batch_or_time(as_of)
        restricted = {
            name: sql if moment is None else lake_query.as_of(*world, sql, moment) for name, sql in QUERIES.items()
        }
        return {name: lake.query(sql).rows for name, sql in restricted.items()}

    return ask


@pytest.fixture(scope="module")
def history(world, shared_lake, shared_totesys, shared_reader):
    """Return the answers and the time of the snapshot after each batch: the first one, and one for each of `CHANGES`.

    The batches 3 and 4 are transformed together, so 3 is missing.
    """
    ask, recorded = answers(world), {}
    for statements in ("SELECT 1", *CHANGES):
        with psycopg.connect(shared_totesys) as connection:
            connection.execute(statements)
        batch = shared_lake.ingest(shared_reader)
        if batch.sequence != 3:
            shared_lake.transform()
            recorded[batch.sequence] = ask(), batch.snapshot.taken_at
    return recorded


def test_answers_are_those_of_that_time(history, ask):
    """By number and by time, also when the lake has newer batches."""
    assert list(history) == [1, 2, 4, 5, 6]
    then = [answer for answer, _ in history.values()]
    assert all(before != after for before, after in pairwise(then))
    for number, (answer, _) in history.items():
        assert ask(str(number)) == answer
    answer, taken_at = history[2]
    assert ask(taken_at) == answer
    assert ask("3") == answer


def test_answers_are_the_same_after_a_compaction_and_a_rebuild(history, ask, shared_lake, monkeypatch):
    """Both replace all files."""
    monkeypatch.setattr(plan, "RATIO", 1_000)
    for change in (
        lambda: compact.run(job_run(), shared_lake.ingested, shared_lake.processed),
        lambda: transform.run(job_run(rebuild="true"), shared_lake.ingested, shared_lake.processed),
    ):
        before = shared_lake.processed_files("fact_sales_order")
        change()
        assert shared_lake.processed_files("fact_sales_order") != before
        assert {number: ask(str(number)) for number in history} == {number: history[number][0] for number in history}


def test_released_row_counts_from_its_own_batch(history, ask, shared_lake, shared_totesys, shared_reader):
    """A version of a fact that was quarantined then; the row of a dimension counts from the batch that released it."""
    for statements in (
        """ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey;
           INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)
           VALUES (901, 'Ada', 'L', 99, 'a@x');
           UPDATE sales_order SET staff_id = 901, units_sold = 4321 WHERE sales_order_id = 31""",
        "INSERT INTO department (department_id, department_name, location) VALUES (99, 'New', 'York')",
    ):
        with psycopg.connect(shared_totesys) as connection:
            connection.execute(statements)
        last = shared_lake.ingest(shared_reader).sequence
        if shared_lake.transform().held:
            then = ask()

    now = ask(str(last - 1))

    assert [row for row in now["versions"] if row not in then["versions"]] == [["31", "4321", str(last - 1), None]]
    assert "York" not in [row[0] for row in now["question"]]
    assert "York" in [row[0] for row in ask(str(last))["question"]]


def test_query_of_the_ingested_zone_is_refused(history, world):
    """Its files do not have the number of the batch in each row."""
    with pytest.raises(NotAskedAsOfError, match="payment cannot be queried as of an earlier batch"):
        lake_query.as_of(*world, "SELECT * FROM totesys_ingested.payment", 1)


def test_the_batch_is_printed_and_the_sql_runs_in_any_database(history, world, capsys):
    """On stderr, so that the output stays the result; the tables in the SQL have their database."""
    sql = lake_query.as_of(*world, "SELECT count(*) FROM current_dim_currency", 3)
    lake_query.show_sql(sql)

    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"As of batch 2, snapshot of {history[2][1]}.",
        "Batch 3 was transformed together with a later one, so there is no answer for it.",
    ]
    assert out == f"{sql}\n"
    lake = LakeClient(world[1], "time-travel", DATABASES | {"processed": INGESTED.database})
    assert lake.query(sql).rows == [["3"]]
