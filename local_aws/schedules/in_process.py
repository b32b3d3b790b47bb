"""A boto3 client of the endpoint itself, without the way through its port."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber


@cache
def client(service: str, region: str) -> Any:
    """Give a client of `service` whose requests are answered in this process; botocore names services it lacks."""
    answer = BotocoreStubber()
    answer.enabled = True
    made = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local").client(  # noqa: S106
        service,
        region_name=region,
        # A configured endpoint URL would send requests through a port, and a schedule has its own retries.
        config=Config(ignore_configured_endpoint_urls=True, retries={"total_max_attempts": 1}),
    )
    made.meta.events.register("before-send", answer)
    return made
