"""EventBridge rules with a schedule, which is always in UTC."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend, events_backends

from local_aws import events
from local_aws.schedules.expressions import ScheduleExpressionError, validate
from local_aws.schedules.timetable import Entry

_MOTO_PUT_RULE = EventsBackend.put_rule


def install() -> None:
    """Make PutRule reject schedule expressions that AWS would reject; idempotent."""
    EventsBackend.put_rule = _put_rule


def entries() -> Iterator[Entry]:
    """Yield the enabled rules with a schedule; a rate is relative to the creation of its rule, as on AWS."""
    for account in list(events_backends.values()):
        for backend in list(account.values()):
            for rule in list(backend.event_buses["default"].rules.values()):
                if rule.scheduled_expression and rule.state != "DISABLED":
                    yield Entry(key=rule.arn, expression=rule.scheduled_expression, fire=partial(_fire, rule))


def _fire(rule: Any, scheduled: datetime) -> None:
    events.emit_scheduled(rule, scheduled)


def _put_rule(backend: Any, name: str, scheduled_expression: str | None = None, **settings: Any) -> Any:
    if scheduled_expression:
        try:
            validate(scheduled_expression, "UTC")
        except ScheduleExpressionError as error:
            raise ValidationException(f"Parameter ScheduleExpression is not valid. {error}") from error
    return _MOTO_PUT_RULE(backend, name, scheduled_expression=scheduled_expression, **settings)
