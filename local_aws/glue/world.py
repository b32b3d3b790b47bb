"""The world of a local Glue: its folder, endpoint, region and account."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID

from local_aws.iam import Session
from local_aws.state import State


@dataclass(frozen=True)
class World:
    """A local world: its folder, its endpoint, and its region and account.

    `seconds_per_minute` is how long a minute of a job's timeout takes; tests make it short.
    """

    state: State
    endpoint_url: str
    region: str = "eu-west-2"
    account_id: str = DEFAULT_ACCOUNT_ID
    seconds_per_minute: float = 60.0

    def environment(self) -> dict[str, str]:
        """Return the variables by which any client of AWS finds this world's endpoint; they hold no credentials."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, session: Session) -> Any:
        """Return a boto3 client of this world's endpoint that acts as `session`, whatever the user's profiles say."""
        return _boto3().client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=session.access_key,
            aws_secret_access_key=session.secret_key,
            aws_session_token=session.token,
            config=Config(proxies={}),
        )


@cache
def _boto3() -> Any:
    """Return a session that has read its models once for all clients."""
    import boto3  # noqa: PLC0415 - takes a while, and the endpoint should be up before

    return boto3.session.Session()
