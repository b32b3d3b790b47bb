"""The target AWS account: its identity, and the bucket of Terraform's state in it."""

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
_NOT_FOUND, _FORBIDDEN, _MOVED = 404, 403, 301


def identify(environment: DeployEnvironment) -> str:
    """Return the account id of the caller's credentials.

    Raises `CredentialsError` when they are missing or refused, and `AwsUnreachableError` when AWS does not respond, or
    the environment is local and AWS_ENDPOINT_URL is not set.
    """
    if environment.local and not os.environ.get("AWS_ENDPOINT_URL"):
        raise AwsUnreachableError(
            f"the environment {environment.name} needs a local endpoint: set AWS_ENDPOINT_URL, or run `make up`"
        )
    with translated_errors():
        return str(client(environment, "sts").get_caller_identity()["Account"])


def state_bucket_exists(environment: DeployEnvironment, account: str) -> bool:
    """Return whether the bucket of the state exists; raise `StateBucketError` when another account owns it."""
    bucket = environment.state_bucket
    with translated_errors():
        try:
            client(environment, "s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == _NOT_FOUND:
                return False
            if status in {_FORBIDDEN, _MOVED}:
                raise StateBucketError(
                    f"the bucket {bucket} belongs to another account, is in another region than {environment.region}, "
                    "or you lack permission to read it: log in to the right account, or set another prefix in "
                    f"env/{environment.name}.tfvars"
                ) from error
            raise
    return True


def create_state_bucket(environment: DeployEnvironment) -> None:
    """Create the bucket of the state with default settings; Terraform then imports and configures it."""
    location: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": environment.region}}
    with translated_errors():
        # S3 rejects us-east-1 as a LocationConstraint.
        client(environment, "s3").create_bucket(
            Bucket=environment.state_bucket, **({} if environment.region == "us-east-1" else location)
        )


def client(environment: DeployEnvironment, service: str) -> Any:
    """Return a boto3 client of `service` in the environment's region."""
    return boto3.session.Session(region_name=environment.region).client(service, config=_CONFIG)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate boto3's exceptions in the block to errors that say what to do."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise CredentialsError(f"there are no AWS credentials: {_LOG_IN}") from error
    except (NoConnectionError, HTTPClientError) as error:
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        hint = f"AWS_ENDPOINT_URL is {endpoint}: is it running?" if endpoint else "check the network of this machine"
        raise AwsUnreachableError(f"AWS does not respond ({error}); {hint}") from error
    except BotoCoreError as error:
        raise CredentialsError(f"the AWS credentials cannot be used ({error}): {_LOG_IN}") from error
    except ClientError as error:
        raise CredentialsError(f"AWS refused the request ({error}): get the permission, or {_LOG_IN}") from error
