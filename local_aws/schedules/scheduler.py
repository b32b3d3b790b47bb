"""EventBridge Scheduler: turns moto's schedules into entries of the timetable."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends

from local_aws.schedules.clock import Clock
from local_aws.schedules.expressions import ScheduleExpressionError, validate
from local_aws.schedules.invocation import Target, invoke
from local_aws.schedules.timetable import Entry

_MOTO_CREATE = EventBridgeSchedulerBackend.create_schedule
_MOTO_UPDATE = EventBridgeSchedulerBackend.update_schedule


def install() -> None:
    """Make CreateSchedule and UpdateSchedule reject expressions that AWS would reject; idempotent."""
    EventBridgeSchedulerBackend.create_schedule = _create_schedule
    EventBridgeSchedulerBackend.update_schedule = _update_schedule


def entries(clock: Clock) -> Iterator[Entry]:
    """Yield the enabled schedules of all regions; a rate without a start date fires immediately, as AWS documents."""
    for account in list(scheduler_backends.values()):
        for backend in list(account.values()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    if schedule.state in (None, "ENABLED"):
                        yield _entry(backend, schedule, clock)


def _entry(backend: Any, schedule: Any, clock: Clock) -> Entry:
    flexible_window = schedule.flexible_time_window or {}
    return Entry(
        key=schedule.arn,
        expression=schedule.schedule_expression,
        timezone=schedule.schedule_expression_timezone,
        starts=_time(schedule.start_date),
        ends=_time(schedule.end_date),
        window=timedelta(
            minutes=flexible_window["MaximumWindowInMinutes"] if flexible_window.get("Mode") == "FLEXIBLE" else 0
        ),
        fires_immediately=True,
        fire=lambda scheduled: invoke(Target.of(schedule.arn, schedule.target), scheduled, clock),
        finish=partial(_delete_if_complete, backend, schedule),
    )


def _delete_if_complete(backend: Any, schedule: Any) -> None:
    group = backend.schedule_groups.get(schedule.group_name)
    is_current = group is not None and group.schedules.get(schedule.name) is schedule
    if schedule.action_after_completion == "DELETE" and is_current:
        backend.delete_schedule(schedule.group_name, schedule.name)


def _time(seconds: float | str | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)


def _create_schedule(backend: Any, **settings: Any) -> Any:
    _check(settings)
    return _MOTO_CREATE(backend, **settings)


def _update_schedule(backend: Any, **settings: Any) -> Any:
    _check(settings)
    return _MOTO_UPDATE(backend, **settings)


def _check(settings: dict[str, Any]) -> None:
    try:
        validate(settings["schedule_expression"], settings["schedule_expression_timezone"] or "UTC")
    except ScheduleExpressionError as error:
        raise ValidationException(message=str(error)) from error
