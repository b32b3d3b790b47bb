"""EventBridge Scheduler: turns moto's schedules into entries of the timetable."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, override

from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends

from local_aws import mounting
from local_aws.schedules.clock import Clock
from local_aws.schedules.expressions import ScheduleExpressionError, validate
from local_aws.schedules.invocation import Target, invoke
from local_aws.schedules.timetable import ScheduleEntry


class LocalSchedulerBackend(EventBridgeSchedulerBackend):  # type: ignore[misc] # moto is not typed
    """EventBridge Scheduler that rejects the schedule expressions that AWS would reject."""

    endpoint_url: ClassVar[str]

    @override
    def create_schedule(self, *, schedule_expression: str, schedule_expression_timezone: str, **settings: Any) -> Any:
        """Create a schedule."""
        expression = _checked(schedule_expression, schedule_expression_timezone)
        return super().create_schedule(**expression, **settings)

    @override
    def update_schedule(self, *, schedule_expression: str, schedule_expression_timezone: str, **settings: Any) -> Any:
        """Replace a schedule."""
        expression = _checked(schedule_expression, schedule_expression_timezone)
        return super().update_schedule(**expression, **settings)


def mount(endpoint_url: str) -> None:
    """Mount EventBridge Scheduler, which calls the targets of schedules at `endpoint_url`."""
    mounting.mount("scheduler", backend=LocalSchedulerBackend, endpoint_url=endpoint_url)


def entries(clock: Clock) -> Iterator[ScheduleEntry]:
    """Yield the enabled schedules of all regions; a rate without a start date fires immediately, as AWS documents."""
    for account in list(scheduler_backends.values()):
        for backend in list(account.values()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    if schedule.state in (None, "ENABLED"):
                        yield _entry(backend, schedule, clock)


def _entry(backend: Any, schedule: Any, clock: Clock) -> ScheduleEntry:
    flexible_window = schedule.flexible_time_window or {}
    return ScheduleEntry(
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


def _checked(expression: str, timezone: str) -> dict[str, str]:
    try:
        validate(expression, timezone or "UTC")
    except ScheduleExpressionError as error:
        raise ValidationException(message=str(error)) from error
    return {"schedule_expression": expression, "schedule_expression_timezone": timezone}
