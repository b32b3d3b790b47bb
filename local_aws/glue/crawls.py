"""Crawls as the workflows need them: started, stopped, described."""

from collections.abc import Callable
from typing import Any

from moto.glue.exceptions import GlueClientError

from local_aws.glue import crawlers

CrawlerError = GlueClientError
"""What the crawlers raise: there is none of that name, or it runs already, or it does not run."""


def start(name: str, on_end: Callable[[Any], None]) -> Any:
    """Start a crawl; `on_end` is called with it when it has ended, in its thread."""
    return crawlers.start(name, on_end)


def stop(name: str) -> None:
    """Have the crawl of a crawler end soon."""
    crawlers.stop(name)


def described(crawl: Any) -> dict[str, Any]:
    """Return a crawl as a node of a workflow's graph shows it."""
    said = {
        "State": crawl.state,
        "StartedOn": crawl.started_on,
        "CompletedOn": crawl.completed_on,
        "ErrorMessage": crawl.error_message,
        "LogGroup": crawl.log_group,
        "LogStream": crawl.log_stream,
    }
    return {name: value for name, value in said.items() if value is not None}
