"""A crawler, as moto's model of it, whose crawls are real."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, override

from moto.glue.exceptions import CrawlerRunningException
from moto.glue.models import FakeCrawler

from local_aws.glue.crawlers.crawl import Crawl


class LocalCrawler(FakeCrawler):  # type: ignore[misc] # moto is not typed
    """A crawler that crawls the local S3."""

    schedule_state = "SCHEDULED"
    seen_folders: frozenset[str] = frozenset()
    """The folders of its earlier crawls. Like moto's catalog they last as long as the process."""

    @property
    def running_crawl(self) -> Crawl | None:
        """The crawl that runs now, if any."""
        last: Crawl | None = self.crawls[-1] if self.crawls else None
        return last if last is not None and last.is_running else None

    @property
    def is_scheduled(self) -> bool:
        """Whether its schedule is not stopped."""
        return self.schedule_state == "SCHEDULED"

    @override
    def start_crawler(self) -> None:
        """Start a crawl."""
        self.backend.crawls.start_crawl(self)

    @override
    def stop_crawler(self) -> None:
        """Cancel the running crawl."""
        self.backend.crawls.stop_crawl(self)

    @override
    def as_dict(self) -> dict[str, Any]:
        """Describe the crawler as GetCrawler does; LastCrawl is the last one that has ended."""
        # moto describes only its own kind of crawls, and keeps every copy that is made of its models.
        idle = SimpleNamespace(**{**vars(self), "crawls": [], "status": "READY"})
        description: dict[str, Any] = FakeCrawler.as_dict(idle)
        running = self.running_crawl
        if running is not None:
            description["State"] = "STOPPING" if running.state == "CANCELLING" else "RUNNING"
            description["CrawlElapsedTime"] = round(running.seconds * 1000)
        if self.schedule:
            description["Schedule"]["State"] = "SCHEDULED" if self.is_scheduled else "NOT_SCHEDULED"
        ended = [crawl for crawl in self.crawls if not crawl.is_running]
        if ended:
            description["LastCrawl"] = _describe_last(ended[-1])
        return description

    def touch(self) -> None:
        """Count a change of the definition."""
        self.version += 1
        self.last_updated = datetime.now(UTC)

    def require_idle(self, change: str) -> None:
        """Raise CrawlerRunningException when it is running; `change` is what cannot be done then."""
        if self.running_crawl is not None:
            raise CrawlerRunningException(f"Crawler with name {self.name} is running; stop it before it is {change}")


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
