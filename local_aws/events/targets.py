"""The targets of events: SNS topics, SQS queues, log groups, and those of the receivers that are mounted."""

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.events.models import events_backends
from moto.logs import logs_backends
from moto.sns import sns_backends
from moto.sqs import sqs_backends
from moto.utilities.arns import parse_arn

from local_aws.events.inputs import render
from local_aws.iam import Call, assume

type Receiver = Callable[[str, str], None]
"""Called with the name of the resource that is the target, and the id of the event."""

_LOG = logging.getLogger(__name__)


def deliver(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Send `event` to `target` as its Input, InputPath or InputTransformer says; False for an unknown target.

    A topic is published to with the permissions of the target's role, if it has one; policies of topics and queues are
    not evaluated. Raises IamError when the role cannot be assumed or lacks the permission.
    """
    arn = parse_arn(target["Arn"])
    if arn.service == "sns":
        if "RoleArn" in target:
            _authorize_publish(rule, target, event)
        sns_backends[arn.account][arn.region].publish(message=render(target, event, rule), arn=target["Arn"])
    elif arn.service == "sqs":
        _send_to_queue(target, render(target, event, rule))
    elif arn.service == "logs" and arn.resource_type == "log-group":
        _write_to_log_group(arn, render(target, event, rule))
    elif receive := _receivers(rule).get((arn.service, arn.resource_type)):
        receive(arn.resource_id, str(event["id"]))
    else:
        return False
    return True


def _authorize_publish(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    topic = parse_arn(target["Arn"])
    session = assume(
        target["RoleArn"],
        service="events.amazonaws.com",
        source_arn=rule.arn,
        account=rule.account_id,
        region=rule.region_name,
        name=str(event["id"]),
    )
    session.authorize(Call("sns", "Publish", {"TopicArn": target["Arn"]}, topic.region, topic.account))


def _receivers(rule: Any) -> Mapping[tuple[str, str], Receiver]:
    receivers: Mapping[tuple[str, str], Receiver] = events_backends[rule.account_id][rule.region_name].receivers
    return receivers


def send_to_dead_letter_queue(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], error: Exception) -> None:
    """Send an event that did not reach its target to the target's dead-letter queue, if it has one."""
    arn = target.get("DeadLetterConfig", {}).get("Arn")
    if arn is None:
        return
    reason = {"RULE_ARN": rule.arn, "TARGET_ARN": target["Arn"], "ERROR_MESSAGE": str(error)}
    attributes = {key: {"DataType": "String", "StringValue": value} for key, value in reason.items() if value}
    try:
        queue = parse_arn(arn)
        sqs_backends[queue.account][queue.region].send_message(
            queue.resource_id, json.dumps(event), message_attributes=attributes
        )
    except Exception:  # noqa: BLE001 - there is nowhere else to send it
        _LOG.exception("event %s did not reach the dead-letter queue %s either", event["id"], arn)


def _send_to_queue(target: Mapping[str, Any], message: str) -> None:
    arn = parse_arn(target["Arn"])
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    sqs_backends[arn.account][arn.region].send_message(arn.resource_id, message, group_id=group)


def _write_to_log_group(arn: Any, message: str) -> None:
    group = arn.resource_id.removesuffix(":*")  # Terraform hands out log group ARNs with and without it.
    stream = str(uuid.uuid4())
    backend = logs_backends[arn.account][arn.region]
    backend.create_log_stream(group, stream)
    backend.put_log_events(group, stream, [{"timestamp": int(time.time() * 1000), "message": message}])
