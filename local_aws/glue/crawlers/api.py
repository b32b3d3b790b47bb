"""The crawler operations of the Glue API that moto lacks or only mocks.

moto keeps the crawlers, and handles CreateCrawler, DeleteCrawler and ListCrawlers.
"""

from datetime import UTC, datetime
from statistics import median
from typing import Any, ClassVar, override

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import CrawlerNotFoundException, GlueClientError
from moto.glue.models import GlueBackend
from moto.glue.responses import GlueResponse

from local_aws import mounting
from local_aws.glue.crawlers import history
from local_aws.glue.crawlers.crawler import LocalCrawler
from local_aws.glue.crawlers.runner import Crawls
from local_aws.schedules import ScheduleExpressionError, next_fire

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
"""The parameters of UpdateCrawler, and moto's attributes for them."""


class CrawlerBackend(GlueBackend):  # type: ignore[misc] # moto is not typed
    """A part of Glue's backend, whose crawlers crawl."""

    crawls: ClassVar[Crawls]

    @override
    def create_crawler(self, *, name: str, schedule: str | None, **settings: Any) -> None:
        """Make a crawler; a schedule that AWS would refuse is refused."""
        _check_schedule(schedule)
        super().create_crawler(name=name, schedule=schedule, **settings)
        mounting.specialized(self.crawlers[name], LocalCrawler)

    @override
    def delete_crawler(self, name: str) -> None:
        """Remove a crawler that is not running."""
        if name in self.crawlers:
            self.crawlers[name].require_idle("deleted")
        super().delete_crawler(name)


class CrawlerOperations(GlueResponse):  # type: ignore[misc] # moto is not typed
    """A part of Glue's API: the operations on crawlers and crawls."""

    def update_crawler(self) -> EmptyResult:
        """Handle UpdateCrawler."""
        crawler = self._crawler("Name")
        crawler.require_idle("changed")
        changes = {key: value for key, value in self.parameters.items() if key in _SETTINGS}
        _check_schedule(changes.get("Schedule"))
        for key, value in changes.items():
            setattr(crawler, _SETTINGS[key], value)
        if "Schedule" in changes:
            crawler.schedule_state = "SCHEDULED"
        crawler.touch()
        return EmptyResult()

    def update_crawler_schedule(self) -> EmptyResult:
        """Handle UpdateCrawlerSchedule."""
        crawler = self._crawler("CrawlerName")
        _check_schedule(self.parameters.get("Schedule"))
        crawler.schedule = self.parameters.get("Schedule")
        crawler.schedule_state = "SCHEDULED"
        crawler.touch()
        return EmptyResult()

    def start_crawler_schedule(self) -> EmptyResult:
        """Handle StartCrawlerSchedule."""
        crawler = self._crawler_with_schedule()
        if crawler.is_scheduled:
            raise GlueClientError(
                "SchedulerRunningException", f"The schedule of crawler {crawler.name} is running already"
            )
        crawler.schedule_state = "SCHEDULED"
        return EmptyResult()

    def stop_crawler_schedule(self) -> EmptyResult:
        """Handle StopCrawlerSchedule."""
        crawler = self._crawler_with_schedule()
        if not crawler.is_scheduled:
            raise GlueClientError(
                "SchedulerNotRunningException", f"The schedule of crawler {crawler.name} is not running"
            )
        crawler.schedule_state = "NOT_SCHEDULED"
        return EmptyResult()

    def get_crawler_metrics(self) -> ActionResult:
        """Handle GetCrawlerMetrics."""
        crawlers = self.glue_backend.crawlers
        names = self.parameters.get("CrawlerNameList") or list(crawlers)
        missing = [name for name in names if name not in crawlers]
        if missing:
            raise CrawlerNotFoundException(", ".join(missing))
        return ActionResult({"CrawlerMetricsList": [_metrics(crawlers[name]) for name in names]})

    @override
    def list_crawls(self) -> ActionResult:
        """Handle ListCrawls."""
        page, token = history.page(
            self._crawler("CrawlerName").crawls,
            filters=self.parameters.get("Filters") or [],
            limit=int(self.parameters.get("MaxResults") or 20),
            token=self.parameters.get("NextToken"),
        )
        return ActionResult({"Crawls": page, "NextToken": token})

    def _crawler(self, parameter: str) -> LocalCrawler:
        crawler: LocalCrawler = self.glue_backend.get_crawler(self.parameters.get(parameter))
        return crawler

    def _crawler_with_schedule(self) -> LocalCrawler:
        crawler = self._crawler("CrawlerName")
        if not crawler.schedule:
            raise GlueClientError("NoScheduleException", f"Crawler {crawler.name} has no schedule")
        return crawler


def _check_schedule(expression: str | None) -> None:
    if not expression:
        return
    if not expression.startswith("cron("):
        raise GlueClientError("InvalidInputException", f"The schedule of a crawler has to be cron(…): {expression}")
    try:
        next_fire(expression, "UTC", datetime.now(UTC))
    except ScheduleExpressionError as error:
        raise GlueClientError("InvalidInputException", str(error)) from error


def _metrics(crawler: LocalCrawler) -> dict[str, Any]:
    ended = [crawl.seconds for crawl in crawler.crawls if not crawl.is_running]
    changes = crawler.crawls[-1].changes if crawler.crawls else {}
    return {
        "CrawlerName": crawler.name,
        "TimeLeftSeconds": 0.0,
        "StillEstimating": crawler.running_crawl is not None,
        "LastRuntimeSeconds": ended[-1] if ended else 0.0,
        "MedianRuntimeSeconds": median(ended) if ended else 0.0,
        "TablesCreated": changes.get(("TABLE", "ADD"), 0),
        "TablesUpdated": changes.get(("TABLE", "UPDATE"), 0),
        "TablesDeleted": changes.get(("TABLE", "DELETE"), 0),
    }
