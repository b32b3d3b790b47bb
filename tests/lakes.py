"""A lake for tests: buckets in folders behind an S3 endpoint, a catalog, and the stages that work on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import boto3
from botocore.credentials import Credentials
from pyspark.sql import DataFrame, SparkSession

from local_aws.server import LocalAws
from local_aws.spark import settings
from local_aws.state import State
from ops.generate.tables import terraform_input
from totelake import ingest, transform
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet
from totelake.lake.zones import INGESTED, PROCESSED, Zone
from totelake.runtime.connections import Login
from totelake.runtime.glue import FOR_FEW_ROWS, JobRun
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres


@contextmanager
def s3_endpoint(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Serve AWS with its buckets below `folder`; yield the buckets' folder and the endpoint's environment variables."""
    with LocalAws(State(folder), Credentials("local", "local")) as aws:
        yield aws.state.lake, aws.environment


@contextmanager
def few_rows(spark: SparkSession) -> Iterator[None]:
    """Apply the settings `FOR_FEW_ROWS` to `spark` in the block, and restore the former ones after it."""
    before = {name: spark.conf.get(name) for name in FOR_FEW_ROWS}
    for name, value in FOR_FEW_ROWS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


@dataclass(frozen=True)
class Lake:
    """The ingested and the processed bucket, and the stages that work on them."""

    spark: SparkSession
    folder: Path
    ingested: str
    processed: str

    def ingest(self, login: Login) -> IngestedBatch | None:
        """Run the ingest stage once."""
        return ingest.run(job_run(), login, self.ingested)

    def transform(self) -> ProcessedBatch | None:
        """Run the transform stage once."""
        return transform.run(job_run(), self.ingested, self.processed)

    def load(self, warehouse: Login) -> None:
        """Run the load stage once."""
        load.run(job_run(), self.processed, Postgres(warehouse))

    def ingested_batches(self) -> list[IngestedBatch]:
        """Return the committed batches of the ingested bucket."""
        return CommitLog(self.ingested, IngestedBatch).since(0)

    def processed_batches(self) -> list[ProcessedBatch]:
        """Return the committed batches of the processed bucket."""
        return CommitLog(self.processed, ProcessedBatch).since(0)

    def ingested_files(self, table: str) -> tuple[FileSet, ...]:
        """Return the live file sets of a source table."""
        return CommitLog(self.ingested, IngestedBatch).live_files().of(table)

    def processed_files(self, table: str) -> tuple[FileSet, ...]:
        """Return the live file sets of a star table."""
        return CommitLog(self.processed, ProcessedBatch).live_files().of(table)

    def files(self) -> list[str]:
        """Return the keys of all objects of both buckets, each with its bucket's name."""
        paths = [*(self.folder / self.ingested).rglob("*"), *(self.folder / self.processed).rglob("*")]
        return sorted(str(path.relative_to(self.folder)) for path in paths if path.is_file())

    def rows(self, batch: IngestedBatch | ProcessedBatch | None, table: str) -> DataFrame:
        """Return the rows of `table` in `batch`."""
        assert batch is not None
        bucket = self.ingested if isinstance(batch, IngestedBatch) else self.processed
        return self.spark.read.parquet(f"s3://{bucket}/{batch.tables[table].path}")


def job_run(**arguments: str) -> JobRun:
    """Return a job run with these `arguments` and a unique id."""
    return JobRun(id=f"jr_{uuid4().hex}", code_version="test", arguments=arguments)


@contextmanager
def empty_lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Create two buckets and the catalog's tables; drop the tables after the block."""
    suffix = uuid4().hex[:8]
    lake = Lake(spark, lake_root, f"ingested-{suffix}", f"processed-{suffix}")
    client = boto3.client("s3")
    for bucket in (lake.ingested, lake.processed):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    for name, value in settings(State(lake_root.parent), {}).items():
        if "mounttable" in name:
            hadoop.set(name.removeprefix("spark.hadoop."), value)
    declare(INGESTED, lake.ingested)
    declare(PROCESSED, lake.processed)
    try:
        yield lake
    finally:
        for zone in (INGESTED, PROCESSED):
            boto3.client("glue").delete_database(Name=zone.database)


def declare(zone: Zone, bucket: str) -> None:
    """Create the catalog's database of a zone, with its declared tables over `bucket`."""
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": zone.database})
    for name, table in json.loads(terraform_input())["tables"][zone.name].items():
        columns, keys = (
            [{"Name": column["name"], "Type": column["type"]} for column in table[part]]
            for part in ("columns", "partition_keys")
        )
        storage = {"Columns": columns, "Location": f"s3://{bucket}/tables/{name}/"}
        glue.create_table(
            DatabaseName=zone.database,
            TableInput={"Name": name, "StorageDescriptor": storage, "PartitionKeys": keys},
        )
