"""A lake in folders behind an S3 endpoint and a real catalog, and the stages that work on it."""

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
from totelake.lake.zones import INGESTED, PROCESSED, Zone
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres

# A dozen rows are not worth a class for each query, nor a plan that adapts to their number.
FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}


@contextmanager
def s3_endpoint(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Serve AWS with its buckets below `folder`; yield the buckets' folder and the variables by which it is found."""
    with LocalAws(State(folder), Credentials("local", "local")) as aws:
        yield aws.state.lake, aws.environment


@contextmanager
def few_rows(spark: SparkSession) -> Iterator[None]:
    """Let `spark` run with the settings `FEW_ROWS` in the block, and as it did before after it."""
    before = {name: spark.conf.get(name) for name in FEW_ROWS}
    for name, value in FEW_ROWS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


@dataclass(frozen=True)
class Lake:
    """Two buckets, and the stages that work on them."""

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
        """Return what has been committed to the ingested bucket."""
        return CommitLog(self.ingested, IngestedBatch).since(0)

    def processed_batches(self) -> list[ProcessedBatch]:
        """Return what has been committed to the processed bucket."""
        return CommitLog(self.processed, ProcessedBatch).since(0)

    def files(self) -> list[str]:
        """Return every object of both buckets."""
        found = [*(self.folder / self.ingested).rglob("*"), *(self.folder / self.processed).rglob("*")]
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())

    def rows(self, batch: IngestedBatch | ProcessedBatch | None, table: str) -> DataFrame:
        """Return what `batch` holds of `table`."""
        assert batch is not None
        bucket = self.ingested if isinstance(batch, IngestedBatch) else self.processed
        return self.spark.read.parquet(f"s3://{bucket}/{batch.tables[table].path}")


def job_run(**arguments: str) -> JobRun:
    """Return a run of a job with these `arguments`, and with an id that no other run has."""
    return JobRun(id=f"jr_{uuid4().hex}", code_version="test", arguments=arguments)


@contextmanager
def empty_lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Make two buckets and the catalog's tables, and drop the tables after the block."""
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
    """Make the catalog's database of a zone, with its declared tables over `bucket`."""
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
