"""Glue crawlers on the local AWS: tables, partitions and schemas that they discover in the lake, and crawler states."""

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from moto.glue.exceptions import CrawlerRunningException

from local_aws.glue import crawlers
from local_aws.glue.crawlers import api
from local_aws.glue.crawlers.schema import hive_type
from local_aws.glue.crawlers.settings import glob
from local_aws.schedules.timetable import Timetable
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


def test_crawl_creates_tables_with_their_partitions(lake: CrawledLake) -> None:
    """At the configured table level; the bucket is level 1."""
    lake.put("tables/sales_order/batch_id=20260101T00-a/part-0.parquet", SALES, rows=3)
    lake.put("tables/sales_order/batch_id=20260101T00-a/part-1.parquet", SALES, rows=2)
    lake.put("tables/sales_order/batch_id=20260102T00-b/part-0.parquet", SALES)
    lake.put("tables/staff/batch_id=20260101T00-a/part-0.parquet", STAFF)

    last = lake.crawler(Configuration=LEVEL_3).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert lake.tables() == {
        "sales_order": {"sales_order_id": "int", "unit_price": "decimal(10,2)", "created_at": "timestamp"},
        "staff": {"staff_id": "int", "first_name": "string", "active": "boolean"},
    }
    table = lake.table("sales_order")
    assert table["StorageDescriptor"]["Location"] == f"s3://{lake.name}/tables/sales_order/"
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert table["PartitionKeys"] == [{"Name": "batch_id", "Type": "string"}]
    parameters = table["Parameters"]
    assert (parameters["classification"], parameters["UPDATED_BY_CRAWLER"]) == ("parquet", lake.name)
    assert (parameters["objectCount"], parameters["recordCount"]) == ("3", "6")
    partitions = lake.partitions("sales_order")
    assert list(partitions) == [("20260101T00-a",), ("20260102T00-b",)]
    first = partitions["20260101T00-a",]
    assert first["StorageDescriptor"]["Location"].endswith("/tables/sales_order/batch_id=20260101T00-a/")
    assert first["Parameters"]["recordCount"] == "5"


