"""A call of an operation of AWS: what it is called with, and by which region and account it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.iam.conditions import Context
from local_aws.iam.errors import UnclearCallError

PARTITION = "aws"
JUDGED = "totelake.call"
"""Where the environment of a request has the call that it was judged as."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation by its name in the service's API, with its parameters by theirs."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str
    account: str

    def __str__(self) -> str:
        """Name the operation, as in a log."""
        return f"{self.service}:{self.operation}"

    def __getitem__(self, parameter: str) -> str:
        """Return a parameter that is a text; one that is not there is empty, and so is allowed by no narrow policy.

        Raises UnclearCallError when it is something else.
        """
        return self.text(parameter, self.parameters.get(parameter))

    def text(self, name: str, value: Any) -> str:
        """Return the value of a parameter, or of a part of one, `name`, as `[name]` does."""
        if not isinstance(value, str | None):
            raise UnclearCallError(str(self), name, "a string")
        return value or ""

    def arn(self, resource: str, service: str | None = None) -> str:
        """Return the ARN of a resource of the service in this region and account."""
        return f"arn:{PARTITION}:{service or self.service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """An action that a call needs on each of these resources, and the condition keys that its service sets."""

    action: str
    resources: tuple[str, ...]
    context: Context = field(default_factory=dict)
