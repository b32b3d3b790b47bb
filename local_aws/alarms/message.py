"""The notification of a state change, as CloudWatch sends it: JSON for programs, text for e-mails."""

import json
from datetime import datetime
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

_REGIONS = {"eu-west-2": "EU (London)", "eu-west-1": "EU (Ireland)", "us-east-1": "US East (N. Virginia)"}


def subject(alarm: Any) -> str:
    """Return the subject of the e-mail; SNS allows a hundred characters."""
    return f'{alarm.state_value}: "{alarm.name}" in {_region(alarm)}'[:100]


def structured(alarm: Any, old: str, moment: datetime) -> str:
    """Return the message for every protocol; `old` is the state of the alarm until `moment`."""
    document = json.dumps(_document(alarm, old, moment))
    return json.dumps({"default": document, "email": _email_text(alarm, old, moment), "email-json": document})


def _region(alarm: Any) -> str:
    name = str(alarm.region_name)
    return _REGIONS.get(name, name)


def _document(alarm: Any, old: str, moment: datetime) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": DEFAULT_ACCOUNT_ID,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": f"{moment:%Y-%m-%dT%H:%M:%S.000+0000}",
        "Region": _region(alarm),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": str(alarm.statistic).upper(),
            "Unit": alarm.unit,
            "Dimensions": [{"value": dimension.value, "name": dimension.name} for dimension in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "DatapointsToAlarm": alarm.datapoints_to_alarm,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data,
        },
    }


def _email_text(alarm: Any, old: str, moment: datetime) -> str:
    dimensions = ", ".join(f"{dimension.name} = {dimension.value}" for dimension in alarm.dimensions)
    return "\n".join(
        [
            f'The CloudWatch alarm "{alarm.name}" in {_region(alarm)} has entered the {alarm.state_value} state,',
            f'because "{alarm.state_reason}" at {moment:%A %d %B, %Y %H:%M:%S} UTC.',
            "",
            f"- Description: {alarm.description}",
            f"- State Change: {old} -> {alarm.state_value}",
            f"- Metric: {alarm.namespace} {alarm.metric_name}{f' ({dimensions})' if dimensions else ''}",
            f"- Statistic: {alarm.statistic} of {alarm.period} seconds, {alarm.evaluation_periods} times",
            f"- Missing data: {alarm.treat_missing_data}",
        ]
    )
