"""The factory of AWS clients: boto3 itself in a job, a session that other programs pass in."""

from typing import Any, Protocol


class Clients(Protocol):
    """A factory of boto3 clients: the module boto3, a `boto3.Session`, or an object with the same method."""

    def client(self, service_name: str, *, config: Any = None) -> Any:
        """Return a client of a service, with the `botocore.config.Config` if one is given."""