def test_nested_and_unnamed_partition_folders_become_partition_keys(lake: CrawledLake) -> None:
    """`k=v` is unescaped; a folder without a key is a value of partition_N."""
    lake.put("tables/fact/batch_id=b1/month=2026%2D01/x.parquet", SALES)
    lake.put("tables/fact/batch_id=b1/month=2026-02/x.parquet", SALES)
    lake.put("tables/plain/2026/01/x.parquet", STAFF)

    lake.crawler(Configuration=LEVEL_3).crawl()

    assert list(lake.partitions("fact")) == [("b1", "2026-01"), ("b1", "2026-02")]
    assert [key["Name"] for key in lake.table("fact")["PartitionKeys"]] == ["batch_id", "month"]
    assert [key["Name"] for key in lake.table("plain")["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert list(lake.partitions("plain")) == [("2026", "01")]


def test_folders_with_similar_schemas_are_one_table_without_a_table_level(lake: CrawledLake) -> None:
    """A folder is a table if all schemas below it are similar, otherwise its subfolders are."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.put("tables/staff/x.parquet", STAFF)

    lake.crawler().crawl()

    assert set(lake.tables()) == {"sales", "staff"}
    assert list(lake.partitions("sales")) == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("policy", "tables"),
    [({}, {"a", "b"}), ({"Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}, {"tables"})],
)
def test_compatible_schemas_are_combined_by_the_grouping_policy(
    lake: CrawledLake, policy: dict[str, Any], tables: set[str]
) -> None:
    """By default, schemas with too few common columns are separate tables."""
    lake.put("tables/a/x.parquet", {"id": pa.int32(), "one": pa.string(), "two": pa.string()})
    lake.put("tables/b/x.parquet", {"id": pa.int64(), "three": pa.string(), "four": pa.string()})

    lake.crawler(Configuration=policy).crawl()

    assert set(lake.tables()) == tables


def test_hidden_excluded_and_non_parquet_files_are_skipped(lake: CrawledLake) -> None:
    """Files that are not Parquet are named in the log."""
    for key in ("good/x", "good/_temporary/x", ".staging/x", "good/.x", "skip/x", "deep/er/skipped-1"):
        lake.put(f"tables/{key}.parquet", STAFF)
    (lake.bucket / "tables/good/_SUCCESS").touch()
    (lake.bucket / "tables/good/notes.txt").write_text("not Parquet")

    last = lake.crawler(Configuration=LEVEL_3, Exclusions=["skip/**", "**/skipped-?.parquet"]).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert set(lake.tables()) == {"good"}
    assert lake.table("good")["Parameters"]["objectCount"] == "1"
    (line,) = [line for line in lake.log() if "UNKNOWN" in line]
    assert line.startswith(f"WARN : s3://{lake.name}/tables/good/notes.txt was skipped")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "b/a.csv", False),
        ("**.csv", "b/a.csv", True),
        ("b/**", "b/c/a.csv", True),
        ("2015-??/*", "2015-01/x", True),
        ("{a,b}/x[0-9]", "b/x7", True),
        ("{a,b}/x[!0-9]", "b/x7", False),
        ("a+b(c)", "a+b(c)", True),
        (r"\*", "x", False),
    ],
)
def test_exclusion_is_a_glob_pattern(pattern: str, path: str, matches: bool) -> None:
    """As in the Glue developer guide: `*` does not cross folders, `**` does."""
    assert (glob(pattern).fullmatch(path) is not None) == matches


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.int64(), "bigint"),
        (pa.uint32(), "bigint"),
        (pa.float32(), "float"),
        (pa.date32(), "date"),
        (pa.time64("us"), "bigint"),
        (pa.timestamp("ns", tz="UTC"), "timestamp"),
        (pa.large_string(), "string"),
        (pa.binary(16), "binary"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.list_(pa.struct({"a": pa.int32(), "b": pa.list_(pa.string())})), "array<struct<a:int,b:array<string>>>"),
        (pa.map_(pa.string(), pa.decimal128(38, 4)), "map<string,decimal(38,4)>"),
    ],
)
def test_parquet_types_become_hive_types(arrow: Any, hive: str) -> None:
    """Including nested types."""
    assert hive_type(arrow) == hive


def test_table_names_have_the_prefix_and_valid_characters_only(lake: CrawledLake) -> None:
    """A name that another location uses gets a suffix."""
    lake.put("tables/Sales-Order/x.parquet", SALES)
    lake.put("tables/sales_order/x.parquet", SALES)

    lake.crawler(Configuration=LEVEL_3, TablePrefix="raw_").crawl()

    first, second = sorted(lake.tables(), key=len)
    assert first == "raw_sales_order"
    assert second.startswith("raw_sales_order_")
    assert len(second) == len(first) + 33


WIDER = {**SALES, "note": pa.string()}


def crawl_schema_change(lake: CrawledLake, update: str, **configuration: Any) -> CrawledLake:
    """Crawl, add a column to one of a table's two partitions, and crawl again."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.crawler(
        Configuration={**LEVEL_3, **configuration},
        SchemaChangePolicy={"UpdateBehavior": update, "DeleteBehavior": "LOG"},
    ).crawl()
    lake.put("tables/sales/day=2/x.parquet", WIDER)
    assert lake.crawl()["Status"] == "SUCCEEDED"
    return lake


def test_changed_schema_is_updated_with_update_in_database(lake: CrawledLake) -> None:
    """In the table and the changed partition; the other partition keeps its columns."""
    crawl_schema_change(lake, "UPDATE_IN_DATABASE")

    assert lake.tables()["sales"]["note"] == "string"
    partitions = lake.partitions("sales")
    assert ["note" in columns(partitions[day,]) for day in "12"] == [False, True]
    assert lake.table("sales")["VersionId"] == "2"


def test_changed_schema_is_only_logged_with_log(lake: CrawledLake) -> None:
    """The log names the changed columns."""
    crawl_schema_change(lake, "LOG")

    assert "note" not in lake.tables()["sales"]
    assert "note" not in columns(lake.partitions("sales")["2",])
    assert "INFO : Table sales has changed and was not updated: + note string" in lake.log()


def test_partitions_inherit_the_schema_of_the_table_with_inherit_from_table(lake: CrawledLake) -> None:
    """All partitions have the table's columns."""
    crawl_schema_change(
        lake, "UPDATE_IN_DATABASE", CrawlerOutput={"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
    )

    assert all(columns(partition) == lake.tables()["sales"] for partition in lake.partitions("sales").values())
    assert "note" in lake.tables()["sales"]


def test_merge_new_columns_keeps_removed_columns(lake: CrawledLake) -> None:
    """It only adds columns."""
    lake.put("tables/sales/x.parquet", WIDER)
    merge = {"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}, **LEVEL_3}
    lake.crawler(Configuration=merge).crawl()
    lake.put("tables/sales/x.parquet", {**SALES, "more": pa.date32()})

    lake.crawl()

    assert list(lake.tables()["sales"]) == [*SALES, "note", "more"]


def test_types_that_differ_between_files_are_widened(lake: CrawledLake) -> None:
    """Numbers are widened; incompatible types become string."""
    lake.put("tables/t/d=1/x.parquet", {"n": pa.int32(), "p": pa.decimal128(10, 2), "x": pa.int32()})
    lake.put("tables/t/d=2/x.parquet", {"n": pa.int64(), "p": pa.decimal128(10, 4), "x": pa.date32()})

    lake.crawler(Configuration=LEVEL_3).crawl()

    assert lake.tables()["t"] == {"n": "bigint", "p": "decimal(12,4)", "x": "string"}


def crawl_deletion(lake: CrawledLake, delete: str) -> CrawledLake:
    """Crawl, delete a table and a partition of another, and crawl again."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    gone = [lake.put("tables/sales/day=2/x.parquet", SALES), lake.put("tables/staff/x.parquet", STAFF)]
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": delete}
    lake.glue.create_table(DatabaseName=lake.name, TableInput={"Name": "by_hand"})
    lake.crawler(Configuration=LEVEL_3, SchemaChangePolicy=policy).crawl()
    for path in gone:
        path.unlink()
    assert lake.crawl()["Status"] == "SUCCEEDED"
    return lake


def test_missing_tables_and_partitions_are_deleted_with_delete_from_database(lake: CrawledLake) -> None:
    """Tables that the crawler did not create are kept."""
    crawl_deletion(lake, "DELETE_FROM_DATABASE")

    assert {table["Name"] for table in lake.glue.get_tables(DatabaseName=lake.name)["TableList"]} == {
        "by_hand",
        "sales",
    }
    assert list(lake.partitions("sales")) == [("1",)]


def test_missing_tables_and_partitions_are_deprecated_until_they_reappear(lake: CrawledLake) -> None:
    """With DEPRECATE_IN_DATABASE, which sets a parameter."""
    crawl_deletion(lake, "DEPRECATE_IN_DATABASE")

    assert "DEPRECATED_BY_CRAWLER" in lake.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" in lake.partitions("sales")["2",]["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in lake.partitions("sales")["1",]["Parameters"]

    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.put("tables/staff/x.parquet", STAFF)
    lake.crawl()

    assert "DEPRECATED_BY_CRAWLER" not in lake.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in lake.partitions("sales")["2",]["Parameters"]


def test_missing_tables_and_partitions_are_only_logged_with_log(lake: CrawledLake) -> None:
    """The catalog is not changed."""
    crawl_deletion(lake, "LOG")

    assert {"sales", "staff"} <= {t["Name"] for t in lake.glue.get_tables(DatabaseName=lake.name)["TableList"]}
    assert list(lake.partitions("sales")) == [("1",), ("2",)]
    assert any(line.startswith("INFO : Table staff was not found") for line in lake.log())


@pytest.mark.parametrize("configuration", [LEVEL_3, {}])
def test_crawl_of_new_folders_adds_tables_and_partitions_only(lake: CrawledLake, configuration: dict[str, Any]) -> None:
    """Known folders are not read, and both policies are LOG, whatever the crawler's settings."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    staff = lake.put("tables/staff/day=1/x.parquet", STAFF)
    lake.crawler(
        Configuration=configuration,
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
        SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
    ).crawl()
    lake.put("tables/sales/day=1/x.parquet", {"other": pa.string()})
    lake.put("tables/sales/day=2/x.parquet", WIDER)
    lake.put("tables/design/day=2/x.parquet", {"design_id": pa.int32()})
    staff.unlink()

    assert lake.crawl()["Status"] == "SUCCEEDED"

    assert set(lake.tables()) == {"sales", "staff", "design"}
    assert list(lake.tables()["sales"]) == [*SALES]
    partitions = lake.partitions("sales")
    assert [list(columns(partitions[day,])) for day in "12"] == [[*SALES], [*WIDER]]
    assert "INFO : Table sales has changed and was not updated: + note string" in lake.log()


@pytest.mark.parametrize("unlike", [{**SALES, "sales_order_id": pa.date32()}, {"a": pa.string(), "b": pa.string()}])
def test_crawl_of_new_folders_skips_partitions_that_do_not_match_their_table(
    lake: CrawledLake, unlike: dict[str, Any]
) -> None:
    """In every crawl: those with an incompatible type, or with too few common columns."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.crawler(Configuration=LEVEL_3, RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}).crawl()
    lake.put("tables/sales/day=2/x.parquet", unlike)

    for _ in range(2):
        assert lake.crawl()["Status"] == "SUCCEEDED"

    assert set(lake.partitions("sales")) == {("1",)}
    warnings = [line for line in lake.log() if "does not match table schema" in line]
    place = f"s3://{lake.name}/tables/sales/day=2/"
    assert warnings == [f"WARN : {place}: Partition does not match table schema or has mismatch keys"]


def test_crawl_without_changes_does_not_change_the_catalog(lake: CrawledLake) -> None:
    """No new table version, and an empty summary."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.crawler(Configuration=LEVEL_3).crawl()
    before = lake.table("sales")["VersionId"], lake.partitions("sales")

    lake.crawl()

    assert (lake.table("sales")["VersionId"], lake.partitions("sales")) == before
    newest, oldest = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    assert (json.loads(oldest["Summary"]), json.loads(newest["Summary"])) == (
        {"TABLE": {"ADD": 1}, "PARTITION": {"ADD": 1}},
        {},
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"Targets": {"S3Targets": [{"Path": "s3://no-such-bucket/x/"}]}},
            "The specified bucket does not exist: no-such-bucket",
        ),
        ({"DatabaseName": "no_such_database"}, "Database no_such_database not found."),
        (
            {"Targets": {"JdbcTargets": [{"ConnectionName": "c", "Path": "db/%"}]}},
            "Local crawlers crawl S3 and not JdbcTargets.",
        ),
    ],
)
def test_crawl_with_an_invalid_target_or_database_fails(
    lake: CrawledLake, settings: dict[str, Any], message: str
) -> None:
    """The cause is in LastCrawl, the history, the log and the event."""
    wait_for_events = listen(lake)

    last = lake.crawler(**settings).crawl()

    assert last["Status"] == "FAILED"
    assert last["ErrorMessage"].startswith(message)
    (crawl,) = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    assert (crawl["State"], crawl["ErrorMessage"]) == ("FAILED", last["ErrorMessage"])
    assert any(line.startswith(f"ERROR : {message}") for line in lake.log())
    started, failed = wait_for_events(2)
    assert (started["state"], failed["state"]) == ("Started", "Failed")
    assert failed["errorMessage"] == last["ErrorMessage"]


