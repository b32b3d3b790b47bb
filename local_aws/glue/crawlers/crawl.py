"""One run of a crawler, while it runs and afterwards."""

import json
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

type CrawlState = Literal["RUNNING", "CANCELLING", "CANCELLED", "SUCCEEDED", "FAILED"]
type ChangedKind = Literal["TABLE", "PARTITION"]
type Change = Literal["ADD", "UPDATE", "DELETE"]

LOG_GROUP = "/aws-glue/crawlers"
"""The log group of all crawlers; each has a stream by its name."""

_HISTORY = {"CANCELLING": "RUNNING", "CANCELLED": "STOPPED", "SUCCEEDED": "COMPLETED"}


class CrawlFailedError(Exception):
    """A crawl cannot continue; the message is the crawl's error message."""


class CrawlCancelledError(Exception):
    """The crawl was stopped."""


@dataclass(slots=True)
class Crawl:
    """A run of the crawler `crawler_name`; state, completion and counts change while it runs. Times are in UTC."""

    crawler_name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: CrawlState = "RUNNING"
    started_on: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_on: datetime | None = None
    error_message: str | None = None
    log_group: str = LOG_GROUP
    changes: Counter[tuple[ChangedKind, Change]] = field(default_factory=Counter)
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def log_stream(self) -> str:
        """The stream of the log group that this crawl writes to."""
        return self.crawler_name

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.completed_on is None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return ((self.completed_on or datetime.now(UTC)) - self.started_on).total_seconds()

    @property
    def history_state(self) -> str:
        """The state as ListCrawls names it: RUNNING, COMPLETED, FAILED or STOPPED."""
        return _HISTORY.get(self.state, self.state)

    def summary(self) -> str:
        """Return the numbers of added, updated and deleted tables and partitions as JSON."""
        counts: dict[str, dict[str, int]] = {}
        for (kind, action), count in self.changes.items():
            counts.setdefault(kind, {})[action] = count
        return json.dumps(counts)

    def described(self) -> dict[str, Any]:
        """Return the crawl as a node of a workflow's graph shows it."""
        members = {
            "State": self.state,
            "StartedOn": self.started_on,
            "CompletedOn": self.completed_on,
            "ErrorMessage": self.error_message,
            "LogGroup": self.log_group,
            "LogStream": self.log_stream,
        }
        return {name: value for name, value in members.items() if value is not None}

    def check(self) -> None:
        """Raise CrawlCancelledError when the crawl has been stopped."""
        if self.cancelled.is_set():
            raise CrawlCancelledError
