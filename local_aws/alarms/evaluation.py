"""What state an alarm is in, by the data of its metric in its last periods.

On AWS periods end at full minutes, and CloudWatch looks at more of them than it evaluates before it takes data for
missing: here they end now, and missing is missing. So a local alarm is as soon as it can be. (Choice.)
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

_COMPARE: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: sum(values) / len(values),
    "SampleCount": len,
}


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a metric; `at` is in UTC."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that an alarm should be in, and why; a state of None leaves it as it is."""

    state: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Period:
    """One period of an alarm: its value, None where there is no data, and whether it counts as breaching.

    Where that cannot be told, `breaching` is None.
    """

    ended: datetime
    value: float | None
    breaching: bool | None


def judge(alarm: Any, points: Sequence[Point], since: datetime, now: datetime) -> Verdict:
    """Judge moto's `alarm` on one metric, whose `points` are those of that metric; it has been there `since` then.

    A period that began before that lacks nothing when it has no data: nobody looked. (Choice; AWS alarms at once.)
    """
    if reason := _beyond(alarm):
        return Verdict(INSUFFICIENT, reason)
    count, needed = int(alarm.evaluation_periods), int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    periods = [_period(alarm, points, since, now - number * _length(alarm)) for number in range(count)]
    breaching = [period for period in periods if period.breaching]
    if len(breaching) >= needed:
        return Verdict(ALARM, _told(alarm, breaching, count))
    sound = [period for period in periods if period.breaching is False]
    may_breach = alarm.treat_missing_data == "breaching" and count - len(sound) >= needed
    if (sound or breaching) and not may_breach:
        return Verdict(OK, _told(alarm, sound or breaching, count))
    if alarm.treat_missing_data == "ignore":
        return Verdict(None, "No data, and missing data is ignored.")
    return Verdict(INSUFFICIENT, f"Insufficient Data: no datapoints were received for {count} periods.")


def _beyond(alarm: Any) -> str | None:
    """Return why nobody can judge the alarm here, None when it can be judged."""
    if expressions := [query.expression for query in alarm.metric_data_queries if query.expression]:
        return f"The local AWS evaluates no expressions, and this alarm has {', '.join(expressions)}."
    if alarm.statistic not in _STATISTICS or alarm.comparison_operator not in _COMPARE:
        return f"The local AWS knows no {alarm.extended_statistic or alarm.statistic} {alarm.comparison_operator}."
    return None


def _length(alarm: Any) -> timedelta:
    return timedelta(seconds=int(alarm.period))


def _period(alarm: Any, points: Sequence[Point], since: datetime, ended: datetime) -> _Period:
    began = ended - _length(alarm)
    values = [point.value for point in points if began < point.at <= ended]
    if values:
        value = _STATISTICS[alarm.statistic](values)
        return _Period(ended, value, _COMPARE[alarm.comparison_operator][0](value, float(alarm.threshold)))
    treatment = {"breaching": True, "notBreaching": False}.get(alarm.treat_missing_data)
    return _Period(ended, None, None if treatment and began < since else treatment)


def _told(alarm: Any, periods: list[_Period], count: int) -> str:
    """Return the reason in CloudWatch's words."""
    threshold = f"the threshold ({float(alarm.threshold)})"
    values = [f"{period.value} ({period.ended:%d/%m/%y %H:%M:%S})" for period in periods if period.value is not None]
    crossed = "" if periods[0].breaching else "not "
    if not values:
        treated = "Breaching" if periods[0].breaching else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {len(periods)} periods and {len(periods)} missing "
            f"datapoints were treated as [{treated}]."
        )
    were = "was" if len(values) == 1 else "were"
    return (
        f"Threshold Crossed: {len(values)} out of the last {count} datapoints [{', '.join(values)}] {were} {crossed}"
        f"{_COMPARE[alarm.comparison_operator][1]} {threshold}."
    )
