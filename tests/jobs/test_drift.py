"""The drift check on Parquet files crawled by the local crawler."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.cloudwatch.models import cloudwatch_backends
from moto.core import DEFAULT_ACCOUNT_ID

from tests import roles
from tests.lakes import declare, job_run
from totelake import drift
from totelake.drift import stage
from totelake.drift.accepted import Accepted
from totelake.drift.differences import SchemaDifference
from totelake.lake import objects
from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED
from totelake.runtime import metrics
from totelake.runtime.errors import CrawlError, DriftError
from totelake.tables import SOURCE_TABLES
from totelake.tables.model import COMPACTED_LINEAGE

ARROW = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "decimal(38,18)": pa.decimal128(38, 18),
}
SETTINGS = json.loads((Path(__file__).parents[2] / "crawlers/ingested.json").read_text())


@dataclass(frozen=True)
class IngestedBucket:
    """An ingested bucket and its crawler."""

    folder: Path
    crawler: str

    def write_batch(self, batch: str, *tables: str, registered: bool = True, **changed: pa.DataType | None) -> None:
        """Write an empty file per table; columns in `changed` have another type or, with None, are left out."""
        glue = boto3.client("glue")
        for table in tables:
            types = {column.name: ARROW[column.type.hive] for column in SOURCE_TABLES[table].stored_columns} | changed
            fields = [pa.field(name, kind) for name, kind in types.items() if kind is not None]
            path = self.folder / "tables" / table / f"batch_id={batch}" / "part-0.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.schema(fields).empty_table(), path)
            if registered:
                storage = glue.get_table(DatabaseName=INGESTED.database, Name=table)["Table"]["StorageDescriptor"]
                partition = {"Values": [batch], "StorageDescriptor": storage}
                glue.create_partition(DatabaseName=INGESTED.database, TableName=table, PartitionInput=partition)

    def crawl(self) -> None:
        """Crawl and wait until the crawl has ended."""
        glue = boto3.client("glue")
        glue.start_crawler(Name=self.crawler)
        for _ in range(500):
            if glue.get_crawler(Name=self.crawler)["Crawler"]["State"] == "READY":
                return
            time.sleep(0.01)
        raise AssertionError("the crawl did not end")

    def check(self) -> list[SchemaDifference]:
        """Run the drift check."""
        return drift.run(job_run(), self.crawler)


@pytest.fixture
def bucket(lake_root):
    """Return an empty ingested bucket with a crawler configured by `crawlers/ingested.json`."""
    glue, name = boto3.client("glue"), f"ingested-{uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    declare(INGESTED, name)
    glue.create_database(DatabaseInput={"Name": DISCOVERED_DATABASE})
    glue.create_crawler(
        Name=name,
        Role=roles.create(boto3.client("iam"), "crawler"),
        DatabaseName=DISCOVERED_DATABASE,
        Targets={"S3Targets": [{"Path": f"s3://{name}/{SETTINGS['path']}", "Exclusions": SETTINGS["exclusions"]}]},
        RecrawlPolicy={"RecrawlBehavior": SETTINGS["recrawl_behavior"]},
        SchemaChangePolicy={
            "UpdateBehavior": SETTINGS["update_behavior"],
            "DeleteBehavior": SETTINGS["delete_behavior"],
        },
        Configuration=json.dumps({"Version": 1.0, "Grouping": {"TableLevelConfiguration": SETTINGS["table_level"]}}),
    )
    yield IngestedBucket(lake_root / name, name)
    for database in (INGESTED.database, DISCOVERED_DATABASE):
        glue.delete_database(Name=database)


def published_differences():
    """Return the sum of the metric's data points, over all tests."""
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Totelake",
        MetricName="DriftDifferences",
        StartTime=datetime.now(UTC) - timedelta(hours=2),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_drift_is_empty_for_a_batch_of_every_declared_table(bucket, capsys):
    """The crawler discovers the declared names, Hive types and partition keys."""
    bucket.write_batch("b1", *SOURCE_TABLES)
    bucket.crawl()

    assert bucket.check() == []

    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["status"], line["tables"], line["batches"], line["differences"]) == ("ok", 11, 11, 0)


