"""CloudWatch's alarms made real: metrics are held against them, and whoever they are to tell hears of it."""

from local_aws.alarms.service import look, start, stop

__all__ = ["look", "start", "stop"]
