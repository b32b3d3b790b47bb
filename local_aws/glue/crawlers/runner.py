"""Starting and stopping crawls: each runs in a thread, and reports to its log, to EventBridge and to its caller."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from moto.core import DEFAULT_ACCOUNT_ID
from moto.glue import glue_backends
from moto.glue.exceptions import CrawlerNotRunningException, CrawlerRunningException, GlueClientError

from local_aws import events
from local_aws.address import REGION
from local_aws.glue.crawlers import grouping
from local_aws.glue.crawlers.catalog import CrawledCatalog
from local_aws.glue.crawlers.crawl import Change, ChangedKind, Crawl, CrawlCancelledError, CrawlFailedError, CrawlState
from local_aws.glue.crawlers.crawler import LocalCrawler
from local_aws.glue.crawlers.lake import data_folders
from local_aws.glue.crawlers.log import CrawlLog
from local_aws.glue.crawlers.settings import CrawlerSettings
from local_aws.iam import IamError, Session, assume
from local_aws.schedules import ScheduleEntry

_LOG = logging.getLogger(__name__)

type OnEnd = Callable[[Crawl], None]

_COUNTED: dict[str, tuple[ChangedKind, Change]] = {
    "tablesCreated": ("TABLE", "ADD"),
    "tablesUpdated": ("TABLE", "UPDATE"),
    "tablesDeleted": ("TABLE", "DELETE"),
    "partitionsCreated": ("PARTITION", "ADD"),
    "partitionsUpdated": ("PARTITION", "UPDATE"),
    "partitionsDeleted": ("PARTITION", "DELETE"),
}


class Crawls:
    """The crawls that run, and the schedules of crawlers."""

    def __init__(self) -> None:
        """Begin without crawls."""
        self._lock = threading.Lock()
        self._threads: dict[str, tuple[Crawl, threading.Thread]] = {}

    def start(self, name: str, on_end: OnEnd | None = None) -> Crawl:
        """Start a crawl of the crawler `name` and return it while it runs; `on_end` is called in the crawl's thread.

        Raises CrawlerNotFoundException, and CrawlerRunningException when the crawler is running already.
        """
        return self.start_crawl(_crawler(name), on_end)

    def stop(self, name: str) -> None:
        """Have the running crawl of the crawler `name` end as CANCELLED soon.

        Raises CrawlerNotFoundException, CrawlerNotRunningException and CrawlerStoppingException.
        """
        self.stop_crawl(_crawler(name))

    def stop_all(self) -> None:
        """Cancel every crawl that runs and return when all have ended."""
        for crawl, thread in list(self._threads.values()):
            crawl.cancelled.set()
            thread.join()

    def start_crawl(self, crawler: LocalCrawler, on_end: OnEnd | None = None) -> Crawl:
        """Start a crawl of a crawler."""
        with self._lock:
            if crawler.running_crawl is not None:
                raise CrawlerRunningException(f"Crawler with name {crawler.name} has already started")
            crawl = Crawl(crawler.name)
            crawler.crawls.append(crawl)
            thread = threading.Thread(
                target=self._run, args=(crawler, crawl, on_end), name=f"crawl-{crawl.id}", daemon=True
            )
            self._threads[crawl.id] = (crawl, thread)
            thread.start()
        return crawl

    def stop_crawl(self, crawler: LocalCrawler) -> None:
        """Cancel the running crawl of a crawler."""
        with self._lock:
            crawl = crawler.running_crawl
            if crawl is None:
                raise CrawlerNotRunningException(f"Crawler with name {crawler.name} isn't running")
            if crawl.state == "CANCELLING":
                raise GlueClientError(
                    "CrawlerStoppingException", f"Crawler with name {crawler.name} is already stopping"
                )
            crawl.state = "CANCELLING"
            crawl.cancelled.set()

    def entries(self) -> Iterator[ScheduleEntry]:
        """Yield the schedules of all crawlers whose schedule is not stopped."""
        for account in list(glue_backends.values()):
            for backend in list(account.values()):
                for crawler in list(backend.crawlers.values()):
                    if crawler.schedule and crawler.is_scheduled:
                        yield ScheduleEntry(crawler.arn, crawler.schedule, partial(self._fire, crawler))

    def _fire(self, crawler: LocalCrawler, _scheduled: datetime) -> None:
        self.start_crawl(crawler)

    def _run(self, crawler: LocalCrawler, crawl: Crawl, on_end: OnEnd | None) -> None:
        try:
            self._run_to_its_end(crawler, crawl)
            if on_end is not None:
                on_end(crawl)
        except Exception:  # noqa: BLE001 - the end of a thread: there is no caller that could report it
            _LOG.exception("the callback of crawl %s of %s failed", crawl.id, crawler.name)
        finally:
            self._threads.pop(crawl.id, None)

    def _run_to_its_end(self, crawler: LocalCrawler, crawl: Crawl) -> None:
        """Crawl, and report the end in log and event; the message of a failure is the crawl's error message."""
        journal = CrawlLog(crawler.backend.account_id, crawler.backend.region_name, crawl)
        journal.benchmark(f"Running Start Crawl for Crawler {crawler.name}")
        _emit(crawler, crawl, "Started", startTime=_timestamp(crawl.started_on))
        try:
            _crawl(crawler, crawl, journal)
        except CrawlCancelledError:
            journal.info("The crawl was cancelled")
            self._end(crawl, journal, "CANCELLED")
        except (CrawlFailedError, IamError) as error:
            self._fail(crawler, crawl, journal, str(error))
        except Exception as error:  # noqa: BLE001 - a crawl that breaks is a crawl that failed
            _LOG.exception("crawl %s of %s broke", crawl.id, crawler.name)
            self._fail(crawler, crawl, journal, f"Internal Service Exception: {error}")
        else:
            self._end(crawl, journal, "SUCCEEDED")
            _emit(crawler, crawl, "Succeeded", **_outcome(crawl))

    def _fail(self, crawler: LocalCrawler, crawl: Crawl, journal: CrawlLog, message: str) -> None:
        journal.error(message)
        crawl.error_message = message
        self._end(crawl, journal, "FAILED")
        _emit(crawler, crawl, "Failed", errorMessage=message)

    def _end(self, crawl: Crawl, journal: CrawlLog, state: CrawlState) -> None:
        journal.benchmark("Crawler has finished running and is in state READY")
        with self._lock:  # a stop at the same moment sees the crawl either running or ended
            crawl.state = state
            crawl.completed_on = datetime.now(UTC)