def test_drift_publishes_every_declared_metric(bucket):
    """Alarms and graphs are derived from the declarations."""
    bucket.write_batch("b1", "design")
    bucket.crawl()
    data = cloudwatch_backends[DEFAULT_ACCOUNT_ID]["eu-west-2"].metric_data
    before = len(data)

    bucket.check()

    reported = {(datum.name, datum.unit, tuple(part.name for part in datum.dimensions)) for datum in data[before:]}
    declared = (metric for metric in metrics.METRICS if "drift" in metric.stages)
    assert reported == {(metric.name, metric.unit, dims) for metric in declared for dims in metric.dimension_sets}


def test_new_column_in_a_later_batch_is_an_error_a_log_line_and_a_metric(bucket, capsys):
    """The crawler leaves the table unchanged; only the batch's partition has the column."""
    bucket.write_batch("b1", "design", "staff")
    bucket.crawl()
    bucket.write_batch("b2", "design", colour=pa.string())
    bucket.write_batch("b2", "staff")
    bucket.crawl()
    before = published_differences()

    with pytest.raises(DriftError, match=r"design\.colour is not declared \(string\) in batch b2\. Nothing"):
        bucket.check()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [reported] = [line for line in lines if line["event"] == "difference"]
    assert (reported["table"], reported["column"], reported["found"], reported["first_batch"]) == (
        "design",
        "colour",
        "string",
        "b2",
    )
    assert lines[-1]["event"] == "drift"
    assert (lines[-1]["status"], lines[-1]["differences"]) == ("failed", 1)
    assert published_differences() == before + 1


def test_batch_skipped_by_the_crawler_is_reported(bucket):
    """Glue adds no partition when a column's type is incompatible with the previous one."""
    bucket.write_batch("b1", "design")
    bucket.crawl()
    bucket.write_batch("b2", "design", design_name=pa.date32())
    bucket.crawl()

    with pytest.raises(DriftError, match="design was left out by the crawler in batch b2"):
        bucket.check()


def test_batch_written_after_the_crawl_is_not_reported_missing(bucket):
    """Ingest continues while the crawler runs."""
    bucket.write_batch("b1", "design")
    bucket.crawl()
    bucket.write_batch("b2", "design", "staff")

    assert bucket.check() == []


def test_files_of_an_uncommitted_batch_are_checked_by_columns_only(bucket):
    """They are left by an attempt that ended before its commit."""
    bucket.write_batch("b1", "design")
    bucket.write_batch("b0", "design", registered=False)
    bucket.crawl()

    assert bucket.check() == []


def test_compacted_files_are_not_crawled(bucket):
    """They have three more columns, too many for a partition of a table with six, and the rows of crawled batches."""
    lineage = {column.name: ARROW[column.type.hive] for column in COMPACTED_LINEAGE}
    bucket.write_batch("b1", "currency")
    bucket.crawl()
    bucket.write_batch(objects.compaction_id("2026-01-05", "jr_1"), "currency", **lineage)
    bucket.crawl()

    assert bucket.check() == []


def test_accepted_column_does_not_fail_the_check(bucket, monkeypatch):
    """It is still in the result."""
    accepted = Accepted("design", "colour", "string", "Nobody reports on it.")
    monkeypatch.setattr(stage, "ACCEPTED", (accepted,))
    bucket.write_batch("b1", "design", colour=pa.string())
    bucket.crawl()

    assert [difference.column for difference in bucket.check()] == ["colour"]


def test_drift_check_fails_without_a_completed_crawl(bucket):
    """An old crawl is no evidence for the current state."""
    with pytest.raises(CrawlError, match=r"it has not run yet\. Nothing was checked"):
        bucket.check()

    boto3.client("glue").update_crawler(Name=bucket.crawler, DatabaseName="gone")
    bucket.crawl()
    with pytest.raises(CrawlError, match="its last crawl ended as FAILED: Database gone not found"):
        bucket.check()