def listen(lake: CrawledLake) -> Callable[[int], list[dict[str, Any]]]:
    """Subscribe to the crawler's events; return a function that waits for a number of their details."""
    sqs, bus = lake.client("sqs"), lake.client("events")
    url = sqs.create_queue(QueueName=lake.name)["QueueUrl"]
    pattern = {
        "source": ["aws.glue"],
        "detail-type": ["Glue Crawler State Change"],
        "detail": {"crawlerName": [lake.name]},
    }
    bus.put_rule(Name=lake.name, EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:eu-west-2:123456789012:{lake.name}"
    bus.put_targets(Rule=lake.name, Targets=[{"Id": "1", "Arn": arn}])

    def wait(count: int) -> list[dict[str, Any]]:
        details: list[dict[str, Any]] = []
        deadline = time.monotonic() + 10
        while len(details) < count and time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                details.append(json.loads(message["Body"])["detail"])
        return details

    return wait


def test_crawl_writes_a_log_and_sends_events(lake: CrawledLake) -> None:
    """With the messages of Glue."""
    wait_for_events = listen(lake)
    lake.put("tables/sales/day=1/x.parquet", SALES)

    lake.crawler(Configuration=LEVEL_3).crawl()

    log = lake.log()
    assert log[0] == f"BENCHMARK : Running Start Crawl for Crawler {lake.name}"
    assert log[1] == f"BENCHMARK : Classification complete, writing results to database {lake.name}"
    assert log[3] == f"INFO : Created table sales in database {lake.name}"
    assert log[-5:] == [
        "INFO : Run Summary For TABLE:",
        "INFO : ADD: 1",
        "INFO : Run Summary For PARTITION:",
        "INFO : ADD: 1",
        "BENCHMARK : Crawler has finished running and is in state READY",
    ]
    started, succeeded = wait_for_events(2)
    assert started["state"] == "Started"
    assert (succeeded["state"], succeeded["tablesCreated"], succeeded["partitionsCreated"]) == ("Succeeded", "1", "1")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make crawls wait, at most a second per file, until the event is set."""
    may_read = threading.Event()
    read = pq.read_metadata

    def wait_and_read(path: Path) -> Any:
        may_read.wait(1)
        return read(path)

    monkeypatch.setattr("local_aws.glue.crawlers.lake.pq.read_metadata", wait_and_read)
    return may_read


def test_running_crawler_cannot_be_started_updated_or_deleted(lake: CrawledLake, slow: threading.Event) -> None:
    """Its state is RUNNING until the crawl has ended."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler().glue.start_crawler(Name=lake.name)

    crawler = lake.glue.get_crawler(Name=lake.name)["Crawler"]
    (listed,) = [one for one in lake.glue.get_crawlers()["Crawlers"] if one["Name"] == lake.name]
    (crawl,) = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    for operation, settings in (
        ("start_crawler", {}),
        ("update_crawler", {"Description": "x"}),
        ("delete_crawler", {}),
    ):
        with pytest.raises(ClientError, match="CrawlerRunningException"):
            getattr(lake.glue, operation)(Name=lake.name, **settings)
    with pytest.raises(CrawlerRunningException):
        crawlers.start(lake.name, None)
    slow.set()
    lake.wait()

    assert (crawler["State"], listed["State"], crawl["State"]) == ("RUNNING", "RUNNING", "RUNNING")
    assert "LastCrawl" not in crawler
    assert crawler["CrawlElapsedTime"] >= 0
    (metrics,) = lake.glue.get_crawler_metrics(CrawlerNameList=[lake.name])["CrawlerMetricsList"]
    assert metrics["TablesCreated"] == 1
    assert metrics["LastRuntimeSeconds"] == metrics["MedianRuntimeSeconds"] > 0


def test_stopped_crawl_is_cancelled_and_writes_nothing(lake: CrawledLake, slow: threading.Event) -> None:
    """Its state is STOPPING first; a crawler that is not running cannot be stopped."""
    for number in range(3):
        lake.put(f"tables/sales/{number}.parquet", SALES)
    lake.crawler().glue.start_crawler(Name=lake.name)

    lake.glue.stop_crawler(Name=lake.name)
    state = lake.glue.get_crawler(Name=lake.name)["Crawler"]["State"]
    with pytest.raises(ClientError, match="CrawlerStoppingException"):
        lake.glue.stop_crawler(Name=lake.name)
    slow.set()
    last = lake.wait()

    assert (state, last["Status"]) == ("STOPPING", "CANCELLED")
    assert lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"][0]["State"] == "STOPPED"
    assert lake.tables() == {}
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        lake.glue.stop_crawler(Name=lake.name)


def test_start_calls_back_with_the_crawl_at_its_end(lake: CrawledLake) -> None:
    """It is the crawl that `start` returned."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler()
    ended: queue.Queue[crawlers.Crawl] = queue.Queue()

    crawl = crawlers.start(lake.name, ended.put)

    assert ended.get(timeout=10) is crawl
    assert (crawl.crawler_name, crawl.state, crawl.error_message) == (lake.name, "SUCCEEDED", None)
    assert (crawl.log_group, crawl.log_stream) == ("/aws-glue/crawlers", lake.name)
    assert crawl.completed_on is not None
    assert crawl.completed_on >= crawl.started_on


def test_crawl_history_is_filtered_and_paginated(lake: CrawledLake) -> None:
    """The newest crawl is listed first."""
    lake.crawler()
    for _ in range(3):
        lake.crawl()
    crawls = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    starts = [crawl["StartTime"] for crawl in crawls]
    assert starts == sorted(starts, reverse=True)

    page = lake.glue.list_crawls(CrawlerName=lake.name, MaxResults=2)
    rest = lake.glue.list_crawls(CrawlerName=lake.name, MaxResults=2, NextToken=page["NextToken"])
    assert [crawl["CrawlId"] for crawl in page["Crawls"] + rest["Crawls"]] == [crawl["CrawlId"] for crawl in crawls]

    def having(name: str, operator: str, value: str) -> int:
        condition = {"FieldName": name, "FilterOperator": operator, "FieldValue": value}
        return len(lake.glue.list_crawls(CrawlerName=lake.name, Filters=[condition])["Crawls"])

    assert having("STATE", "EQ", "COMPLETED") == 3
    assert having("CRAWL_ID", "NE", crawls[0]["CrawlId"]) == 2
    assert having("START_TIME", "GT", str((datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000)) == 3
    with pytest.raises(ClientError, match="InvalidInputException"):
        having("START_TIME", "GT", "yesterday")


def test_update_changes_only_the_given_settings(lake: CrawledLake) -> None:
    """The version of the crawler is incremented."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler(Configuration=LEVEL_3)

    lake.glue.update_crawler(Name=lake.name, TablePrefix="new_", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVERYTHING"})

    crawler = lake.glue.get_crawler(Name=lake.name)["Crawler"]
    assert (crawler["TablePrefix"], crawler["Version"]) == ("new_", 2)
    assert json.loads(crawler["Configuration"])["Grouping"] == {"TableLevelConfiguration": 3}
    lake.crawl()
    assert set(lake.tables()) == {"new_sales"}


def test_schedule_starts_a_crawl(lake: CrawledLake) -> None:
    """Not while it is stopped; an invalid expression is rejected."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler(Schedule="cron(15 12 * * ? *)", Configuration=LEVEL_3)
    assert lake.glue.get_crawler(Name=lake.name)["Crawler"]["Schedule"]["State"] == "SCHEDULED"
    arn = f"arn:aws:glue:eu-west-2:123456789012:crawler/{lake.name}"
    timetable = Timetable({"crawlers": lambda: [entry for entry in api._entries() if entry.key == arn]})
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    lake.glue.stop_crawler_schedule(CrawlerName=lake.name)
    assert timetable.tick(noon) is None
    lake.glue.start_crawler_schedule(CrawlerName=lake.name)
    assert timetable.tick(noon) == noon + timedelta(minutes=15)
    timetable.tick(noon + timedelta(minutes=15))

    deadline = time.monotonic() + 10
    while not lake.tables() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(lake.tables()) == {"sales"}
    with pytest.raises(ClientError, match="the hour '25'"):
        lake.glue.update_crawler_schedule(CrawlerName=lake.name, Schedule="cron(0 25 * * ? *)")


def test_missing_crawler_cannot_be_started(client: Any) -> None:
    """The error is EntityNotFoundException."""
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        client("glue").start_crawler(Name="missing")
