"""The targets of schedules: any operation of any service (universal targets), topics, queues and event buses.

They are called with the role of the schedule, and its permissions are enforced.
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.utilities.arns import parse_arn

from local_aws.iam import Call, Session, assume
from local_aws.schedules.in_process import client

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

    Raises ClientError for errors of the service, IamError for missing permissions.
    """
    arn = settings["Arn"]
    if arn.startswith(_UNIVERSAL):
        _call_operation(session, arn, parse_arn(schedule_arn).region, text)
        return
    target = parse_arn(arn)
    if target.service == "sns":
        _execute(session, _operation(session, target, "Publish", {"TopicArn": arn, "Message": text}))
    elif target.service == "sqs":
        send(session, arn, MessageBody=text, **settings.get("SqsParameters") or {})
    elif target.service == "events":
        _put_event(session, arn, settings.get("EventBridgeParameters") or {}, text)
    else:
        raise UnknownTargetError(arn, "local schedules support universal targets, SNS topics, SQS queues, event buses")


def send(session: Session, queue_arn: str, **message: Any) -> None:
    """Send a message to a queue, with the permissions of `session`."""
    queue = parse_arn(queue_arn)
    url = client("sqs", queue.region).get_queue_url(QueueName=queue.resource_id)["QueueUrl"]
    _execute(session, _operation(session, queue, "SendMessage", {"QueueUrl": url, **message}))


def _call_operation(session: Session, arn: str, region: str, text: str) -> None:
    service, _, action = arn.removeprefix(_UNIVERSAL).partition(":")
    operation = action[:1].upper() + action[1:]
    _execute(session, Call(_BOTO_NAMES.get(service, service), operation, json.loads(text), region, session.account))


def _put_event(session: Session, arn: str, parameters: Mapping[str, str], text: str) -> None:
    entry = {"EventBusName": arn, "Detail": text, **parameters}
    response = _execute(session, _operation(session, parse_arn(arn), "PutEvents", {"Entries": [entry]}))
    result = response["Entries"][0]
    if "ErrorCode" in result:
        raise UnknownTargetError(arn, f"{result['ErrorCode']}: {result['ErrorMessage']}")


def _operation(session: Session, target: Any, operation: str, parameters: dict[str, Any]) -> Call:
    return Call(target.service, operation, parameters, target.region, session.account)


def _execute(session: Session, call: Call) -> Any:
    """Execute a call and return the response; raises IamError unless the role of `session` allows it."""
    api = client(call.service, call.region)
    methods = {operation: method for method, operation in api.meta.method_to_api_mapping.items()}
    if call.operation not in methods:
        raise UnknownTargetError(f"{call}", f"{call.service} has no operation {call.operation}")
    session.authorize(call)
    return getattr(api, methods[call.operation])(**call.parameters)
