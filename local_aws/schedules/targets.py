"""The targets of schedules: any operation of any service (universal targets), topics, queues and event buses.

They are called by requests to the endpoint, signed with the role of the schedule: its permissions and bucket
policies are enforced.
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.utilities.arns import parse_arn

from local_aws.iam import Session, assume
from local_aws.schedules import endpoint

_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_BOTO_NAMES = {"eventbridge": "events", "sfn": "stepfunctions", "cloudwatchlogs": "logs"}
"""boto3's names of the services whose names in universal targets differ."""


class UnknownTargetError(Exception):
    """A local world cannot call the target of a schedule."""

    def __init__(self, arn: str, reason: str) -> None:
        """Name the target and the reason."""
        self.arn = arn
        super().__init__(f"{arn} cannot be called: {reason}")


def assume_role(schedule_arn: str, settings: Mapping[str, Any], execution_id: str) -> Session:
    """Assume the role of a schedule's target for one execution, as Scheduler on behalf of the schedule's group.

    Raises NotTrustedError unless the role's trust policy allows that.
    """
    schedule = parse_arn(schedule_arn)
    group = schedule.resource_id.partition("/")[0]
    return assume(
        settings["RoleArn"],
        service="scheduler.amazonaws.com",
        source_arn=f"arn:aws:scheduler:{schedule.region}:{schedule.account}:schedule-group/{group}",
        account=schedule.account,
        region=schedule.region,
        name=execution_id,
    )


def call(session: Session, schedule_arn: str, settings: Mapping[str, Any], text: str) -> None:
    """Call the target in `settings` with the input `text` and the permissions of `session`.

    Raises ClientError for errors of the service and for missing permissions.
    """
    arn = settings["Arn"]
    if arn.startswith(_UNIVERSAL):
        _call_operation(session, arn, parse_arn(schedule_arn).region, text)
        return
    target = parse_arn(arn)
    if target.service == "sns":
        _perform(session, target.service, target.region, "Publish", {"TopicArn": arn, "Message": text})
    elif target.service == "sqs":
        send(session, arn, MessageBody=text, **settings.get("SqsParameters") or {})
    elif target.service == "events":
        _put_event(session, arn, settings.get("EventBridgeParameters") or {}, text)
    else:
        raise UnknownTargetError(arn, "local schedules support universal targets, SNS topics, SQS queues, event buses")


def send(session: Session, queue_arn: str, **message: Any) -> None:
    """Send a message to a queue, with the permissions of `session`."""
    queue = parse_arn(queue_arn)
    url = endpoint.queue_url(queue.account, queue.resource_id)
    _perform(session, queue.service, queue.region, "SendMessage", {"QueueUrl": url, **message})


def _call_operation(session: Session, arn: str, region: str, text: str) -> None:
    service, _, action = arn.removeprefix(_UNIVERSAL).partition(":")
    operation = action[:1].upper() + action[1:]
    _perform(session, _BOTO_NAMES.get(service, service), region, operation, json.loads(text))


def _put_event(session: Session, arn: str, parameters: Mapping[str, str], text: str) -> None:
    entry = {"EventBusName": arn, "Detail": text, **parameters}
    region = parse_arn(arn).region
    answer = _perform(session, "events", region, "PutEvents", {"Entries": [entry]})["Entries"][0]
    if "ErrorCode" in answer:
        raise UnknownTargetError(arn, f"{answer['ErrorCode']}: {answer['ErrorMessage']}")


def _perform(session: Session, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> Any:
    """Call an operation of a service, as `session`."""
    api = endpoint.client(session, service, region)
    methods = {name: method for method, name in api.meta.method_to_api_mapping.items()}
    if operation not in methods:
        raise UnknownTargetError(f"{service}:{operation}", f"{service} has no operation {operation}")
    return getattr(api, methods[operation])(**parameters)
