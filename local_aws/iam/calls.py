"""A call of an AWS operation: its parameters, region and account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.iam.conditions import Context
from local_aws.iam.errors import MalformedCallError

PARTITION = "aws"
AUTHORIZED_CALL = "totelake.call"
"""The key in the WSGI environment of the call that was authorized."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation and its parameters, by their names in the service's API."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str
    account: str

    def __str__(self) -> str:
        """Return `service:Operation`."""
        return f"{self.service}:{self.operation}"

    def __getitem__(self, parameter: str) -> str:
        """Return a string parameter; empty when it is missing, so that no policy on specific resources allows it.

        Raises MalformedCallError when it is not a string.
        """
        return self.text(parameter, self.parameters.get(parameter))

    def text(self, name: str, value: Any) -> str:
        """Return `value`, that of the parameter or part of a parameter `name`, as `[name]` does."""
        if not isinstance(value, str | None):
            raise MalformedCallError(str(self), name, "a string")
        return value or ""

    def arn(self, resource: str, service: str | None = None) -> str:
        """Return the ARN of a resource of the service in this region and account."""
        return f"arn:{PARTITION}:{service or self.service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """A permission that a call needs: the action, its resources, and the condition keys that the service sets."""

    action: str
    resources: tuple[str, ...]
    context: Context = field(default_factory=dict)
