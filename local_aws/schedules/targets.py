"""What a schedule can call: any operation of any service (a universal target), a topic, a queue, an event bus."""

import json
from collections.abc import Mapping
from typing import Any

from moto.utilities.arns import parse_arn

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


def call(schedule_arn: str, settings: Mapping[str, Any], text: str) -> None:
    """Call the target that `settings` name with `text` as its input; errors of the service come as ClientError."""
    arn = settings["Arn"]
    if arn.startswith(_UNIVERSAL):
        _call_operation(arn, parse_arn(schedule_arn).region, text)
        return
    target = parse_arn(arn)
    if target.service == "sns":
        client("sns", target.region).publish(TopicArn=arn, Message=text)
    elif target.service == "sqs":
        _send_to_queue(target, settings.get("SqsParameters") or {}, text)
    elif target.service == "events":
        _put_event(arn, target.region, settings.get("EventBridgeParameters") or {}, text)
    else:
        raise UnknownTargetError(arn, "local schedules call universal targets, SNS topics, SQS queues and event buses")


def _call_operation(arn: str, region: str, text: str) -> None:
    service, _, action = arn.removeprefix(_UNIVERSAL).partition(":")
    api = client(_BOTO_NAMES.get(service, service), region)
    operation = action[:1].upper() + action[1:]
    methods = {operation: method for method, operation in api.meta.method_to_api_mapping.items()}
    if operation not in methods:
        raise UnknownTargetError(arn, f"{service} has no operation {operation}")
    getattr(api, methods[operation])(**json.loads(text))


def _send_to_queue(queue: Any, parameters: Mapping[str, str], text: str) -> None:
    sqs = client("sqs", queue.region)
    url = sqs.get_queue_url(QueueName=queue.resource_id)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=text, **parameters)


def _put_event(arn: str, region: str, parameters: Mapping[str, str], text: str) -> None:
    entry = {"EventBusName": arn, "Detail": text, **parameters}
    answer = client("events", region).put_events(Entries=[entry])["Entries"][0]
    if "ErrorCode" in answer:
        raise UnknownTargetError(arn, f"{answer['ErrorCode']}: {answer['ErrorMessage']}")
