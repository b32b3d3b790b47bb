"""A boto3 client that calls the endpoint in the same process, without its port."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber


@cache
def client(service: str, region: str) -> Any:
    """Return a client of `service` whose requests are served in this process; botocore rejects unknown services."""
    stubber = BotocoreStubber()
    stubber.enabled = True
    new_client = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local").client(  # noqa: S106
        service,
        region_name=region,
        # A configured endpoint URL would send requests through a port, and a schedule has its own retries.
        config=Config(ignore_configured_endpoint_urls=True, retries={"total_max_attempts": 1}),
    )
    new_client.meta.events.register("before-send", stubber)
    return new_client
