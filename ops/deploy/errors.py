"""Errors of a deployment; every message names the cause and what to do.

DeployError
├── EnvironmentNotFoundError    there is no env/<name>.tfvars
├── SettingMissingError         a required variable of Terraform has no value
├── CredentialsError            the AWS credentials are missing or refused
├── AwsUnreachableError         AWS does not respond
├── StateBucketError            the bucket of the state is missing, or belongs to another account
├── WheelsError                 the jobs' wheels could not be downloaded
├── TerraformFailedError        Terraform failed; it has printed its errors
├── NotConfirmedError           the destruction was not confirmed
└── ChecksFailedError           checks of the deployment are not ok; they were printed
"""

from ops.errors import OperationError


class DeployError(OperationError):
    """Base of all errors of a deployment; the message says why it failed and what to do."""


class EnvironmentNotFoundError(DeployError):
    """There is no environment of this name."""


class SettingMissingError(DeployError):
    """A required variable has no value."""


class CredentialsError(DeployError):
    """The AWS credentials are missing or refused."""


class AwsUnreachableError(DeployError):
    """AWS, or the endpoint in AWS_ENDPOINT_URL, does not respond."""


class StateBucketError(DeployError):
    """The bucket of Terraform's state is missing, or belongs to another account."""


class WheelsError(DeployError):
    """The wheels of the jobs' Python modules could not be downloaded."""


class TerraformFailedError(DeployError):
    """Terraform failed; it has printed its errors."""


class NotConfirmedError(DeployError):
    """The destruction was not confirmed."""


class ChecksFailedError(DeployError):
    """Checks of the deployment are not ok; they were printed."""