def _crawler(name: str) -> LocalCrawler:
    crawler: LocalCrawler = glue_backends[DEFAULT_ACCOUNT_ID][REGION].get_crawler(name)
    return crawler


def _crawl(crawler: LocalCrawler, crawl: Crawl, journal: CrawlLog) -> None:
    settings, session = CrawlerSettings.of(crawler), _take_role(crawler)
    catalog = CrawledCatalog(crawler.backend, settings, crawl, journal, session)
    known = catalog.locations() if settings.new_folders_only else []
    seen = crawler.seen_folders if settings.new_folders_only else frozenset()
    looked_at: set[str] = set()
    found: list[grouping.CrawledTable] = []
    for target in settings.targets:
        folders = list(data_folders(session, target, seen, crawl, journal))
        looked_at.update(folder.location for folder in folders)
        found += grouping.tables(target, folders, known, settings, journal)
    journal.benchmark(f"Classification complete, writing results to database {settings.database}")
    configured = f"Configuration {settings.configuration} and " if settings.configuration else ""
    journal.info(f"Crawler configured with {configured}SchemaChangePolicy {settings.policy}.")
    for table in found:
        catalog.write(table)
    if not settings.new_folders_only:
        catalog.retire(found)
    crawler.seen_folders = seen | looked_at
    journal.benchmark("Finished writing to Catalog")
    journal.run_summary()


def _take_role(crawler: LocalCrawler) -> Session:
    """Take the role of a crawler on its behalf."""
    account, region = crawler.backend.account_id, crawler.backend.region_name
    return assume(
        crawler.role,
        service="glue.amazonaws.com",
        source_arn=crawler.arn,
        account=account,
        region=region,
        name="AWS-Crawler",
    )


def _outcome(crawl: Crawl) -> dict[str, str]:
    counts = {name: str(crawl.changes[change]) for name, change in _COUNTED.items()}
    ended = {"completionDate": _timestamp(crawl.completed_on or crawl.started_on), "warningMessage": "N/A"}
    return counts | ended | {"runningTime (sec)": str(round(crawl.seconds))}


def _emit(crawler: LocalCrawler, crawl: Crawl, state: str, **details: str) -> None:
    detail = {
        "crawlerName": crawler.name,
        "accountId": crawler.backend.account_id,
        "state": state,
        "message": f"Crawler {state}",
        "cloudWatchLogLink": f"{crawl.log_group}/{crawl.log_stream}",
    }
    events.emit("aws.glue", "Glue Crawler State Change", detail | details, [crawler.arn])


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
