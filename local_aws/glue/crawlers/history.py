"""The history of a crawler for ListCrawls: newest first, filtered, in pages."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.glue.exceptions import GlueClientError

from local_aws import offsets
from local_aws.glue.crawlers.crawl import Crawl

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "GT": operator.gt,
    "GE": operator.ge,
    "LT": operator.lt,
    "LE": operator.le,
    "EQ": operator.eq,
    "NE": operator.ne,
}
_DPU_HOUR = 0.0
"""A local crawl costs nothing."""


def page(
    crawls: Sequence[Crawl], filters: Sequence[Mapping[str, str]], limit: int, token: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of the crawls that pass all filters, and the token of the next page.

    Times are compared in milliseconds since 1970. Raises InvalidInputException for a filter that cannot be applied, and
    for an invalid token.
    """
    try:
        first = offsets.parse(token)
    except ValueError as error:
        raise GlueClientError("InvalidInputException", str(error)) from error
    wanted = [crawl for crawl in reversed(crawls) if all(_passes(crawl, one) for one in filters)]
    last = first + limit
    return [_describe(crawl) for crawl in wanted[first:last]], str(last) if last < len(wanted) else None


def _passes(crawl: Crawl, condition: Mapping[str, str]) -> bool:
    name, text = condition.get("FieldName", ""), condition.get("FieldValue", "")
    fields: dict[str, Any] = {
        "CRAWL_ID": crawl.id,
        "STATE": crawl.history_state,
        "START_TIME": crawl.started_on.timestamp() * 1000,
        "END_TIME": None if crawl.completed_on is None else crawl.completed_on.timestamp() * 1000,
        "DPU_HOUR": _DPU_HOUR,
    }
    try:
        compare = _OPERATORS[condition.get("FilterOperator", "")]
        value = fields[name]
        wanted: Any = text if name in ("CRAWL_ID", "STATE") else float(text)
    except (KeyError, ValueError) as error:
        raise GlueClientError("InvalidInputException", f"The filter {dict(condition)} cannot be applied") from error
    return value is not None and compare(value, wanted)


def _describe(crawl: Crawl) -> dict[str, Any]:
    described = {
        "CrawlId": crawl.id,
        "State": crawl.history_state,
        "StartTime": crawl.started_on,
        "EndTime": crawl.completed_on,
        "Summary": crawl.summary(),
        "ErrorMessage": crawl.error_message,
        "LogGroup": crawl.log_group,
        "LogStream": crawl.log_stream,
        "MessagePrefix": crawl.id,
        "DPUHour": _DPU_HOUR,
    }
    return {key: value for key, value in described.items() if value is not None}
