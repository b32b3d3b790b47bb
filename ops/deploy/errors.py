"""What can be in the way of a delivery; every message names the thing and the way out.

DeliveryError
├── EnvironmentNotFoundError    there is no env/<name>.tfvars
├── SettingMissingError         a variable that Terraform asks for has no value
├── CredentialsError            nobody is logged in, or AWS does not take it
├── UnreachableError            AWS does not answer
├── StateBucketError            the bucket of the state is missing, or somebody else's
├── WheelsError                 the jobs' wheels could not be had
├── TerraformFailedError        Terraform ended with an error, which it has printed
└── NotConfirmedError           a destruction was not confirmed
"""

from ops.errors import OperationError


class DeliveryError(OperationError):
    """A delivery could not be carried out; the message says why, and what to do."""


class EnvironmentNotFoundError(DeliveryError):
    """There is no environment of that name."""


class SettingMissingError(DeliveryError):
    """A variable without a default has no value."""


class CredentialsError(DeliveryError):
    """There are no credentials, or AWS refuses them."""


class UnreachableError(DeliveryError):
    """AWS, or the endpoint that stands for it, does not answer."""


class StateBucketError(DeliveryError):
    """The bucket of Terraform's state is not there, or not ours."""


class WheelsError(DeliveryError):
    """The wheels of the jobs' Python modules could not be downloaded."""


class TerraformFailedError(DeliveryError):
    """Terraform failed; it has said why."""


class NotConfirmedError(DeliveryError):
    """Nobody confirmed that everything is to be destroyed."""
