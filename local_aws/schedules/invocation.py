"""The invocation of a schedule's target: context attributes, retries and the dead-letter queue."""

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.utilities.arns import parse_arn

from local_aws.iam import IamError
from local_aws.schedules.clock import Clock
from local_aws.schedules.targets import call, send, take_role

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0
"""Seconds: retries wait 1, 2, 4 … seconds and never longer than this. AWS names no figures. (Choice.)"""

_NEVER_RETRIED = (
    "NotFound",
    "NonExistent",
    "DoesNotExist",
    "Validation",
    "InvalidInput",
    "InvalidParameter",
    "AccessDenied",
)
"""Parts of error codes that no repetition cures; AWS too sends such events straight to the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a schedule invokes, and how hard it tries."""

    schedule_arn: str
    settings: Mapping[str, Any]
    retries: int
    longest_age: float
    dead_letter_queue: str | None

    @classmethod
    def of(cls, schedule_arn: str, settings: Mapping[str, Any]) -> "Target":
        """Read the target of a schedule; what its retry policy leaves out is AWS's 185 retries within a day."""
        policy = settings.get("RetryPolicy") or {}
        return cls(
            schedule_arn=schedule_arn,
            settings=settings,
            retries=int(policy.get("MaximumRetryAttempts", 185)),
            longest_age=float(policy.get("MaximumEventAgeInSeconds", 86_400)),
            dead_letter_queue=(settings.get("DeadLetterConfig") or {}).get("Arn"),
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    code: str
    message: str
    attempts: int
    exhausted: str | None
    curable: bool


def invoke(target: Target, scheduled: datetime, clock: Clock) -> None:
    """Call the target until it succeeds, its retry policy is exhausted, or the schedules are stopped.

    A failure that stays goes to the dead-letter queue, and to the log in any case. A retry that is still to come when
    the endpoint ends is lost. (Choice.)
    """
    execution = str(uuid.uuid4())
    began = clock.now()
    attempt = 0
    while True:
        attempt += 1
        text = _input(target, scheduled, execution, attempt)
        try:
            call(take_role(target.schedule_arn, target.settings, execution), target.schedule_arn, target.settings, text)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is retried or buried, and logged
            failure = _failure(target, error, attempt, (clock.now() - began).total_seconds())
        else:
            _LOG.info("schedule %s invoked %s", target.schedule_arn, target.settings["Arn"])
            return
        if failure.exhausted is not None or not failure.curable:
            _bury(target, failure, text, execution, scheduled)
            return
        if clock.wait(min(2.0 ** (attempt - 1), _LONGEST_PAUSE)):
            _LOG.warning("schedule %s was stopped before retry %d of its target", target.schedule_arn, attempt)
            return


def _input(target: Target, scheduled: datetime, execution: str, attempt: int) -> str:
    """Give the target's input with its context attributes filled in."""
    text = target.settings.get("Input")
    if text is None:
        text = json.dumps(_default_input(target.schedule_arn, scheduled, execution))
    attributes = {
        "scheduled-time": _timestamp(scheduled),
        "schedule-arn": target.schedule_arn,
        "execution-id": execution,
        "attempt-number": str(attempt),
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return str(text)


def _default_input(schedule_arn: str, scheduled: datetime, execution: str) -> dict[str, Any]:
    arn = parse_arn(schedule_arn)
    return {
        "version": "0",
        "id": execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": arn.account,
        "time": _timestamp(scheduled),
        "region": arn.region,
        "resources": [schedule_arn],
        "detail": "{}",
    }


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _failure(target: Target, error: Exception, attempts: int, age: float) -> _Failure:
    """Judge a failed attempt: only what a service answered can be cured by asking it again."""
    code = type(error).__name__
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
    elif isinstance(error, IamError):
        code = f"{error.code}Exception"
    exhausted = None
    if attempts > target.retries:
        exhausted = "MaximumRetryAttempts"
    elif age >= target.longest_age:
        exhausted = "MaximumEventAgeInSeconds"
    curable = isinstance(error, ClientError) and not any(part in code for part in _NEVER_RETRIED)
    return _Failure(code, str(error) or code, attempts, exhausted, curable)


def _bury(target: Target, failure: _Failure, text: str, execution: str, scheduled: datetime) -> None:
    _LOG.error(
        "schedule %s could not invoke %s after %d attempts: %s",
        *(target.schedule_arn, target.settings["Arn"], failure.attempts, failure.message),
    )
    if target.dead_letter_queue is None:
        return
    reason = {
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.message,
        "EXECUTION_ID": execution,
        "EXHAUSTED_RETRY_CONDITION": failure.exhausted,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(failure.attempts - 1),
        "SCHEDULED_TIME": _timestamp(scheduled),
        "SCHEDULE_ARN": target.schedule_arn,
        "TARGET_ARN": target.settings["Arn"],
    }
    attributes = {k: {"DataType": "String", "StringValue": v} for k, v in reason.items() if v}
    try:
        session = take_role(target.schedule_arn, target.settings, execution)
        send(session, target.dead_letter_queue, MessageBody=text, MessageAttributes=attributes)
    except IamError as error:
        _LOG.error("schedule %s could not keep that either: %s", target.schedule_arn, error)
