"""The invocation of a schedule's target: context attributes, retries and the dead-letter queue."""

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.utilities.arns import parse_arn

from local_aws.iam import IamError
from local_aws.schedules.clock import Clock
from local_aws.schedules.targets import assume_role, call, send

_LOG = logging.getLogger(__name__)
_MAX_RETRY_SECONDS = 60.0
"""The maximum delay of the exponential backoff of 1, 2, 4 … seconds. AWS documents no figures. (Choice.)"""

_PERMANENT_ERRORS = (
    "NotFound",
    "NonExistent",
    "DoesNotExist",
    "Validation",
    "InvalidInput",
    "InvalidParameter",
    "AccessDenied",
)
"""Parts of the codes of permanent errors; AWS too sends such events to the dead-letter queue without retries."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a schedule, with its retry policy."""

    schedule_arn: str
    settings: Mapping[str, Any]
    max_retries: int
    max_age_seconds: float
    dead_letter_queue: str | None

    @classmethod
    def of(cls, schedule_arn: str, settings: Mapping[str, Any]) -> "Target":
        """Return the target of a schedule; the default retry policy is AWS's: 185 retries within a day."""
        policy = settings.get("RetryPolicy") or {}
        return cls(
            schedule_arn=schedule_arn,
            settings=settings,
            max_retries=int(policy.get("MaximumRetryAttempts", 185)),
            max_age_seconds=float(policy.get("MaximumEventAgeInSeconds", 86_400)),
            dead_letter_queue=(settings.get("DeadLetterConfig") or {}).get("Arn"),
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    code: str
    message: str
    attempts: int
    exhausted_condition: str | None
    is_transient: bool


def invoke(target: Target, scheduled: datetime, clock: Clock) -> None:
    """Call the target until it succeeds, its retry policy is exhausted, or the schedules are stopped.

    A final failure is logged and sent to the dead-letter queue, if there is one. A retry that is pending when the
    endpoint stops is lost. (Choice.)
    """
    execution_id = str(uuid.uuid4())
    started = clock.now()
    attempt = 0
    while True:
        attempt += 1
        text = _input(target, scheduled, execution_id, attempt)
        try:
            session = assume_role(target.schedule_arn, target.settings, execution_id)
            call(session, target.schedule_arn, target.settings, text)
        except Exception as error:  # noqa: BLE001 - any error is retried or sent to the dead-letter queue, and logged
            failure = _failure(target, error, attempt, (clock.now() - started).total_seconds())
        else:
            _LOG.info("schedule %s invoked %s", target.schedule_arn, target.settings["Arn"])
            return
        if failure.exhausted_condition is not None or not failure.is_transient:
            _send_to_dead_letter_queue(target, failure, text, execution_id, scheduled)
            return
        if clock.wait(min(2.0 ** (attempt - 1), _MAX_RETRY_SECONDS)):
            _LOG.warning("schedule %s was stopped before retry %d of its target", target.schedule_arn, attempt)
            return


def _input(target: Target, scheduled: datetime, execution_id: str, attempt: int) -> str:
    """Return the target's input with its context attributes replaced."""
    text = target.settings.get("Input")
    if text is None:
        text = json.dumps(_default_input(target.schedule_arn, scheduled, execution_id))
    attributes = {
        "scheduled-time": _timestamp(scheduled),
        "schedule-arn": target.schedule_arn,
        "execution-id": execution_id,
        "attempt-number": str(attempt),
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return str(text)


def _default_input(schedule_arn: str, scheduled: datetime, execution_id: str) -> dict[str, Any]:
    arn = parse_arn(schedule_arn)
    return {
        "version": "0",
        "id": execution_id,
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
    """Classify a failed attempt: only error responses of a service can be transient."""
    code = type(error).__name__
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
    elif isinstance(error, IamError):
        code = f"{error.code}Exception"
    exhausted_condition = None
    if attempts > target.max_retries:
        exhausted_condition = "MaximumRetryAttempts"
    elif age >= target.max_age_seconds:
        exhausted_condition = "MaximumEventAgeInSeconds"
    is_transient = isinstance(error, ClientError) and not any(part in code for part in _PERMANENT_ERRORS)
    return _Failure(code, str(error) or code, attempts, exhausted_condition, is_transient)


def _send_to_dead_letter_queue(
    target: Target, failure: _Failure, text: str, execution_id: str, scheduled: datetime
) -> None:
    _LOG.error(
        "schedule %s could not invoke %s after %d attempts: %s",
        *(target.schedule_arn, target.settings["Arn"], failure.attempts, failure.message),
    )
    if target.dead_letter_queue is None:
        return
    reason = {
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.message,
        "EXECUTION_ID": execution_id,
        "EXHAUSTED_RETRY_CONDITION": failure.exhausted_condition,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(failure.attempts - 1),
        "SCHEDULED_TIME": _timestamp(scheduled),
        "SCHEDULE_ARN": target.schedule_arn,
        "TARGET_ARN": target.settings["Arn"],
    }
    attributes = {k: {"DataType": "String", "StringValue": v} for k, v in reason.items() if v}
    try:
        session = assume_role(target.schedule_arn, target.settings, execution_id)
        send(session, target.dead_letter_queue, MessageBody=text, MessageAttributes=attributes)
    except (IamError, ClientError, BotoCoreError) as error:
        _LOG.error("schedule %s could not send the event to its dead-letter queue: %s", target.schedule_arn, error)
