"""The crawler operations of the Glue API that moto lacks or only pretends.

moto keeps crawlers and answers CreateCrawler, DeleteCrawler and ListCrawlers. Everything that is put in its place
stands in `install`; jobs, triggers and workflows are none of this module's.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import CrawlerNotFoundException, CrawlerRunningException, GlueClientError
from moto.glue.models import FakeCrawler, GlueBackend, glue_backends
from moto.glue.responses import GlueResponse

from local_aws import schedules
from local_aws.glue.crawlers import history, runner
from local_aws.glue.crawlers.crawl import Crawl
from local_aws.schedules import Entry, ScheduleExpressionError, next_fire

_MOTO_CREATE = GlueBackend.create_crawler
_MOTO_DELETE = GlueBackend.delete_crawler
_MOTO_DESCRIBE = FakeCrawler.as_dict
_SETTINGS = {
    "Role": "role",
    "DatabaseName": "database_name",
    "Description": "description",
    "Targets": "targets",
    "Schedule": "schedule",
    "Classifiers": "classifiers",
    "TablePrefix": "table_prefix",
    "SchemaChangePolicy": "schema_change_policy",
    "RecrawlPolicy": "recrawl_policy",
    "LineageConfiguration": "lineage_configuration",
    "Configuration": "configuration",
    "CrawlerSecurityConfiguration": "crawler_security_configuration",
}
"""The parameters of UpdateCrawler and what moto calls them."""


def install() -> None:
    """Let moto's crawlers crawl the local S3, and fire when they have a schedule; may be called again."""
    schedules.register("Glue crawlers", _entries)
    GlueBackend.create_crawler = _create_crawler
    GlueBackend.delete_crawler = _delete_crawler
    FakeCrawler.as_dict = _describe
    FakeCrawler.start_crawler = runner.start_crawl
    FakeCrawler.stop_crawler = runner.stop_crawl
    GlueResponse.update_crawler = _update_crawler
    GlueResponse.update_crawler_schedule = _update_crawler_schedule
    GlueResponse.start_crawler_schedule = _start_crawler_schedule
    GlueResponse.stop_crawler_schedule = _stop_crawler_schedule
    GlueResponse.get_crawler_metrics = _get_crawler_metrics
    GlueResponse.list_crawls = _list_crawls


def _entries() -> Iterator[Entry]:
    for account in list(glue_backends.values()):
        for backend in list(account.values()):
            for crawler in list(backend.crawlers.values()):
                if crawler.schedule and _is_scheduled(crawler):
                    yield Entry(crawler.arn, crawler.schedule, partial(_fire, crawler))


def _fire(crawler: Any, _scheduled: datetime) -> None:
    runner.start_crawl(crawler)


def _is_scheduled(crawler: Any) -> bool:
    return getattr(crawler, "schedule_state", "SCHEDULED") == "SCHEDULED"


def _create_crawler(backend: Any, **settings: Any) -> None:
    _check_schedule(settings.get("schedule"))
    _MOTO_CREATE(backend, **settings)


def _delete_crawler(backend: Any, name: str) -> None:
    crawler = backend.crawlers.get(name)
    if crawler is not None and runner.current(crawler) is not None:
        raise CrawlerRunningException(f"Crawler with name {name} is running; stop it before it is deleted")
    _MOTO_DELETE(backend, name)


def _check_schedule(expression: str | None) -> None:
    if not expression:
        return
    if not expression.startswith("cron("):
        raise GlueClientError("InvalidInputException", f"The schedule of a crawler has to be cron(…): {expression}")
    try:
        next_fire(expression, "UTC", datetime.now(UTC))
    except ScheduleExpressionError as error:
        raise GlueClientError("InvalidInputException", str(error)) from error


def _describe(crawler: Any) -> dict[str, Any]:
    """Describe a crawler as GetCrawler does; LastCrawl is the last one that has ended."""
    # moto knows only its own kind of crawls; and it remembers every copy that is made of its models.
    idle = SimpleNamespace(**{**vars(crawler), "crawls": [], "status": "READY"})
    description = dict(_MOTO_DESCRIBE(idle))
    running = runner.current(crawler)
    if running is not None:
        description["State"] = "STOPPING" if running.state == "CANCELLING" else "RUNNING"
        description["CrawlElapsedTime"] = round(running.seconds * 1000)
    if crawler.schedule:
        description["Schedule"]["State"] = "SCHEDULED" if _is_scheduled(crawler) else "NOT_SCHEDULED"
    ended = [crawl for crawl in crawler.crawls if not crawl.is_running]
    if ended:
        description["LastCrawl"] = _describe_last(ended[-1])
    return description


