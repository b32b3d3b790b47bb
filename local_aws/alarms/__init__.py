"""CloudWatch alarms that are evaluated: they follow their metrics and notify their topics."""

from local_aws.alarms.service import Alarms, evaluate

__all__ = ["Alarms", "evaluate"]
