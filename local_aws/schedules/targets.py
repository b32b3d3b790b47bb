"""What a schedule can call: any operation of any service (a universal target), a topic, a queue, an event bus.

It acts with its role: what that may not do is refused, as AWS would.
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.utilities.arns import parse_arn

from local_aws.iam import Call, Session, assume
from local_aws.schedules.in_process import client

_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_BOTO_NAMES = {"eventbridge": "events", "sfn": "stepfunctions", "cloudwatchlogs": "logs"}
"""The services that boto3 calls by another name than a universal target does."""


class UnknownTargetError(Exception):
    """A schedule's target is nothing that a local world can call."""

    def __init__(self, arn: str, reason: str) -> None:
        """Name the target and say why it cannot be called."""
        self.arn = arn
        super().__init__(f"{arn} cannot be called: {reason}")


def take_role(schedule_arn: str, settings: Mapping[str, Any], execution: str) -> Session:
    """Take the role of a schedule's target for one execution, as Scheduler on behalf of the schedule's group.

    Raises NotTrustedError where the role does not let Scheduler in for that.
    """
    schedule = parse_arn(schedule_arn)
    group = schedule.resource_id.partition("/")[0]
    return assume(
        settings["RoleArn"],
        service="scheduler.amazonaws.com",
        source_arn=f"arn:aws:scheduler:{schedule.region}:{schedule.account}:schedule-group/{group}",
        account=schedule.account,
        region=schedule.region,
        name=execution,
    )


def call(session: Session, schedule_arn: str, settings: Mapping[str, Any], text: str) -> None:
    """Call the target that `settings` name with `text` as its input, as `session`.

    Errors of the service come as ClientError, what the role may not do as IamError.
    """
    arn = settings["Arn"]
    if arn.startswith(_UNIVERSAL):
        _call_operation(session, arn, parse_arn(schedule_arn).region, text)
        return
    target = parse_arn(arn)
    if target.service == "sns":
        _perform(session, _called(session, target, "Publish", {"TopicArn": arn, "Message": text}))
    elif target.service == "sqs":
        send(session, arn, MessageBody=text, **settings.get("SqsParameters") or {})
    elif target.service == "events":
        _put_event(session, arn, settings.get("EventBridgeParameters") or {}, text)
    else:
        raise UnknownTargetError(arn, "local schedules call universal targets, SNS topics, SQS queues and event buses")


def send(session: Session, queue_arn: str, **message: Any) -> None:
    """Send a message to a queue, as `session`."""
    queue = parse_arn(queue_arn)
    url = client("sqs", queue.region).get_queue_url(QueueName=queue.resource_id)["QueueUrl"]
    _perform(session, _called(session, queue, "SendMessage", {"QueueUrl": url, **message}))


def _call_operation(session: Session, arn: str, region: str, text: str) -> None:
    service, _, action = arn.removeprefix(_UNIVERSAL).partition(":")
    operation = action[:1].upper() + action[1:]
    _perform(session, Call(_BOTO_NAMES.get(service, service), operation, json.loads(text), region, session.account))


def _put_event(session: Session, arn: str, parameters: Mapping[str, str], text: str) -> None:
    entry = {"EventBusName": arn, "Detail": text, **parameters}
    answer = _perform(session, _called(session, parse_arn(arn), "PutEvents", {"Entries": [entry]}))["Entries"][0]
    if "ErrorCode" in answer:
        raise UnknownTargetError(arn, f"{answer['ErrorCode']}: {answer['ErrorMessage']}")


def _called(session: Session, target: Any, operation: str, parameters: dict[str, Any]) -> Call:
    return Call(target.service, operation, parameters, target.region, session.account)


def _perform(session: Session, call: Call) -> Any:
    """Call an operation, if the role of `session` allows that."""
    api = client(call.service, call.region)
    methods = {operation: method for method, operation in api.meta.method_to_api_mapping.items()}
    if call.operation not in methods:
        raise UnknownTargetError(f"{call}", f"{call.service} has no operation {call.operation}")
    session.authorize(call)
    return getattr(api, methods[call.operation])(**call.parameters)