def _describe_last(crawl: Crawl) -> dict[str, Any]:
    described = {
        "Status": crawl.state,
        "ErrorMessage": crawl.error_message,
        "LogGroup": crawl.log_group,
        "LogStream": crawl.log_stream,
        "MessagePrefix": crawl.id,
        "StartTime": crawl.started_on,
    }
    return {key: value for key, value in described.items() if value is not None}


def _update_crawler(response: Any) -> Any:
    crawler = response.glue_backend.get_crawler(response.parameters.get("Name"))
    _refuse_while_running(crawler)
    changes = {key: value for key, value in response.parameters.items() if key in _SETTINGS}
    _check_schedule(changes.get("Schedule"))
    for key, value in changes.items():
        setattr(crawler, _SETTINGS[key], value)
    if "Schedule" in changes:
        crawler.schedule_state = "SCHEDULED"
    _touch(crawler)
    return EmptyResult()


def _update_crawler_schedule(response: Any) -> Any:
    crawler = response.glue_backend.get_crawler(response.parameters.get("CrawlerName"))
    _check_schedule(response.parameters.get("Schedule"))
    crawler.schedule = response.parameters.get("Schedule")
    crawler.schedule_state = "SCHEDULED"
    _touch(crawler)
    return EmptyResult()


def _start_crawler_schedule(response: Any) -> Any:
    crawler = _with_schedule(response)
    if _is_scheduled(crawler):
        raise GlueClientError("SchedulerRunningException", f"The schedule of crawler {crawler.name} is running already")
    crawler.schedule_state = "SCHEDULED"
    return EmptyResult()


def _stop_crawler_schedule(response: Any) -> Any:
    crawler = _with_schedule(response)
    if not _is_scheduled(crawler):
        raise GlueClientError("SchedulerNotRunningException", f"The schedule of crawler {crawler.name} is not running")
    crawler.schedule_state = "NOT_SCHEDULED"
    return EmptyResult()


def _with_schedule(response: Any) -> Any:
    crawler = response.glue_backend.get_crawler(response.parameters.get("CrawlerName"))
    if not crawler.schedule:
        raise GlueClientError("NoScheduleException", f"Crawler {crawler.name} has no schedule")
    return crawler


def _touch(crawler: Any) -> None:
    crawler.version += 1
    crawler.last_updated = datetime.now(UTC)


def _refuse_while_running(crawler: Any) -> None:
    if runner.current(crawler) is not None:
        raise CrawlerRunningException(f"Crawler with name {crawler.name} is running; stop it before it is changed")


def _get_crawler_metrics(response: Any) -> Any:
    crawlers = response.glue_backend.crawlers
    names = response.parameters.get("CrawlerNameList") or list(crawlers)
    missing = [name for name in names if name not in crawlers]
    if missing:
        raise CrawlerNotFoundException(", ".join(missing))
    return ActionResult({"CrawlerMetricsList": [_metrics(crawlers[name]) for name in names]})


def _metrics(crawler: Any) -> dict[str, Any]:
    ended = [crawl.seconds for crawl in crawler.crawls if not crawl.is_running]
    changes = crawler.crawls[-1].changes if crawler.crawls else {}
    return {
        "CrawlerName": crawler.name,
        "TimeLeftSeconds": 0.0,
        "StillEstimating": runner.current(crawler) is not None,
        "LastRuntimeSeconds": ended[-1] if ended else 0.0,
        "MedianRuntimeSeconds": median(ended) if ended else 0.0,
        "TablesCreated": changes.get(("TABLE", "ADD"), 0),
        "TablesUpdated": changes.get(("TABLE", "UPDATE"), 0),
        "TablesDeleted": changes.get(("TABLE", "DELETE"), 0),
    }


def _list_crawls(response: Any) -> Any:
    crawler = response.glue_backend.get_crawler(response.parameters.get("CrawlerName"))
    page, token = history.page(
        crawler.crawls,
        filters=response.parameters.get("Filters") or [],
        limit=int(response.parameters.get("MaxResults") or 20),
        token=response.parameters.get("NextToken"),
    )
    return ActionResult({"Crawls": page, "NextToken": token})
