"""Glue crawlers on the local AWS: states, log, events, history, updates and schedules."""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.glue.exceptions import CrawlerRunningException

from local_aws import parquet_nesting
from local_aws.schedules.timetable import Timetable
from local_aws.server import LocalAws
from tests.local_aws.crawled_lake import LEVEL_3, SALES, CrawledLake, aws, client, lake, state

__all__ = ["aws", "client", "lake", "state"]


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
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make crawls wait before they read a file until the event is set, at the latest at the end of the test."""
    may_read = threading.Event()
    read = parquet_nesting.open_checked

    def wait_and_read(path: Path) -> Any:
        may_read.wait()
        return read(path)

    monkeypatch.setattr("local_aws.glue.crawlers.lake.parquet_nesting.open_checked", wait_and_read)
    yield may_read
    may_read.set()


def test_running_crawler_cannot_be_started_updated_or_deleted(
    lake: CrawledLake, slow: threading.Event, aws: LocalAws
) -> None:
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
        aws.glue.crawls.start(lake.name, None)
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


def test_start_calls_back_with_the_crawl_at_its_end(lake: CrawledLake, aws: LocalAws) -> None:
    """It is the crawl that `start` returned."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler()
    ended: queue.Queue[Any] = queue.Queue()

    crawl = aws.glue.crawls.start(lake.name, ended.put)

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


def test_schedule_starts_a_crawl(lake: CrawledLake, aws: LocalAws) -> None:
    """Not while it is stopped; an invalid expression is rejected."""
    lake.put("tables/sales/x.parquet", SALES)
    lake.crawler(Schedule="cron(15 12 * * ? *)", Configuration=LEVEL_3)
    assert lake.glue.get_crawler(Name=lake.name)["Crawler"]["Schedule"]["State"] == "SCHEDULED"
    arn = f"arn:aws:glue:eu-west-2:123456789012:crawler/{lake.name}"
    timetable = Timetable({"crawlers": lambda: [entry for entry in aws.glue.crawls.entries() if entry.key == arn]})
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
