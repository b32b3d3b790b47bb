"""Schedule expressions: cron, rate and at, in time zones with daylight saving time."""

from datetime import UTC, datetime

import pytest
from cronsim import CronSim

from local_aws.schedules import ScheduleExpressionError, next_fire


def at(text: str) -> datetime:
    """Parse a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CALENDAR = [
    # expression, after, next: 2024 is a leap year; 2025-03-01 is a Saturday
    ("cron(0 10 * * ? *)", "2025-03-01T09:59:59", "2025-03-01T10:00"),
    ("cron(0 10 * * ? *)", "2025-03-01T10:00", "2025-03-02T10:00"),
    ("cron(15 12 * * ? *)", "2025-12-31T12:15", "2026-01-01T12:15"),
    ("cron(0/15 * * * ? *)", "2025-03-01T10:45:30", "2025-03-01T11:00"),
    ("cron(5/20 8-9 ? * MON-FRI *)", "2025-02-28T09:45", "2025-03-03T08:05"),
    ("cron(*/10 * ? * 2-6 *)", "2025-02-28T23:55", "2025-03-03T00:00"),
    ("cron(0 18 ? * 1 *)", "2025-03-01T00:00", "2025-03-02T18:00"),  # 1 is Sunday
    ("cron(0 18 ? * 7 *)", "2025-03-01T00:00", "2025-03-01T18:00"),  # 7 is Saturday
    ("cron(0 18 ? * L *)", "2025-03-02T00:00", "2025-03-08T18:00"),  # L is Saturday too
    ("cron(0 8 1 * ? *)", "2025-03-01T08:00", "2025-04-01T08:00"),
    ("cron(0 0 L * ? *)", "2024-02-01T00:00", "2024-02-29T00:00"),
    ("cron(0 0 L * ? *)", "2025-02-01T00:00", "2025-02-28T00:00"),
    ("cron(0 0 29 2 ? *)", "2025-01-01T00:00", "2028-02-29T00:00"),
    ("cron(0 0 31 * ? *)", "2025-03-31T00:00", "2025-05-31T00:00"),
    ("cron(0 0 1,L * ? *)", "2025-03-02T00:00", "2025-03-31T00:00"),
    ("cron(0 0 1W * ? *)", "2025-02-28T00:00", "2025-03-03T00:00"),  # Saturday the 1st: not back into February
    ("cron(0 0 15W * ? *)", "2025-03-01T00:00", "2025-03-14T00:00"),  # Saturday: the Friday before
    ("cron(0 0 15W 6 ? *)", "2025-03-01T00:00", "2025-06-16T00:00"),  # Sunday: the Monday after
    ("cron(0 0 31W 8 ? *)", "2025-03-01T00:00", "2025-08-29T00:00"),  # Sunday the 31st: not into September
    ("cron(0 0 31W * ? *)", "2025-04-01T00:00", "2025-05-30T00:00"),  # April has no 31st
    ("cron(0 0 LW * ? *)", "2025-05-01T00:00", "2025-05-30T00:00"),  # Saturday the 31st
    ("cron(0 9 ? * 2#1 *)", "2025-03-01T00:00", "2025-03-03T09:00"),
    ("cron(0 9 ? * FRI#3 *)", "2025-03-01T00:00", "2025-03-21T09:00"),
    ("cron(0 9 ? * 7#5 *)", "2025-03-30T00:00", "2025-05-31T09:00"),  # no fifth Saturday in April
    ("cron(0 9 ? * 6L *)", "2025-03-01T00:00", "2025-03-28T09:00"),
    ("cron(0 9 ? JAN,jul MONL *)", "2025-03-01T00:00", "2025-07-28T09:00"),
    ("cron(0 0 ? 3/3 2#1 2026-2027)", "2025-03-01T00:00", "2026-03-02T00:00"),
    ("cron(30 2 1 1 ? 2025)", "2025-03-01T00:00", None),
    ("cron(0 0 30 2 ? *)", "2025-03-01T00:00", None),
    ("rate(5 minutes)", "2025-03-01T00:00:07", "2025-03-01T00:05:07"),
    ("rate(1 hour)", "2025-03-01T23:30", "2025-03-02T00:30"),
    ("rate(1 days)", "2024-02-28T12:00", "2024-02-29T12:00"),
    ("at(2025-03-01T10:00:00)", "2025-03-01T09:00", "2025-03-01T10:00"),
    ("at(2025-03-01T10:00:00)", "2025-03-01T10:00", None),
]


@pytest.mark.parametrize(("expression", "after", "expected"), CALENDAR)
def test_next_fire_follows_the_calendar(expression: str, after: str, expected: str | None) -> None:
    """In UTC, and strictly later than the given time."""
    assert next_fire(expression, "UTC", at(after)) == (None if expected is None else at(expected))


DAYLIGHT_SAVING = [
    # London: forward at 01:00 UTC on 30 March 2025, back at 01:00 UTC on 26 October 2025
    ("cron(0 9 * * ? *)", "Europe/London", "2025-03-29T09:00", "2025-03-30T08:00"),
    ("cron(0 9 * * ? *)", "Europe/London", "2025-10-25T08:00", "2025-10-26T09:00"),
    ("cron(30 1 * * ? *)", "Europe/London", "2025-03-29T01:30", "2025-03-31T00:30"),  # 01:30 does not exist on the 30th
    ("cron(30 1 * * ? *)", "Europe/London", "2025-10-25T12:00", "2025-10-26T00:30"),  # the first of two 01:30
    ("cron(30 1 * * ? *)", "Europe/London", "2025-10-26T00:30", "2025-10-27T01:30"),  # and not the second
    ("cron(0/20 * * * ? *)", "Europe/London", "2025-10-26T00:40", "2025-10-26T02:00"),
    ("cron(0/20 * * * ? *)", "Europe/London", "2025-03-30T00:40", "2025-03-30T01:00"),
    ("rate(1 day)", "Europe/London", "2025-03-29T09:00", "2025-03-30T09:00"),  # 24 hours
    ("at(2025-07-01T09:00:00)", "America/New_York", "2025-01-01T00:00", "2025-07-01T13:00"),
    ("cron(0 0 1 * ? *)", "Asia/Kolkata", "2025-03-01T00:00", "2025-03-31T18:30"),
]


@pytest.mark.parametrize(("expression", "timezone", "after", "expected"), DAYLIGHT_SAVING)
def test_next_fire_follows_daylight_saving_time(expression: str, timezone: str, after: str, expected: str) -> None:
    """Nonexistent times are skipped, ambiguous ones fire once, and rates count elapsed hours."""
    assert next_fire(expression, timezone, at(after)) == at(expected)


@pytest.mark.parametrize(
    ("aws", "unix"),
    [
        ("7/13 3-20/4 * * ? *", "7/13 3-20/4 * * *"),
        ("0 0 L 2,4,12 ? *", "0 0 L 2,4,12 *"),
        ("59 23 LW * ? *", "59 23 LW * *"),
        ("30 6 ? * 2-6/2 *", "30 6 * * 1-5/2"),
        ("0 12 ? 1/5 1#4 *", "0 12 * 1/5 0#4"),
        ("0 12 ? * 3L *", "0 12 * * 2L"),
    ],
)
def test_cron_agrees_with_cronsim_on_common_syntax(aws: str, unix: str) -> None:
    """AWS counts days of the week from 1, Unix from 0."""
    start = at("2023-11-05T17:03")
    simulated = CronSim(unix, start)

    moment = start
    for _ in range(200):
        following = next_fire(f"cron({aws})", "UTC", moment)
        assert following == next(simulated)
        assert following is not None
        moment = following


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("every hour", "rate(…), cron(…) or at(…)"),
        ("rate(0 minutes)", "positive number"),
        pytest.param(f"rate({'9' * 5_000} days)", "at most six digits", id="a rate of 5,000 digits"),
        ("rate(5 seconds)", "minutes, hours or days"),
        ("cron(0 10 * * ?)", "six fields, not 5"),
        ("cron(0 10 * * * *)", "exactly one"),
        ("cron(0 10 ? * ? *)", "exactly one"),
        ("cron(60 10 * * ? *)", "the minute '60' must be 0 to 59"),
        ("cron(0 10 ? * 0 *)", "the day of the week '0' must be 1 to 7"),
        ("cron(0 10 ? * 2#6 *)", "'2#6'"),
        ("cron(0 22-2 * * ? *)", "is descending"),
        ("cron(0/0 10 * * ? *)", "the step '0' of the minute"),
        ("at(2025-03-01 10:00)", "yyyy-mm-ddThh:mm:ss"),
    ],
)
def test_invalid_expression_is_an_error_that_names_the_field(expression: str, reason: str) -> None:
    """The message also has the expression."""
    with pytest.raises(ScheduleExpressionError) as error:
        next_fire(expression, "UTC", at("2025-03-01T00:00"))

    assert str(error.value).startswith(f"Invalid Schedule Expression {expression}: ")
    assert reason in str(error.value)


def test_unknown_time_zone_is_rejected() -> None:
    """UTC is not used instead."""
    with pytest.raises(ScheduleExpressionError, match="Mars/Olympus"):
        next_fire("rate(1 hour)", "Mars/Olympus", at("2025-03-01T00:00"))
