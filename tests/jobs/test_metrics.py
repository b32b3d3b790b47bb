"""The metrics of the stages: exactly the declared ones, also when there is nothing to do."""

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
from totelake import compact, ingest, reconcile
from totelake.lake import freshness, objects
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.runtime import metrics, retry
from totelake.runtime.errors import SourceSchemaError
from totelake.runtime.metrics import METRICS, STAGES
from totelake.verify import stage as verify
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres

# The drift check needs a crawler: see test_drift.py.
TESTED_STAGES = [stage for stage in STAGES if stage != "drift"]


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of this module's totesys, in which one row violates a rule."""
    with psycopg.connect(shared_totesys) as connection:
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 3")
    return shared_totesys


@pytest.fixture(scope="module")
def warehouse(make_module_database):
    """Return the warehouse loaded from it."""
    return Postgres(login_of(make_module_database(owner=WAREHOUSE_OWNER)))


def published():
    """Return all metric data published so far."""
    return cloudwatch_backends[DEFAULT_ACCOUNT_ID]["eu-west-2"].metric_data


def values_by_metric(data):
    """Return the values of `data` by metric and dimensions."""
    values = defaultdict(list)
    for datum in data:
        values[datum.name, tuple(sorted((part.name, part.value) for part in datum.dimensions))].append(datum.value)
    return dict(values)


def publish(stage, lake, reader, warehouse, run=None):
    """Run a stage and return the metric data that it published."""
    before, run = len(published()), run or job_run()
    if stage == "ingest":
        ingest.run(run, reader, lake.ingested)
    elif stage == "transform":
        lake.transform()
    elif stage == "load":
        load.run(run, lake.processed, warehouse)
    elif stage == "compact":
        compact.run(run, lake.ingested, lake.processed)
    elif stage == "verify":
        verify.run(run, lake.ingested, lake.processed)
    else:
        reconcile.run(run, reconcile.Databases(reader, warehouse), lake.ingested, lake.processed)
    return published()[before:]


@pytest.fixture(scope="module")
def first_run(shared_lake, totesys, shared_reader, warehouse):
    """Run every stage once and return the metric data of each."""
    return {stage: publish(stage, shared_lake, shared_reader, warehouse) for stage in TESTED_STAGES}


def test_stages_publish_every_declared_metric_and_no_other(first_run):
    """With the declared unit and dimensions, which alarms are derived from."""
    values = {
        (stage, datum.namespace, datum.name, datum.unit, tuple(dimension.name for dimension in datum.dimensions))
        for stage, data in first_run.items()
        for datum in data
    }
    assert values == {
        (stage, metrics.NAMESPACE, metric.name, metric.unit, dimensions)
        for metric in METRICS
        for stage in metric.stages
        if stage in TESTED_STAGES
        for dimensions in metric.dimension_sets
    }


def test_written_rows_are_published_in_total(first_run, shared_lake):
    """The first load writes all rows of the transform."""
    ingested, processed = shared_lake.ingested_batches()[0], shared_lake.processed_batches()[0]
    rows = {
        stage: values_by_metric(first_run[stage])["RowsOut", (("Stage", stage),)]
        for stage in ("ingest", "transform", "load")
    }

    of_facts_and_dimensions = sum(processed.rows.values())
    assert rows == {
        "ingest": [sum(table.rows for table in ingested.tables.values())],
        "transform": [of_facts_and_dimensions],
        "load": [of_facts_and_dimensions],
    }


def test_quarantined_rows_are_published_per_table_and_rule_and_in_total(first_run):
    """Alarms use the total, since they cannot sum over dimensions."""
    values = values_by_metric(first_run["transform"])

    assert values["QuarantinedRows", (("Rule", "date"), ("Table", "fact_sales_order"))] == [1]
    assert values["QuarantinedRows", ()] == values["HeldRows", ()] == [1]


def test_idle_run_publishes_zero_rows_and_its_duration(first_run, shared_lake, shared_reader, warehouse, capsys):
    """And the rows still in quarantine, but nothing per table."""
    for stage in ("ingest", "transform", "load"):
        values = values_by_metric(publish(stage, shared_lake, shared_reader, warehouse))

        assert values["RowsOut", (("Stage", stage),)] == [0]
        assert len(values["Seconds", (("Stage", stage),)]) == 1
        assert not [key for key in values if "Table" in dict(key[1])]
        if stage == "transform":
            assert values["HeldRows", ()] == [1]
            assert values["QuarantinedRows", ()] == [0]
    assert spans(capsys) == {"ingest", "transform", "load"}


