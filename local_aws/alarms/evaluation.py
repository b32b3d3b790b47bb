"""The state of an alarm, by the data points of its metric in its last evaluation periods.

On AWS periods end at full minutes, and CloudWatch retrieves more of them than it evaluates before it treats data as
missing. Here they end now, and no further ones are retrieved, so a local alarm fires earlier. (Choice.)
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
class DataPoint:
    """One data point of a metric; `at` is in UTC."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class AlarmEvaluation:
    """The new state of an alarm and its reason; a state of None leaves the state unchanged."""

    state: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Period:
    """One evaluation period: its value, None where there is no data, and whether it counts as breaching.

    `breaching` is None where missing data counts as neither.
    """

    ended: datetime
    value: float | None
    breaching: bool | None


def evaluate_alarm(alarm: Any, points: Sequence[DataPoint], since: datetime, now: datetime) -> AlarmEvaluation:
    """Evaluate moto's `alarm` on the data `points` of its metric; it was configured at `since`.

    Missing data is not breaching in a period that began before that. (Choice; AWS alarms at once.)
    """
    if reason := _unsupported(alarm):
        return AlarmEvaluation(INSUFFICIENT, reason)
    count, needed = int(alarm.evaluation_periods), int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    periods = [_period(alarm, points, since, now - number * _length(alarm)) for number in range(count)]
    breaching = [period for period in periods if period.breaching]
    if len(breaching) >= needed:
        return AlarmEvaluation(ALARM, _reason(alarm, breaching, count))
    sound = [period for period in periods if period.breaching is False]
    may_breach = alarm.treat_missing_data == "breaching" and count - len(sound) >= needed
    if (sound or breaching) and not may_breach:
        return AlarmEvaluation(OK, _reason(alarm, sound or breaching, count))
    if alarm.treat_missing_data == "ignore":
        return AlarmEvaluation(None, "No data, and missing data is ignored.")
    return AlarmEvaluation(INSUFFICIENT, f"Insufficient Data: no datapoints were received for {count} periods.")


def _unsupported(alarm: Any) -> str | None:
    """Return why the alarm cannot be evaluated locally, None when it can."""
    if expressions := [query.expression for query in alarm.metric_data_queries if query.expression]:
        return f"The local AWS evaluates no expressions, and this alarm has {', '.join(expressions)}."
    if alarm.statistic not in _STATISTICS or alarm.comparison_operator not in _COMPARE:
        return (
            f"The local AWS does not support {alarm.extended_statistic or alarm.statistic} {alarm.comparison_operator}."
        )
    return None


def _length(alarm: Any) -> timedelta:
    return timedelta(seconds=int(alarm.period))


def _period(alarm: Any, points: Sequence[DataPoint], since: datetime, ended: datetime) -> _Period:
    began = ended - _length(alarm)
    values = [point.value for point in points if began < point.at <= ended]
    if values:
        value = _STATISTICS[alarm.statistic](values)
        return _Period(ended, value, _COMPARE[alarm.comparison_operator][0](value, float(alarm.threshold)))
    treatment = {"breaching": True, "notBreaching": False}.get(alarm.treat_missing_data)
    return _Period(ended, None, None if treatment and began < since else treatment)


def _reason(alarm: Any, periods: list[_Period], count: int) -> str:
    """Return the reason of a state as CloudWatch words it."""
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
