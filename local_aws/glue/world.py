"""What the parts of the local Glue have to know of the world that they are in."""

import os
from dataclasses import dataclass
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from local_aws.state import State

ACCESS_KEY = "local"


@dataclass(frozen=True)
class World:
    """A local world: its folder, its endpoint, and the region and account that it plays.

    `seconds_per_minute` is how long a minute of a job's timeout takes; tests make it short.
    """

    state: State
    endpoint_url: str
    region: str = "eu-west-2"
    account_id: str = DEFAULT_ACCOUNT_ID
    seconds_per_minute: float = 60.0

    def environment(self) -> dict[str, str]:
        """Return the variables by which any client of AWS finds this world's endpoint."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of this world's endpoint, whatever the variables and profiles of the user say."""
        import boto3  # noqa: PLC0415 - takes a while, and the endpoint should be up before

        session = boto3.session.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=self.region
        )
        return session.client(service, endpoint_url=self.endpoint_url)

    @staticmethod
    def inherited() -> dict[str, str]:
        """Return the variables of this process that a job may see: none that would lead it to another AWS or Python."""
        return {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PYTHON", "SPARK_", "PYSPARK_"))
        }
