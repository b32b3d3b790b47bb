"""What the stages publish: every metric that is declared and no other, also when nothing is to be done."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends
from moto.core import DEFAULT_ACCOUNT_ID

from tests.lakes import job_run
from tests.postgres_servers import WAREHOUSE_OWNER, login_of
from totelake import ingest, reconcile
from totelake.runtime import metrics, retry
from totelake.runtime.errors import SourceSchemaError
from totelake.runtime.metrics import METRICS, STAGES
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres

# The drift check has a crawler before it: see test_drift.py.
RUN_HERE = [stage for stage in STAGES if stage != "drift"]


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of the totesys of this module's tests, in which a row breaks a rule."""
    with psycopg.connect(shared_totesys) as connection:
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 3")
    return shared_totesys


@pytest.fixture(scope="module")
def warehouse(make_module_database):
    """Return the warehouse that follows it."""
    return Postgres(login_of(make_module_database(owner=WAREHOUSE_OWNER)))


def published():
    """Return everything that has been published by now."""
    return cloudwatch_backends[DEFAULT_ACCOUNT_ID]["eu-west-2"].metric_data


def told(data):
    """Return the values of `data` by metric and dimensions."""
    values = defaultdict(list)
    for datum in data:
        values[datum.name, tuple(sorted((part.name, part.value) for part in datum.dimensions))].append(datum.value)
    return dict(values)


def run_of(stage, lake, reader, warehouse, run=None):
    """Run a stage and return what it has published."""
    before, run = len(published()), run or job_run()
    if stage == "ingest":
        ingest.run(run, reader, lake.ingested)
    elif stage == "transform":
        lake.transform()
    elif stage == "load":
        load.run(run, lake.processed, warehouse)
    else:
        reconcile.run(run, reconcile.Databases(reader, warehouse), lake.ingested, lake.processed)
    return published()[before:]


@pytest.fixture(scope="module")
def first_run(shared_lake, totesys, shared_reader, warehouse):
    """Run every stage once and return what each has published."""
    return {stage: run_of(stage, shared_lake, shared_reader, warehouse) for stage in RUN_HERE}


def test_every_declared_metric_is_published_and_no_other(first_run):
    """By the stages, with the unit and under the dimensions that its declaration names; alarms are made of those."""
    found = {
        (stage, datum.namespace, datum.name, datum.unit, tuple(dimension.name for dimension in datum.dimensions))
        for stage, data in first_run.items()
        for datum in data
    }
    assert found == {
        (stage, metrics.NAMESPACE, metric.name, metric.unit, dimensions)
        for metric in METRICS
        for stage in metric.stages
        if stage in RUN_HERE
        for dimensions in metric.dimension_sets
    }


def test_rows_are_told_for_each_table_and_in_all(first_run):
    """What one stage writes, the next one reads."""
    rows = {stage: told(data) for stage, data in first_run.items()}

    for stage, later in (("ingest", "transform"), ("transform", "load")):
        tables = {key[1][1][1]: value for key, value in rows[stage].items() if key[0] == "RowsOut" and len(key[1]) > 1}
        for table, value in tables.items():
            assert rows[later]["RowsIn", (("Stage", later), ("Table", table))] == value
        assert rows[later]["RowsIn", (("Stage", later),)] == [sum(value for [value] in tables.values())]
    assert rows["ingest"]["RowsOut", (("Stage", "ingest"), ("Table", "sales_order"))] == [200]
    assert rows["load"]["RowsOut", (("Stage", "load"), ("Table", "fact_sales_order"))] == [199]


def test_what_is_held_back_is_told_by_table_and_rule_and_in_all(first_run):
    """An alarm looks at the sum, since it cannot add up."""
    found = told(first_run["transform"])

    assert found["QuarantinedRows", (("Rule", "date"), ("Table", "fact_sales_order"))] == [1]
    assert found["QuarantinedRows", ()] == found["HeldRows", ()] == [1]