class WorkflowNotes:
    """Run properties of a workflow, in memory."""

    def __init__(self):
        """Start without properties."""
        self.noted = {}

    def set_properties(self, **properties):
        """Set properties."""
        self.noted |= properties

    def get_property(self, name):
        """Return a property, or None."""
        return self.noted.get(name)


def test_warehouse_age_is_that_of_the_last_ingested_snapshot(first_run, shared_lake, shared_reader, warehouse):
    """An idle ingest counts within its workflow run; a load started by hand only knows the last batch."""
    [batch] = shared_lake.processed_batches()
    since_the_batch = datetime.now(UTC) - datetime.fromisoformat(batch.snapshot_taken_at)
    [by_hand] = values_by_metric(publish("load", shared_lake, shared_reader, warehouse))["WarehouseAge", ()]

    notes = WorkflowNotes()
    started = datetime.now(UTC)
    for stage in ("ingest", "load"):
        values = values_by_metric(
            publish(stage, shared_lake, shared_reader, warehouse, replace(job_run(), workflow=notes))
        )
    [in_workflow] = values["WarehouseAge", ()]

    assert by_hand > since_the_batch.total_seconds()
    assert 0 <= in_workflow <= (datetime.now(UTC) - started).total_seconds() + 0.1 < by_hand
    notes.noted = dict.fromkeys(notes.noted, (started - timedelta(hours=1)).isoformat())
    [again] = values_by_metric(
        publish("load", shared_lake, shared_reader, warehouse, replace(job_run(), workflow=notes))
    )["WarehouseAge", ()]
    assert again > by_hand  # of snapshot and batch, the later counts: the batch


def test_compaction_age_is_that_of_the_last_one_that_merged_batches(first_run, shared_lake):
    """Before the first one, it is the age of the oldest batch; a compaction without batches to merge does not count."""
    [batch] = shared_lake.processed_batches()
    written = datetime.fromisoformat(batch.committed_at)
    [before] = values_by_metric(publish("transform", shared_lake, None, None))["CompactionAge", ()]

    assert before > (datetime.now(UTC) - written).total_seconds() - 1
    assert freshness.compaction_age(LiveFiles()) is None
    merged, now = "tables/payment/batch_id={}/", datetime.now(UTC)
    paths = [objects.batch_id(objects.now(), "late")] + [
        objects.compaction_id(objects.as_recorded((now - age).replace(tzinfo=None)), "jr_1")
        for age in (timedelta(hours=3), timedelta(hours=2))
    ]
    sets = tuple(FileSet(merged.format(path), 1, 1, 1, 1, compacted="compacted" in path) for path in paths)
    assert freshness.compaction_age(LiveFiles(1, {"payment": sets})) == pytest.approx(7_200, abs=2)


def test_failed_run_publishes_nothing(first_run, shared_lake, totesys, shared_reader):
    """Not even a duration, the number of which is that of the completed runs."""
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


def test_failure_to_publish_metrics_loses_no_batch(first_run, shared_lake, totesys, shared_reader, monkeypatch):
    """The run fails with the error; its commit stays, and the next run continues from it."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.01)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE design SET design_name = 'new' WHERE design_id = 1")
    real = boto3.client

    class Refusing:
        """A CloudWatch client that rejects all data."""

        def put_metric_data(self, **_request):
            """Reject."""
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "PutMetricData")

    with monkeypatch.context() as denied:
        denied.setattr(boto3, "client", lambda name, **rest: Refusing() if name == "cloudwatch" else real(name, **rest))
        with pytest.raises(ClientError, match="AccessDenied"):
            ingest.run(job_run(), shared_reader, shared_lake.ingested)

    batch = shared_lake.ingested_batches()[-1]
    assert batch.tables.keys() == {"design"}
    assert ingest.run(job_run(), shared_reader, shared_lake.ingested) is None


def test_every_log_span_has_rows_and_seconds(shared_lake, totesys, shared_reader, warehouse, capsys):
    """One JSON line each."""
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE design SET design_name = 'newer' WHERE design_id = 1")
    for stage in TESTED_STAGES:
        publish(stage, shared_lake, shared_reader, warehouse)

    assert spans(capsys) >= {*TESTED_STAGES, "table_ingested", "table_loaded", "stage", "table_reconciled"}


def spans(capsys):
    """Return the names of the spans logged; each has rows, seconds and a status."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line for line in lines if not {"seconds", "status"} <= line.keys()] == []
    assert [line for line in lines if not {"rows", "total_rows"} & line.keys()] == []
    return {line["event"] for line in lines}
