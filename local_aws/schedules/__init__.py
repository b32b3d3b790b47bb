"""Schedules that fire: EventBridge Scheduler, rules with a schedule, and those of other services."""

from local_aws.schedules.expressions import ScheduleExpressionError, next_fire
from local_aws.schedules.rules import check
from local_aws.schedules.scheduler import mount
from local_aws.schedules.service import Schedules
from local_aws.schedules.timetable import ScheduleEntry, Source

__all__ = ["ScheduleEntry", "ScheduleExpressionError", "Schedules", "Source", "check", "mount", "next_fire"]
