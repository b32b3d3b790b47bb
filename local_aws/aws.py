"""Clients of the local AWS."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from local_aws.settings import REGION, Settings

DUE_PATH = "/_due"
"""Where the endpoint tells, to who signs, when its schedules fire next; no bucket can have this name."""

_CONFIG = Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60, proxies={})


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client of `service` in the world of `settings`, whatever the caller's own account is."""
    return boto3.client(
        service,
        endpoint_url=settings.aws_url,
        region_name=REGION,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=_CONFIG,
    )


@contextmanager
def as_owner(settings: Settings) -> Iterator[None]:
    """Let what asks boto3 for a client within act as the owner of a world, as a job's package acts as its role."""
    variables = settings.aws_environment()
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    boto3.setup_default_session()  # the one before remembers its credentials
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        boto3.setup_default_session()


def due(settings: Settings) -> dict[str, datetime]:
    """Return when each schedule of a world's endpoint fires next, in UTC, by its name."""
    request = AWSRequest("GET", settings.aws_url + DUE_PATH)
    SigV4Auth(Credentials(settings.access_key, settings.secret_key), "scheduler", REGION).add_auth(request)
    answer = json.loads(URLLib3Session().send(request.prepare()).content)
    return {arn.rpartition("/")[2]: datetime.fromisoformat(moment) for arn, moment in answer.items()}
