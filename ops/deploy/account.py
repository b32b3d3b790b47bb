"""The AWS account that is delivered to: who asks, whether it answers, and the bucket of Terraform's state in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError
from botocore.exceptions import ConnectionError as NoConnectionError

from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import AwsUnreachableError, CredentialsError, StateBucketError

_CONFIG = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 2})
_LOG_IN = (
    "log in (aws sso login) and name the profile in AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_NOT_THERE, _FORBIDDEN, _MOVED = 404, 403, 301


def identify(environment: DeployEnvironment) -> str:
    """Return the number of the account that whoever asks belongs to.

    Raises `CredentialsError` when nobody is logged in, or AWS does not take it, and `AwsUnreachableError` when nothing
    answers, or a local environment is asked for and no endpoint is named.
    """
    if environment.local and not os.environ.get("AWS_ENDPOINT_URL"):
        raise AwsUnreachableError(
            f"the environment {environment.name} is a local endpoint's: set AWS_ENDPOINT_URL, or run `make up`"
        )
    with _explained():
        return str(_client(environment, "sts").get_caller_identity()["Account"])


def state_bucket_exists(environment: DeployEnvironment, account: str) -> bool:
    """Say whether the bucket of the state is there; raise `StateBucketError` when it is not this account's."""
    bucket = environment.state_bucket
    with _explained():
        try:
            _client(environment, "s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == _NOT_THERE:
                return False
            if status in {_FORBIDDEN, _MOVED}:
                raise StateBucketError(
                    f"the bucket {bucket} is another account's, or in another region than {environment.region}, or you "
                    f"may not look at it: choose the right account, or in env/{environment.name}.tfvars another prefix"
                ) from error
            raise
    return True


def make_state_bucket(environment: DeployEnvironment) -> None:
    """Make the bucket of the state, bare: Terraform then takes it over and protects it."""
    place: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": environment.region}}
    with _explained():
        # The one region that must not be named.
        _client(environment, "s3").create_bucket(
            Bucket=environment.state_bucket, **({} if environment.region == "us-east-1" else place)
        )


def _client(environment: DeployEnvironment, service: str) -> Any:
    return boto3.session.Session(region_name=environment.region).client(service, config=_CONFIG)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what boto3 raises in the block into errors that say what to do."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise CredentialsError(f"there are no AWS credentials: {_LOG_IN}") from error
    except (NoConnectionError, HTTPClientError) as error:
        where = os.environ.get("AWS_ENDPOINT_URL")
        named = f"AWS_ENDPOINT_URL is {where}: is anything there?" if where else "is this machine online?"
        raise AwsUnreachableError(f"AWS does not answer ({error}); {named}") from error
    except BotoCoreError as error:
        raise CredentialsError(f"the AWS credentials cannot be used ({error}): {_LOG_IN}") from error
    except ClientError as error:
        raise CredentialsError(f"AWS refuses ({error}): ask somebody who may, or {_LOG_IN}") from error