def test_an_idle_run_tells_that_it_ran_and_found_nothing(first_run, shared_lake, shared_reader, warehouse, capsys):
    """Sums of nothing, a heartbeat, what still waits, and no table."""
    for stage in ("ingest", "transform", "load"):
        found = told(run_of(stage, shared_lake, shared_reader, warehouse))

        assert found["RowsOut", (("Stage", stage),)] == [0]
        assert found["Heartbeat", (("Stage", stage),)] == [1]
        assert not [key for key in found if "Table" in dict(key[1])]
        if stage == "transform":
            assert found["HeldRows", ()] == [1]
            assert found["QuarantinedRows", ()] == [0]
    assert units(capsys) == {"ingest", "transform", "load"}


class Workflow:
    """A workflow run, which remembers."""

    def __init__(self):
        """Begin with nothing noted."""
        self.noted = {}

    def note(self, **properties):
        """Remember."""
        self.noted |= properties

    def find(self, name):
        """Return what is remembered."""
        return self.noted.get(name)


def test_the_warehouse_is_as_old_as_the_last_snapshot_that_an_ingest_has_seen(
    first_run, shared_lake, shared_reader, warehouse
):
    """An idle ingest counts within its workflow run; a load started by hand vouches for the last batch only."""
    [batch] = shared_lake.processed_batches()
    since_the_batch = datetime.now(UTC) - datetime.fromisoformat(batch.snapshot_taken_at)
    [by_hand] = told(run_of("load", shared_lake, shared_reader, warehouse))["WarehouseAge", ()]

    workflow = Workflow()
    began = datetime.now(UTC)
    for stage in ("ingest", "load"):
        found = told(run_of(stage, shared_lake, shared_reader, warehouse, replace(job_run(), workflow=workflow)))
    [in_workflow] = found["WarehouseAge", ()]

    assert by_hand > since_the_batch.total_seconds()
    assert 0 <= in_workflow <= (datetime.now(UTC) - began).total_seconds() + 0.1 < by_hand
    workflow.noted = dict.fromkeys(workflow.noted, (began - timedelta(hours=1)).isoformat())
    [again] = told(run_of("load", shared_lake, shared_reader, warehouse, replace(job_run(), workflow=workflow)))[
        "WarehouseAge", ()
    ]
    assert again > by_hand  # the later of the two moments: that of the batch


def test_a_run_that_fails_publishes_nothing(first_run, shared_lake, totesys, shared_reader):
    """No heartbeat of a stage that did not come to its end."""
    before = len(published())
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE design RENAME COLUMN file_name TO name_of_file")
    try:
        with pytest.raises(SourceSchemaError):
            ingest.run(job_run(), shared_reader, shared_lake.ingested)
    finally:
        with psycopg.connect(totesys) as connection:
            connection.execute("ALTER TABLE design RENAME COLUMN name_of_file TO file_name")

    assert len(published()) == before


def test_metrics_that_cannot_be_published_lose_no_batch(first_run, shared_lake, totesys, shared_reader, monkeypatch):
    """The run fails and says so; what it committed is there, and the next run goes on from it."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE design SET design_name = 'new' WHERE design_id = 1")
    real = boto3.client

    class Refusing:
        """A CloudWatch that takes nothing."""

        def put_metric_data(self, **_request):
            """Refuse."""
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "PutMetricData")

    with monkeypatch.context() as cut_off:
        cut_off.setattr(
            boto3, "client", lambda name, **rest: Refusing() if name == "cloudwatch" else real(name, **rest)
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            ingest.run(job_run(), shared_reader, shared_lake.ingested)

    batch = shared_lake.ingested_batches()[-1]
    assert batch.tables.keys() == {"design"}
    assert ingest.run(job_run(), shared_reader, shared_lake.ingested) is None


def test_every_unit_of_work_tells_its_rows_and_seconds(shared_lake, totesys, shared_reader, warehouse, capsys):
    """One line of JSON each."""
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE design SET design_name = 'newer' WHERE design_id = 1")
    for stage in RUN_HERE:
        run_of(stage, shared_lake, shared_reader, warehouse)

    assert units(capsys) >= {*RUN_HERE, "table_ingested", "table_loaded", "stage_table", "table_reconciled"}


def units(capsys):
    """Return the units of work that were told of; each tells its rows, its seconds and how it ended."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line for line in lines if not {"seconds", "status"} <= line.keys()] == []
    assert [line for line in lines if not {"rows", "total_rows"} & line.keys()] == []
    return {line["event"] for line in lines}
