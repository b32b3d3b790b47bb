"""Schedules that fire: EventBridge Scheduler, rules with a schedule, and whatever else registers its entries."""

from local_aws.schedules.expressions import ScheduleExpressionError, next_fire
from local_aws.schedules.service import register, start, stop, upcoming
from local_aws.schedules.timetable import Entry

__all__ = ["Entry", "ScheduleExpressionError", "next_fire", "register", "start", "stop", "upcoming"]
