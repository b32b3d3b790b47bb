"""A call of an operation of AWS: what it is called with, and by which region and account it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.iam.conditions import Context

PARTITION = "aws"


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
        """Return a parameter as text; one that is not there is empty, and so is allowed by no narrow policy."""
        return str(self.parameters.get(parameter) or "")

    def arn(self, resource: str, service: str | None = None) -> str:
        """Return the ARN of a resource of the service in this region and account."""
        return f"arn:{PARTITION}:{service or self.service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """An action that a call needs on each of these resources, and the condition keys that go with it."""

    action: str
    resources: tuple[str, ...]
    context: Context = field(default_factory=dict)
