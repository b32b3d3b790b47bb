"""The endpoint as schedules call it: by requests that are signed with their role, and pass the gate as any others."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.scheduler.models import scheduler_backends

from local_aws.iam import Session

_PATIENCE = 10.0
"""Seconds: an endpoint that is being stopped answers no more, and waits for the schedule that fires."""


def client(session: Session, service: str, region: str) -> Any:
    """Return a boto3 client of the endpoint that acts as `session`; botocore names services it lacks."""
    return _boto3().client(
        service,
        region_name=region,
        endpoint_url=_url(),
        aws_access_key_id=session.access_key,
        aws_secret_access_key=session.secret_key,
        aws_session_token=session.token,
        # A schedule has its own retries.
        config=Config(retries={"total_max_attempts": 1}, proxies={}, connect_timeout=_PATIENCE, read_timeout=_PATIENCE),
    )


def queue_url(account: str, name: str) -> str:
    """Return the address of a queue."""
    return f"{_url()}/{account}/{name}"


def _url() -> str:
    url: str = scheduler_backends.backend.endpoint_url
    return url


@cache
def _boto3() -> Any:
    """Return a session that has read its models once for all clients."""
    return boto3.session.Session()
