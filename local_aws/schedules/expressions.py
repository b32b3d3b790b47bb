"""AWS's schedule expressions: parsing of `rate(…)`, `cron(…)` and `at(…)`, and the next time that one fires."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from local_aws.schedules.cron import Cron

_EXPRESSION = re.compile(r"(rate|cron|at)\((.*)\)")
_RATE = re.compile(r"([1-9]\d{0,5}) (minute|hour|day)s?")


class ScheduleExpressionError(ValueError):
    """A schedule expression or its time zone is invalid."""

    def __init__(self, expression: str, reason: str) -> None:
        """Name the expression and the reason."""
        self.expression = expression
        self.reason = reason
        super().__init__(f"Invalid Schedule Expression {expression}: {reason}.")


def next_fire(expression: str, timezone: str, after: datetime) -> datetime | None:
    """Return the first time later than `after` at which `expression` fires, in UTC; None when it never fires again.

    `timezone` is an IANA name; `after` must have a time zone. A rate fires one period after `after`, and a day of a
    rate is 24 hours. When clocks go forward, a cron time that does not exist is skipped; when they go back, one that
    exists twice fires only the first time (EventBridge Scheduler's user guide, "Daylight savings time"). Raises
    ScheduleExpressionError.
    """
    kind, text = _split(expression)
    zone = _zone(expression, timezone)
    if kind == "rate":
        return after.astimezone(UTC) + period(expression)
    if kind == "at":
        moment = _at(expression, text).replace(tzinfo=zone).astimezone(UTC)
        return moment if moment > after else None
    for local in _cron(expression, text).from_(after.astimezone(zone).replace(tzinfo=None)):
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        exists = moment.astimezone(zone).replace(tzinfo=None) == local
        if exists and moment > after:
            return moment
    return None


def validate(expression: str, timezone: str) -> None:
    """Raise ScheduleExpressionError unless `expression` and `timezone` are valid."""
    next_fire(expression, timezone, datetime.now(UTC))


def period(expression: str) -> timedelta:
    """Return the period of a rate."""
    match = _RATE.fullmatch(_split(expression)[1])
    if match is None:
        reason = "a rate is a positive number of at most six digits, and minutes, hours or days"
        raise ScheduleExpressionError(expression, reason)
    return timedelta(**{f"{match[2]}s": int(match[1])})


def is_rate(expression: str) -> bool:
    """Return whether an expression is a rate, which is relative to its start, not to the calendar."""
    return _split(expression)[0] == "rate"


def is_once(expression: str) -> bool:
    """Return whether an expression fires only once."""
    return _split(expression)[0] == "at"


def _split(expression: str) -> tuple[str, str]:
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise ScheduleExpressionError(expression, "it must be rate(…), cron(…) or at(…)")
    return match[1], match[2]


def _zone(expression: str, timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ScheduleExpressionError(expression, f"the time zone {timezone!r} does not exist") from error


def _at(expression: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - the schedule names the time zone
    except ValueError as error:
        raise ScheduleExpressionError(expression, "the time must have the form yyyy-mm-ddThh:mm:ss") from error


@lru_cache(maxsize=256)
def _cron(expression: str, text: str) -> Cron:
    try:
        return Cron.parse(text)
    except ValueError as error:
        raise ScheduleExpressionError(expression, str(error)) from error
