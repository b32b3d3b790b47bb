"""Glue crawlers on the local AWS: what they find in the lake and what they write to the catalog, by plain boto3."""

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
    """Serve a local AWS whose lake is crawled."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as served:
        roles.create(served.client("iam"), "crawler")
        yield served


@pytest.fixture(scope="module")
def state(aws: LocalAws) -> State:
    """Return the state folder of the local AWS."""
    return aws.state


@pytest.fixture(scope="module")
def client(aws: LocalAws) -> Callable[[str], Any]:
    """Give clients of the local AWS."""
    return aws.client


SALES = {"sales_order_id": pa.int32(), "unit_price": pa.decimal128(10, 2), "created_at": pa.timestamp("us")}
STAFF = {"staff_id": pa.int32(), "first_name": pa.string(), "active": pa.bool_()}


class World:
    """A bucket, a catalog database and a crawler, under names that no other test uses."""

    def __init__(self, client: Callable[[str], Any], state: State) -> None:
        """Make bucket and database."""
        self.name = f"w{uuid.uuid4().hex[:12]}"
        self.glue, self.logs, self.client = client("glue"), client("logs"), client
        self.bucket = state.lake / self.name
        client("s3").create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        self.glue.create_database(DatabaseInput={"Name": self.name})

    def put(self, key: str, columns: dict[str, Any], rows: int = 1) -> Path:
        """Put a Parquet file with these columns, all of them null, into the bucket."""
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({name: pa.nulls(rows, kind) for name, kind in columns.items()})
        pq.write_table(table, path)
        return path

    def crawler(self, path: str = "tables/", **settings: Any) -> "World":
        """Create the crawler, of the folder `path`; `Configuration` may be given as a dict."""
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
        """Start the crawler, wait for its end and give its LastCrawl."""
        self.glue.start_crawler(Name=self.name)
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Wait until the crawler is ready and give its LastCrawl."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            crawler = self.glue.get_crawler(Name=self.name)["Crawler"]
            if crawler["State"] == "READY":
                return dict(crawler["LastCrawl"])
            time.sleep(0.02)
        raise AssertionError("the crawl did not end")

    def tables(self) -> dict[str, dict[str, str]]:
        """Give the columns of every table in the database, by table name."""
        found = self.glue.get_tables(DatabaseName=self.name)["TableList"]
        return {table["Name"]: columns(table) for table in found}

    def table(self, name: str) -> dict[str, Any]:
        """Give one table."""
        return dict(self.glue.get_table(DatabaseName=self.name, Name=name)["Table"])

    def partitions(self, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """Give the partitions of a table by their values."""
        found = self.glue.get_partitions(DatabaseName=self.name, TableName=table)["Partitions"]
        return {tuple(partition["Values"]): partition for partition in found}

    def log(self) -> list[str]:
        """Give the lines of the crawler's log, without the crawl's id."""
        lines = self.logs.get_log_events(
            logGroupName="/aws-glue/crawlers", logStreamName=self.name, startFromHead=True
        )["events"]
        return [line["message"].partition("] ")[2] for line in lines]


def columns(definition: dict[str, Any]) -> dict[str, str]:
    """Give the columns of a table or partition."""
    return {column["Name"]: column["Type"] for column in definition["StorageDescriptor"]["Columns"]}


@pytest.fixture
def world(client: Any, state: State) -> World:
    """Make a world."""
    return World(client, state)


LEVEL_3 = {"Grouping": {"TableLevelConfiguration": 3}}


def test_a_crawl_writes_each_table_with_its_partitions(world: World) -> None:
    """At the table level that the crawler was given; the bucket is level 1."""
    world.put("tables/sales_order/batch_id=20260101T00-a/part-0.parquet", SALES, rows=3)
    world.put("tables/sales_order/batch_id=20260101T00-a/part-1.parquet", SALES, rows=2)
    world.put("tables/sales_order/batch_id=20260102T00-b/part-0.parquet", SALES)
    world.put("tables/staff/batch_id=20260101T00-a/part-0.parquet", STAFF)

    last = world.crawler(Configuration=LEVEL_3).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert world.tables() == {
        "sales_order": {"sales_order_id": "int", "unit_price": "decimal(10,2)", "created_at": "timestamp"},
        "staff": {"staff_id": "int", "first_name": "string", "active": "boolean"},
    }
    table = world.table("sales_order")
    assert table["StorageDescriptor"]["Location"] == f"s3://{world.name}/tables/sales_order/"
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert table["PartitionKeys"] == [{"Name": "batch_id", "Type": "string"}]
    parameters = table["Parameters"]
    assert (parameters["classification"], parameters["UPDATED_BY_CRAWLER"]) == ("parquet", world.name)
    assert (parameters["objectCount"], parameters["recordCount"]) == ("3", "6")
    partitions = world.partitions("sales_order")
    assert list(partitions) == [("20260101T00-a",), ("20260102T00-b",)]
    first = partitions["20260101T00-a",]
    assert first["StorageDescriptor"]["Location"].endswith("/tables/sales_order/batch_id=20260101T00-a/")
    assert first["Parameters"]["recordCount"] == "5"


def test_several_levels_of_partitions_and_plain_folders_become_keys(world: World) -> None:
    """`k=v` gives the key and its value, unescaped; a plain folder is a value of partition_N."""
    world.put("tables/fact/batch_id=b1/month=2026%2D01/x.parquet", SALES)
    world.put("tables/fact/batch_id=b1/month=2026-02/x.parquet", SALES)
    world.put("tables/plain/2026/01/x.parquet", STAFF)

    world.crawler(Configuration=LEVEL_3).crawl()

    assert list(world.partitions("fact")) == [("b1", "2026-01"), ("b1", "2026-02")]
    assert [key["Name"] for key in world.table("fact")["PartitionKeys"]] == ["batch_id", "month"]
    assert [key["Name"] for key in world.table("plain")["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert list(world.partitions("plain")) == [("2026", "01")]


def test_without_a_table_level_folders_that_are_alike_are_one_table(world: World) -> None:
    """A folder is a table when everything below is alike; else its tables lie further down."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    world.put("tables/sales/day=2/x.parquet", SALES)
    world.put("tables/staff/x.parquet", STAFF)

    world.crawler().crawl()

    assert set(world.tables()) == {"sales", "staff"}
    assert list(world.partitions("sales")) == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("policy", "tables"),
    [({}, {"a", "b"}), ({"Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}, {"tables"})],
)
def test_compatible_schemas_are_combined_when_the_crawler_is_told(
    world: World, policy: dict[str, Any], tables: set[str]
) -> None:
    """Schemas that share too little are tables of their own otherwise."""
    world.put("tables/a/x.parquet", {"id": pa.int32(), "one": pa.string(), "two": pa.string()})
    world.put("tables/b/x.parquet", {"id": pa.int64(), "three": pa.string(), "four": pa.string()})

    world.crawler(Configuration=policy).crawl()

    assert set(world.tables()) == tables


def test_hidden_files_exclusions_and_other_formats_are_left_out(world: World) -> None:
    """What is not Parquet is named in the log."""
    for key in ("good/x", "good/_temporary/x", ".staging/x", "good/.x", "skip/x", "deep/er/skipped-1"):
        world.put(f"tables/{key}.parquet", STAFF)
    (world.bucket / "tables/good/_SUCCESS").touch()
    (world.bucket / "tables/good/notes.txt").write_text("not Parquet")

    last = world.crawler(Configuration=LEVEL_3, Exclusions=["skip/**", "**/skipped-?.parquet"]).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert set(world.tables()) == {"good"}
    assert world.table("good")["Parameters"]["objectCount"] == "1"
    (line,) = [line for line in world.log() if "UNKNOWN" in line]
    assert line.startswith(f"WARN : s3://{world.name}/tables/good/notes.txt was skipped")


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
def test_an_exclusion_is_a_glob(pattern: str, path: str, matches: bool) -> None:
    """As the developer guide describes them: one star does not cross folders, two do."""
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
    """Nested ones too."""
    assert hive_type(arrow) == hive


def test_table_names_have_the_prefix_and_only_signs_that_the_catalog_takes(world: World) -> None:
    """A name that another location has already gets a suffix."""
    world.put("tables/Sales-Order/x.parquet", SALES)
    world.put("tables/sales_order/x.parquet", SALES)

    world.crawler(Configuration=LEVEL_3, TablePrefix="raw_").crawl()

    first, second = sorted(world.tables(), key=len)
    assert first == "raw_sales_order"
    assert second.startswith("raw_sales_order_")
    assert len(second) == len(first) + 33


WIDER = {**SALES, "note": pa.string()}


def changed_world(world: World, update: str, **configuration: Any) -> World:
    """Crawl, change the schema of a table and of one of its two partitions, and crawl again."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    world.put("tables/sales/day=2/x.parquet", SALES)
    world.crawler(
        Configuration={**LEVEL_3, **configuration},
        SchemaChangePolicy={"UpdateBehavior": update, "DeleteBehavior": "LOG"},
    ).crawl()
    world.put("tables/sales/day=2/x.parquet", WIDER)
    assert world.crawl()["Status"] == "SUCCEEDED"
    return world


def test_a_changed_schema_is_updated_in_the_database_when_the_policy_says_so(world: World) -> None:
    """In the table and in the partition that has changed; the other keeps its columns."""
    changed_world(world, "UPDATE_IN_DATABASE")

    assert world.tables()["sales"]["note"] == "string"
    partitions = world.partitions("sales")
    assert ["note" in columns(partitions[day,]) for day in "12"] == [False, True]
    assert world.table("sales")["VersionId"] == "2"


def test_a_changed_schema_is_only_logged_when_the_policy_says_so(world: World) -> None:
    """The log says what is different."""
    changed_world(world, "LOG")

    assert "note" not in world.tables()["sales"]
    assert "note" not in columns(world.partitions("sales")["2",])
    assert "INFO : Table sales has changed and was not updated: + note string" in world.log()


def test_partitions_inherit_the_tables_schema_when_the_crawler_is_told(world: World) -> None:
    """All partitions have the table's columns then."""
    changed_world(
        world, "UPDATE_IN_DATABASE", CrawlerOutput={"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
    )

    assert all(columns(partition) == world.tables()["sales"] for partition in world.partitions("sales").values())
    assert "note" in world.tables()["sales"]


def test_a_column_that_is_gone_stays_when_columns_are_merged(world: World) -> None:
    """MergeNewColumns adds and never removes."""
    world.put("tables/sales/x.parquet", WIDER)
    merge = {"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}, **LEVEL_3}
    world.crawler(Configuration=merge).crawl()
    world.put("tables/sales/x.parquet", {**SALES, "more": pa.date32()})

    world.crawl()

    assert list(world.tables()["sales"]) == [*SALES, "note", "more"]


def test_a_type_that_differs_between_files_is_wide_enough_for_all(world: World) -> None:
    """Numbers grow; what has nothing in common is a string."""
    world.put("tables/t/d=1/x.parquet", {"n": pa.int32(), "p": pa.decimal128(10, 2), "x": pa.int32()})
    world.put("tables/t/d=2/x.parquet", {"n": pa.int64(), "p": pa.decimal128(10, 4), "x": pa.date32()})

    world.crawler(Configuration=LEVEL_3).crawl()

    assert world.tables()["t"] == {"n": "bigint", "p": "decimal(12,4)", "x": "string"}


def shrunken_world(world: World, delete: str) -> World:
    """Crawl, delete a table and a partition of another, and crawl again."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    gone = [world.put("tables/sales/day=2/x.parquet", SALES), world.put("tables/staff/x.parquet", STAFF)]
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": delete}
    world.glue.create_table(DatabaseName=world.name, TableInput={"Name": "by_hand"})
    world.crawler(Configuration=LEVEL_3, SchemaChangePolicy=policy).crawl()
    for path in gone:
        path.unlink()
    assert world.crawl()["Status"] == "SUCCEEDED"
    return world


def test_what_is_gone_is_deleted_when_the_policy_says_so(world: World) -> None:
    """Tables that the crawler did not write stay."""
    shrunken_world(world, "DELETE_FROM_DATABASE")

    assert {table["Name"] for table in world.glue.get_tables(DatabaseName=world.name)["TableList"]} == {
        "by_hand",
        "sales",
    }
    assert list(world.partitions("sales")) == [("1",)]


def test_what_is_gone_is_marked_when_the_policy_says_so_until_it_comes_back(world: World) -> None:
    """The mark is a parameter."""
    shrunken_world(world, "DEPRECATE_IN_DATABASE")

    assert "DEPRECATED_BY_CRAWLER" in world.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" in world.partitions("sales")["2",]["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in world.partitions("sales")["1",]["Parameters"]

    world.put("tables/sales/day=2/x.parquet", SALES)
    world.put("tables/staff/x.parquet", STAFF)
    world.crawl()

    assert "DEPRECATED_BY_CRAWLER" not in world.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in world.partitions("sales")["2",]["Parameters"]


def test_what_is_gone_is_only_logged_when_the_policy_says_so(world: World) -> None:
    """Nothing in the catalog changes."""
    shrunken_world(world, "LOG")

    assert {"sales", "staff"} <= {t["Name"] for t in world.glue.get_tables(DatabaseName=world.name)["TableList"]}
    assert list(world.partitions("sales")) == [("1",), ("2",)]
    assert any(line.startswith("INFO : Table staff was not found") for line in world.log())


@pytest.mark.parametrize("configuration", [LEVEL_3, {}])
def test_a_crawl_of_new_folders_adds_and_changes_nothing_else(world: World, configuration: dict[str, Any]) -> None:
    """Files in folders that were seen are not looked at; both policies are LOG, whatever the crawler says."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    staff = world.put("tables/staff/day=1/x.parquet", STAFF)
    world.crawler(
        Configuration=configuration,
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
        SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
    ).crawl()
    world.put("tables/sales/day=1/x.parquet", {"other": pa.string()})
    world.put("tables/sales/day=2/x.parquet", WIDER)
    world.put("tables/design/day=2/x.parquet", {"design_id": pa.int32()})
    staff.unlink()

    assert world.crawl()["Status"] == "SUCCEEDED"

    assert set(world.tables()) == {"sales", "staff", "design"}
    assert list(world.tables()["sales"]) == [*SALES]
    partitions = world.partitions("sales")
    assert [list(columns(partitions[day,])) for day in "12"] == [[*SALES], [*WIDER]]
    assert "INFO : Table sales has changed and was not updated: + note string" in world.log()


@pytest.mark.parametrize("unlike", [{**SALES, "sales_order_id": pa.date32()}, {"a": pa.string(), "b": pa.string()}])
def test_a_partition_that_does_not_go_with_its_table_is_left_out_for_good(world: World, unlike: dict[str, Any]) -> None:
    """By a crawl of new folders: a type that has nothing to do with the table's, or too few columns in common."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    world.crawler(Configuration=LEVEL_3, RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}).crawl()
    world.put("tables/sales/day=2/x.parquet", unlike)

    for _ in range(2):
        assert world.crawl()["Status"] == "SUCCEEDED"

    assert set(world.partitions("sales")) == {("1",)}
    said = [line for line in world.log() if "does not match table schema" in line]
    place = f"s3://{world.name}/tables/sales/day=2/"
    assert said == [f"WARN : {place}: Partition does not match table schema or has mismatch keys"]


def test_a_crawl_that_finds_nothing_new_changes_nothing(world: World) -> None:
    """Twice is the same as once: no new version of a table, no change in the summary."""
    world.put("tables/sales/day=1/x.parquet", SALES)
    world.crawler(Configuration=LEVEL_3).crawl()
    before = world.table("sales")["VersionId"], world.partitions("sales")

    world.crawl()

    assert (world.table("sales")["VersionId"], world.partitions("sales")) == before
    newest, oldest = world.glue.list_crawls(CrawlerName=world.name)["Crawls"]
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
def test_a_crawl_that_cannot_be_done_fails_and_says_why(world: World, settings: dict[str, Any], message: str) -> None:
    """In LastCrawl, in the history, in the log and in the event."""
    told = listen(world)

    last = world.crawler(**settings).crawl()

    assert last["Status"] == "FAILED"
    assert last["ErrorMessage"].startswith(message)
    (crawl,) = world.glue.list_crawls(CrawlerName=world.name)["Crawls"]
    assert (crawl["State"], crawl["ErrorMessage"]) == ("FAILED", last["ErrorMessage"])
    assert any(line.startswith(f"ERROR : {message}") for line in world.log())
    started, failed = told(2)
    assert (started["state"], failed["state"]) == ("Started", "Failed")
    assert failed["errorMessage"] == last["ErrorMessage"]


def listen(world: World) -> Callable[[int], list[dict[str, Any]]]:
    """Listen for events of the world's crawler; give a function that waits for so many details."""
    sqs, bus = world.client("sqs"), world.client("events")
    url = sqs.create_queue(QueueName=world.name)["QueueUrl"]
    pattern = {
        "source": ["aws.glue"],
        "detail-type": ["Glue Crawler State Change"],
        "detail": {"crawlerName": [world.name]},
    }
    bus.put_rule(Name=world.name, EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:eu-west-2:123456789012:{world.name}"
    bus.put_targets(Rule=world.name, Targets=[{"Id": "1", "Arn": arn}])

    def wait(count: int) -> list[dict[str, Any]]:
        details: list[dict[str, Any]] = []
        deadline = time.monotonic() + 10
        while len(details) < count and time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                details.append(json.loads(message["Body"])["detail"])
        return details

    return wait


def test_a_crawl_tells_its_story_in_log_and_events(world: World) -> None:
    """In the words that Glue uses."""
    told = listen(world)
    world.put("tables/sales/day=1/x.parquet", SALES)

    world.crawler(Configuration=LEVEL_3).crawl()

    log = world.log()
    assert log[0] == f"BENCHMARK : Running Start Crawl for Crawler {world.name}"
    assert log[1] == f"BENCHMARK : Classification complete, writing results to database {world.name}"
    assert log[3] == f"INFO : Created table sales in database {world.name}"
    assert log[-5:] == [
        "INFO : Run Summary For TABLE:",
        "INFO : ADD: 1",
        "INFO : Run Summary For PARTITION:",
        "INFO : ADD: 1",
        "BENCHMARK : Crawler has finished running and is in state READY",
    ]
    started, succeeded = told(2)
    assert started["state"] == "Started"
    assert (succeeded["state"], succeeded["tablesCreated"], succeeded["partitionsCreated"]) == ("Succeeded", "1", "1")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let crawls wait before they read the first file, until the event is set or they are cancelled."""
    go_on = threading.Event()
    read = pq.read_metadata

    def wait_and_read(path: Path) -> Any:
        go_on.wait(1)
        return read(path)

    monkeypatch.setattr("local_aws.glue.crawlers.lake.pq.read_metadata", wait_and_read)
    return go_on


def test_a_running_crawler_says_so_and_cannot_be_started_or_changed(world: World, slow: threading.Event) -> None:
    """Until it has ended."""
    world.put("tables/sales/x.parquet", SALES)
    world.crawler().glue.start_crawler(Name=world.name)

    crawler = world.glue.get_crawler(Name=world.name)["Crawler"]
    (listed,) = [one for one in world.glue.get_crawlers()["Crawlers"] if one["Name"] == world.name]
    (crawl,) = world.glue.list_crawls(CrawlerName=world.name)["Crawls"]
    for operation, settings in (
        ("start_crawler", {}),
        ("update_crawler", {"Description": "x"}),
        ("delete_crawler", {}),
    ):
        with pytest.raises(ClientError, match="CrawlerRunningException"):
            getattr(world.glue, operation)(Name=world.name, **settings)
    with pytest.raises(CrawlerRunningException):
        crawlers.start(world.name, None)
    slow.set()
    world.wait()

    assert (crawler["State"], listed["State"], crawl["State"]) == ("RUNNING", "RUNNING", "RUNNING")
    assert "LastCrawl" not in crawler
    assert crawler["CrawlElapsedTime"] >= 0
    (metrics,) = world.glue.get_crawler_metrics(CrawlerNameList=[world.name])["CrawlerMetricsList"]
    assert metrics["TablesCreated"] == 1
    assert metrics["LastRuntimeSeconds"] == metrics["MedianRuntimeSeconds"] > 0


def test_a_crawl_that_is_stopped_is_cancelled_and_writes_nothing(world: World, slow: threading.Event) -> None:
    """It goes through STOPPING; a crawler that does not run cannot be stopped."""
    for number in range(3):
        world.put(f"tables/sales/{number}.parquet", SALES)
    world.crawler().glue.start_crawler(Name=world.name)

    world.glue.stop_crawler(Name=world.name)
    state = world.glue.get_crawler(Name=world.name)["Crawler"]["State"]
    with pytest.raises(ClientError, match="CrawlerStoppingException"):
        world.glue.stop_crawler(Name=world.name)
    slow.set()
    last = world.wait()

    assert (state, last["Status"]) == ("STOPPING", "CANCELLED")
    assert world.glue.list_crawls(CrawlerName=world.name)["Crawls"][0]["State"] == "STOPPED"
    assert world.tables() == {}
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        world.glue.stop_crawler(Name=world.name)


def test_whoever_starts_a_crawl_in_this_process_is_told_its_end(world: World) -> None:
    """The crawl that was returned is the one that ends."""
    world.put("tables/sales/x.parquet", SALES)
    world.crawler()
    ended: queue.Queue[crawlers.Crawl] = queue.Queue()

    crawl = crawlers.start(world.name, ended.put)

    assert ended.get(timeout=10) is crawl
    assert (crawl.crawler_name, crawl.state, crawl.error_message) == (world.name, "SUCCEEDED", None)
    assert (crawl.log_group, crawl.log_stream) == ("/aws-glue/crawlers", world.name)
    assert crawl.completed_on is not None
    assert crawl.completed_on >= crawl.started_on


def test_the_history_is_filtered_and_comes_in_pages(world: World) -> None:
    """Newest first."""
    world.crawler()
    for _ in range(3):
        world.crawl()
    crawls = world.glue.list_crawls(CrawlerName=world.name)["Crawls"]
    starts = [crawl["StartTime"] for crawl in crawls]
    assert starts == sorted(starts, reverse=True)

    page = world.glue.list_crawls(CrawlerName=world.name, MaxResults=2)
    rest = world.glue.list_crawls(CrawlerName=world.name, MaxResults=2, NextToken=page["NextToken"])
    assert [crawl["CrawlId"] for crawl in page["Crawls"] + rest["Crawls"]] == [crawl["CrawlId"] for crawl in crawls]

    def having(name: str, operator: str, value: str) -> int:
        condition = {"FieldName": name, "FilterOperator": operator, "FieldValue": value}
        return len(world.glue.list_crawls(CrawlerName=world.name, Filters=[condition])["Crawls"])

    assert having("STATE", "EQ", "COMPLETED") == 3
    assert having("CRAWL_ID", "NE", crawls[0]["CrawlId"]) == 2
    assert having("START_TIME", "GT", str((datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000)) == 3
    with pytest.raises(ClientError, match="InvalidInputException"):
        having("START_TIME", "GT", "yesterday")


def test_a_crawler_is_updated(world: World) -> None:
    """What is named changes, the rest stays, the version grows."""
    world.put("tables/sales/x.parquet", SALES)
    world.crawler(Configuration=LEVEL_3)

    world.glue.update_crawler(
        Name=world.name, TablePrefix="new_", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVERYTHING"}
    )

    crawler = world.glue.get_crawler(Name=world.name)["Crawler"]
    assert (crawler["TablePrefix"], crawler["Version"]) == ("new_", 2)
    assert json.loads(crawler["Configuration"])["Grouping"] == {"TableLevelConfiguration": 3}
    world.crawl()
    assert set(world.tables()) == {"new_sales"}


def test_a_crawler_with_a_schedule_crawls_when_it_fires(world: World) -> None:
    """And not while its schedule is stopped; an expression that cannot be read is refused."""
    world.put("tables/sales/x.parquet", SALES)
    world.crawler(Schedule="cron(15 12 * * ? *)", Configuration=LEVEL_3)
    assert world.glue.get_crawler(Name=world.name)["Crawler"]["Schedule"]["State"] == "SCHEDULED"
    arn = f"arn:aws:glue:eu-west-2:123456789012:crawler/{world.name}"
    timetable = Timetable({"crawlers": lambda: [entry for entry in api._entries() if entry.key == arn]})
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    world.glue.stop_crawler_schedule(CrawlerName=world.name)
    assert timetable.tick(noon) is None
    world.glue.start_crawler_schedule(CrawlerName=world.name)
    assert timetable.tick(noon) == noon + timedelta(minutes=15)
    timetable.tick(noon + timedelta(minutes=15))

    deadline = time.monotonic() + 10
    while not world.tables() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(world.tables()) == {"sales"}
    with pytest.raises(ClientError, match="the hour '25'"):
        world.glue.update_crawler_schedule(CrawlerName=world.name, Schedule="cron(0 25 * * ? *)")


def test_a_crawler_that_does_not_exist_cannot_be_started(client: Any) -> None:
    """It is an EntityNotFoundException."""
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        client("glue").start_crawler(Name="nobody")
