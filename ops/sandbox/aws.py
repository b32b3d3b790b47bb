"""Clients of the local AWS."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from local_aws.address import REGION
from ops.sandbox.settings import SandboxSettings

NEXT_STARTS_PATH = "/_due"
"""Path on which the endpoint returns the next start of each schedule to signed requests; not a valid bucket name."""

_CONFIG = Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60, proxies={})


def client(settings: SandboxSettings, service: str, config: Config | None = None) -> Any:
    """Return a boto3 client of `service` in the local environment, independent of the caller's AWS configuration."""
    return boto3.client(
        service,
        endpoint_url=settings.aws_url,
        region_name=REGION,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=_CONFIG.merge(config) if config else _CONFIG,
    )


@dataclass(frozen=True, slots=True)
class OwnerClients:
    """Creates clients with the owner's key, for functions of totelake that take a session."""

    settings: SandboxSettings

    def client(self, service_name: str, *, config: Config | None = None) -> Any:
        """Return a client of a service."""
        return client(self.settings, service_name, config)


def next_starts(settings: SandboxSettings) -> dict[str, datetime]:
    """Return the next start of each enabled schedule in UTC, by the schedule's name."""
    request = AWSRequest("GET", settings.aws_url + NEXT_STARTS_PATH)
    SigV4Auth(Credentials(settings.access_key, settings.secret_key), "scheduler", REGION).add_auth(request)
    response = json.loads(URLLib3Session().send(request.prepare()).content)
    return {arn.rpartition("/")[2]: datetime.fromisoformat(moment) for arn, moment in response.items()}
