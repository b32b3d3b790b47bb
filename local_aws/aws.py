"""Clients of the local AWS."""

from typing import Any

import boto3
from botocore.config import Config

from local_aws.settings import ACCESS_KEY, REGION, SECRET_KEY, Settings

_CONFIG = Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60)


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client of `service` in the world of `settings`, whatever the caller's own account is."""
    return boto3.client(
        service,
        endpoint_url=settings.aws_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=_CONFIG,
    )
