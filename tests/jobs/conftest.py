"""A lake of its own for each test: two empty buckets as folders, and the catalog's tables over them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from psycopg import conninfo
from pyspark.sql import DataFrame, SparkSession

from local_aws import s3
from local_aws.spark import settings
from local_aws.state import State
from totelake import ingest, transform
from totelake.batches import IngestedBatch, ProcessedBatch
from totelake.connections import Login
from totelake.glue import JobRun
from totelake.log import CommitLog
from totelake.tables.__main__ import terraform_input
from totelake.zones import INGESTED, PROCESSED, Zone
from totesys import roles, schema


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

    def ingested_batches(self) -> list[IngestedBatch]:
        """Return what has been committed to the ingested bucket."""
        return CommitLog(self.ingested, IngestedBatch).since(0)

    def files(self) -> list[str]:
        """Return every object of both buckets."""
        found = [*(self.folder / self.ingested).rglob("*"), *(self.folder / self.processed).rglob("*")]
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())

    def rows(self, batch: IngestedBatch | ProcessedBatch | None, table: str) -> DataFrame:
        """Return what `batch` holds of `table`."""
        assert batch is not None
        bucket = self.ingested if isinstance(batch, IngestedBatch) else self.processed
        return self.spark.read.parquet(f"s3://{bucket}/{batch.tables[table].path}")


def job_run() -> JobRun:
    """Return a run of a job, with an id that no other run has."""
    return JobRun(id=f"jr_{uuid4().hex}", code_version="test", arguments={})


@pytest.fixture(scope="package")
def lake_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve all buckets by an endpoint; this is their folder."""
    state = State(tmp_path_factory.mktemp("lake"))
    s3.install(state)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "eu-west-2",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        yield state.lake
    server.stop()


@pytest.fixture
def totesys(totesys_database: str) -> str:
    """Return the URL of a totesys with 200 sales orders, as its owner."""
    return totesys_database


@pytest.fixture
def reader(totesys_reader: str) -> Login:
    """Return the login by which the ingest stage reads the same totesys."""
    return login_of(totesys_reader)


def login_of(url: str) -> Login:
    """Return the login that a URL describes."""
    parts = conninfo.conninfo_to_dict(url)
    return Login(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
        user=str(parts["user"]),
        password=str(parts["password"]),
    )


@pytest.fixture(scope="module")
def shared_totesys(make_module_database: Callable[..., str], totesys_template: str) -> str:
    """Return the URL of one totesys for all tests of a module: each goes on from where the one before left it."""
    url = make_module_database(totesys_template, roles.OWNER)
    with psycopg.connect(url) as connection:
        schema.grant(connection, roles.READER)
    return url


@pytest.fixture(scope="module")
def shared_reader(shared_totesys: str) -> Login:
    """Return the login by which the ingest stage reads it."""
    return replace(login_of(shared_totesys), user=roles.READER)


@pytest.fixture
def empty_reader(empty_totesys: str) -> Login:
    """Return the login by which the ingest stage reads the same test's `empty_totesys`."""
    return replace(login_of(empty_totesys), user=roles.READER)


@pytest.fixture(scope="module")
def shared_lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Return one lake for all tests of a module, so that the first batch, which is the largest, is made once."""
    with empty_lake(lake_root, spark) as lake:
        yield lake


@pytest.fixture
def lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Two empty buckets and empty tables in the catalog."""
    with empty_lake(lake_root, spark) as lake:
        yield lake


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
    _declare(INGESTED, lake.ingested)
    _declare(PROCESSED, lake.processed)
    yield lake
    for zone in (INGESTED, PROCESSED):
        boto3.client("glue").delete_database(Name=zone.database)


def _declare(zone: Zone, bucket: str) -> None:
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


@pytest.fixture
def partitions() -> Callable[[Zone, str], list[list[str]]]:
    """Return a function that lists the partitions that the catalog knows of a table."""

    def registered(zone: Zone, table: str) -> list[list[str]]:
        pages = (
            boto3.client("glue").get_paginator("get_partitions").paginate(DatabaseName=zone.database, TableName=table)
        )
        return sorted(partition["Values"] for page in pages for partition in page["Partitions"])

    return registered
