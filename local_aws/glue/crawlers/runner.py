"""Starting and stopping crawls: each runs in a thread of its own and tells the log, EventBridge and its starter."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from moto.core import DEFAULT_ACCOUNT_ID
from moto.glue import glue_backends
from moto.glue.exceptions import CrawlerNotRunningException, CrawlerRunningException, GlueClientError

from local_aws import events
from local_aws.address import REGION
from local_aws.glue.crawlers import grouping
from local_aws.glue.crawlers.catalog import Catalog
from local_aws.glue.crawlers.crawl import Action, Crawl, CrawlCancelledError, CrawlError, Kind
from local_aws.glue.crawlers.lake import data_folders
from local_aws.glue.crawlers.log import CrawlLog
from local_aws.glue.crawlers.settings import Settings
from local_aws.iam import IamError, Session, assume

_LOG = logging.getLogger(__name__)

type OnEnd = Callable[[Crawl], None]

_COUNTED: dict[str, tuple[Kind, Action]] = {
    "tablesCreated": ("TABLE", "ADD"),
    "tablesUpdated": ("TABLE", "UPDATE"),
    "tablesDeleted": ("TABLE", "DELETE"),
    "partitionsCreated": ("PARTITION", "ADD"),
    "partitionsUpdated": ("PARTITION", "UPDATE"),
    "partitionsDeleted": ("PARTITION", "DELETE"),
}

_lock = threading.Lock()
_threads: dict[str, tuple[Crawl, threading.Thread]] = {}

# The folders that earlier crawls of a crawler have seen. Like moto's catalog they last as long as this process.
_seen: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()


def start(name: str, on_end: OnEnd | None = None) -> Crawl:
    """Start a crawl of the crawler `name` and return it while it runs; `on_end` is called in the crawl's thread.

    Raises CrawlerNotFoundException, and CrawlerRunningException when the crawler is running already.
    """
    return start_crawl(_crawler(name), on_end)


def stop(name: str) -> None:
    """Have the running crawl of the crawler `name` end as CANCELLED soon.

    Raises CrawlerNotFoundException, CrawlerNotRunningException and CrawlerStoppingException.
    """
    stop_crawl(_crawler(name))


def stop_all() -> None:
    """Cancel every crawl that runs and return when all have ended."""
    for crawl, thread in list(_threads.values()):
        crawl.cancelled.set()
        thread.join()


def start_crawl(crawler: Any, on_end: OnEnd | None = None) -> Crawl:
    """Start a crawl of a crawler of moto's."""
    with _lock:
        if current(crawler) is not None:
            raise CrawlerRunningException(f"Crawler with name {crawler.name} has already started")
        crawl = Crawl(crawler.name)
        crawler.crawls.append(crawl)
        thread = threading.Thread(target=_run, args=(crawler, crawl, on_end), name=f"crawl-{crawl.id}", daemon=True)
        _threads[crawl.id] = (crawl, thread)
        thread.start()
    return crawl


def stop_crawl(crawler: Any) -> None:
    """Cancel the running crawl of a crawler of moto's."""
    with _lock:
        crawl = current(crawler)
        if crawl is None:
            raise CrawlerNotRunningException(f"Crawler with name {crawler.name} isn't running")
        if crawl.state == "CANCELLING":
            raise GlueClientError("CrawlerStoppingException", f"Crawler with name {crawler.name} is already stopping")
        crawl.state = "CANCELLING"
        crawl.cancelled.set()


def current(crawler: Any) -> Crawl | None:
    """Give the crawl that a crawler is running, if any."""
    last: Crawl | None = crawler.crawls[-1] if crawler.crawls else None
    return last if last is not None and last.is_running else None


def _crawler(name: str) -> Any:
    return glue_backends[DEFAULT_ACCOUNT_ID][REGION].get_crawler(name)


def _run(crawler: Any, crawl: Crawl, on_end: OnEnd | None) -> None:
    try:
        _run_to_its_end(crawler, crawl)
        if on_end is not None:
            on_end(crawl)
    except Exception:  # noqa: BLE001 - the end of a thread: nobody above could tell
        _LOG.exception("what follows the crawl %s of %s failed", crawl.id, crawler.name)
    finally:
        _threads.pop(crawl.id, None)


def _run_to_its_end(crawler: Any, crawl: Crawl) -> None:
    """Crawl, and say in log and event how it ended; whatever goes wrong is the crawl's error message."""
    journal = CrawlLog(crawler.backend.account_id, crawler.backend.region_name, crawl)
    journal.benchmark(f"Running Start Crawl for Crawler {crawler.name}")
    _emit(crawler, crawl, "Started", startTime=_timestamp(crawl.started_on))
    try:
        _crawl(crawler, crawl, journal)
    except CrawlCancelledError:
        journal.info("The crawl was cancelled")
        _end(crawl, journal, "CANCELLED")
    except (CrawlError, IamError) as error:
        _fail(crawler, crawl, journal, str(error))
    except Exception as error:  # noqa: BLE001 - a crawl that breaks is a crawl that failed
        _LOG.exception("crawl %s of %s broke", crawl.id, crawler.name)
        _fail(crawler, crawl, journal, f"Internal Service Exception: {error}")
    else:
        _end(crawl, journal, "SUCCEEDED")
        _emit(crawler, crawl, "Succeeded", **_outcome(crawl))


def _crawl(crawler: Any, crawl: Crawl, journal: CrawlLog) -> None:
    settings, session = Settings.of(crawler), _take_role(crawler)
    catalog = Catalog(crawler.backend, settings, crawl, journal, session)
    known = catalog.locations() if settings.new_folders_only else []
    seen = _seen.get(crawler, frozenset()) if settings.new_folders_only else frozenset()
    looked_at: set[str] = set()
    found: list[grouping.FoundTable] = []
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
    _seen[crawler] = seen | looked_at
    journal.benchmark("Finished writing to Catalog")
    journal.run_summary()


def _take_role(crawler: Any) -> Session:
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


def _fail(crawler: Any, crawl: Crawl, journal: CrawlLog, message: str) -> None:
    journal.error(message)
    crawl.error_message = message
    _end(crawl, journal, "FAILED")
    _emit(crawler, crawl, "Failed", errorMessage=message)


def _end(crawl: Crawl, journal: CrawlLog, state: Any) -> None:
    journal.benchmark("Crawler has finished running and is in state READY")
    with _lock:  # a stop that comes at the same moment finds the crawl either running or ended
        crawl.state = state
        crawl.completed_on = datetime.now(UTC)


def _outcome(crawl: Crawl) -> dict[str, str]:
    counts = {name: str(crawl.changes[change]) for name, change in _COUNTED.items()}
    ended = {"completionDate": _timestamp(crawl.completed_on or crawl.started_on), "warningMessage": "N/A"}
    return counts | ended | {"runningTime (sec)": str(round(crawl.seconds))}


def _emit(crawler: Any, crawl: Crawl, state: str, **details: str) -> None:
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
