"""A bucket for crawlers: Parquet files, a catalog database and a crawler of them."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_aws.server import LocalAws
from local_aws.state import State
from tests import roles
from tests.local_aws.conftest import OWNER


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Serve a local AWS for the module, with a role for crawlers."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as served:
        roles.create(served.client("iam"), "crawler")
        yield served


@pytest.fixture(scope="module")
def state(aws: LocalAws) -> State:
    """Return the state folder of the local AWS."""
    return aws.state


@pytest.fixture(scope="module")
def client(aws: LocalAws) -> Callable[[str], Any]:
    """Return a function that returns clients of the local AWS."""
    return aws.client


SALES = {"sales_order_id": pa.int32(), "unit_price": pa.decimal128(10, 2), "created_at": pa.timestamp("us")}
STAFF = {"staff_id": pa.int32(), "first_name": pa.string(), "active": pa.bool_()}


class CrawledLake:
    """A bucket, a catalog database and a crawler with a unique name."""

    def __init__(self, client: Callable[[str], Any], state: State) -> None:
        """Create the bucket and the database."""
        self.name = f"w{uuid.uuid4().hex[:12]}"
        self.glue, self.logs, self.client = client("glue"), client("logs"), client
        self.bucket = state.lake / self.name
        client("s3").create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        self.glue.create_database(DatabaseInput={"Name": self.name})

    def put(self, key: str, columns: dict[str, Any], rows: int = 1) -> Path:
        """Write a Parquet file with these columns, whose values are null, to the bucket."""
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({name: pa.nulls(rows, kind) for name, kind in columns.items()})
        pq.write_table(table, path)
        return path

    def crawler(self, path: str = "tables/", **settings: Any) -> "CrawledLake":
        """Create the crawler of the folder `path`; `Configuration` may be a dict."""
        if isinstance(settings.get("Configuration"), dict):
            settings["Configuration"] = json.dumps({"Version": 1.0, **settings["Configuration"]})
        exclusions = settings.pop("Exclusions", [])
        self.glue.create_crawler(
            **{
                "Name": self.name,
                "Role": "arn:aws:iam::123456789012:role/crawler",
                "DatabaseName": self.name,
                "Targets": {"S3Targets": [{"Path": f"s3://{self.name}/{path}", "Exclusions": exclusions}]},
                **settings,
            }
        )
        return self

    def crawl(self) -> dict[str, Any]:
        """Start the crawler, wait for its end and return its LastCrawl."""
        self.glue.start_crawler(Name=self.name)
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Wait until the crawler is ready and return its LastCrawl."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            crawler = self.glue.get_crawler(Name=self.name)["Crawler"]
            if crawler["State"] == "READY":
                return dict(crawler["LastCrawl"])
            time.sleep(0.02)
        raise AssertionError("the crawl did not end")

    def tables(self) -> dict[str, dict[str, str]]:
        """Return the columns of every table in the database, by table name."""
        tables = self.glue.get_tables(DatabaseName=self.name)["TableList"]
        return {table["Name"]: columns(table) for table in tables}

    def table(self, name: str) -> dict[str, Any]:
        """Return a table."""
        return dict(self.glue.get_table(DatabaseName=self.name, Name=name)["Table"])

    def partitions(self, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return the partitions of a table by their values."""
        partitions = self.glue.get_partitions(DatabaseName=self.name, TableName=table)["Partitions"]
        return {tuple(partition["Values"]): partition for partition in partitions}

    def log(self) -> list[str]:
        """Return the lines of the crawler's log, without the crawl's id."""
        lines = self.logs.get_log_events(
            logGroupName="/aws-glue/crawlers", logStreamName=self.name, startFromHead=True
        )["events"]
        return [line["message"].partition("] ")[2] for line in lines]


def columns(definition: dict[str, Any]) -> dict[str, str]:
    """Return the types of a table's or partition's columns by name."""
    return {column["Name"]: column["Type"] for column in definition["StorageDescriptor"]["Columns"]}


@pytest.fixture
def lake(client: Any, state: State) -> CrawledLake:
    """Return a new bucket, with its database and crawler."""
    return CrawledLake(client, state)


LEVEL_3 = {"Grouping": {"TableLevelConfiguration": 3}}
