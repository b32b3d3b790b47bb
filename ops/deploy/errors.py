"""What can be in the way of a delivery; every message names the thing and the way out.

DeployError
├── EnvironmentNotFoundError    there is no env/<name>.tfvars
├── SettingMissingError         a variable that Terraform asks for has no value
├── CredentialsError            nobody is logged in, or AWS does not take it
├── AwsUnreachableError            AWS does not answer
├── StateBucketError            the bucket of the state is missing, or somebody else's
├── WheelsError                 the jobs' wheels could not be had
├── TerraformFailedError        Terraform ended with an error, which it has printed
└── NotConfirmedError           a destruction was not confirmed
"""

from ops.errors import OperationError


class DeployError(OperationError):
    """A delivery could not be carried out; the message says why, and what to do."""


class EnvironmentNotFoundError(DeployError):
    """There is no environment of that name."""


class SettingMissingError(DeployError):
    """A variable without a default has no value."""


class CredentialsError(DeployError):
    """There are no credentials, or AWS refuses them."""


class AwsUnreachableError(DeployError):
    """AWS, or the endpoint that stands for it, does not answer."""


class StateBucketError(DeployError):
    """The bucket of Terraform's state is not there, or not ours."""


class WheelsError(DeployError):
    """The wheels of the jobs' Python modules could not be downloaded."""


class TerraformFailedError(DeployError):
    """Terraform failed; it has said why."""


class NotConfirmedError(DeployError):
    """Nobody confirmed that everything is to be destroyed."""
