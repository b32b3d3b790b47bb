"""Counts the requests to AWS of the default boto3 session: each that is sent, so a retry counts again.

botocore calls the handlers of `before-send` with every request; one is registered with the session of the stages,
`boto3.DEFAULT_SESSION`, and so with every client that it makes from then on. Spark's own tasks read the buckets'
folders without a request: they are used for many rows only, and the files that they open are not counted.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3

SERVICES = ("s3", "glue")


@dataclass(frozen=True, slots=True)
class Cost:
    """The seconds of a stage, its requests by `service.Operation`, and the Parquet files that it opened."""

    seconds: float
    requests: dict[str, int]
    files: int

    def by_service(self) -> dict[str, Any]:
        """Return the cost as JSON types, with its requests by service."""
        requests = {service: self.of(service) for service in SERVICES}
        return {"seconds": round(self.seconds, 3), "requests": requests, "files": self.files}

    def of(self, service: str) -> int:
        """Return the number of requests to a service."""
        return sum(number for name, number in self.requests.items() if name.startswith(f"{service}."))


@dataclass
class RequestCounter:
    """Counts the requests of the default session, which it replaces by a new one."""

    requests: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Register with a new default session, which has the current environment."""
        boto3.setup_default_session()
        for service in SERVICES:
            boto3.DEFAULT_SESSION.events.register(f"before-send.{service}", self._count)

    def measured(self, stage: Callable[[], Any]) -> Cost:
        """Run `stage` and return its cost."""
        self.requests.clear()
        self.files.clear()
        began = time.monotonic()
        stage()
        return Cost(time.monotonic() - began, dict(self.requests), len(self.files))

    def _count(self, request: Any, event_name: str, **_: Any) -> None:
        """Count a request; returns None, so that it is sent."""
        name = event_name.removeprefix("before-send.")
        path = urlsplit(request.url).path
        with self._lock:
            self.requests[name] += 1
            if name == "s3.GetObject" and path.endswith(".parquet"):
                self.files.add(path)
