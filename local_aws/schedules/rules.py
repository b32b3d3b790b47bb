"""EventBridge rules with a schedule, which is always in UTC."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from moto.events.exceptions import ValidationException
from moto.events.models import events_backends

from local_aws import events
from local_aws.schedules.expressions import ScheduleExpressionError, validate
from local_aws.schedules.timetable import ScheduleEntry


def check(expression: str) -> None:
    """Raise moto's ValidationException for a schedule expression of a rule that AWS would reject."""
    try:
        validate(expression, "UTC")
    except ScheduleExpressionError as error:
        raise ValidationException(f"Parameter ScheduleExpression is not valid. {error}") from error


def entries() -> Iterator[ScheduleEntry]:
    """Yield the enabled rules with a schedule; a rate is relative to the creation of its rule, as on AWS."""
    for account in list(events_backends.values()):
        for backend in list(account.values()):
            for rule in list(backend.event_buses["default"].rules.values()):
                if rule.scheduled_expression and rule.state != "DISABLED":
                    yield ScheduleEntry(key=rule.arn, expression=rule.scheduled_expression, fire=partial(_fire, rule))


def _fire(rule: Any, scheduled: datetime) -> None:
    events.emit_scheduled(rule, scheduled)
