"""Where the clients of AWS come from: a job takes boto3's own, other programs pass in theirs."""

from typing import Any, Protocol


class Clients(Protocol):
    """What makes boto3 clients: the module boto3 itself, a `boto3.Session`, or an object like them."""

    def client(self, service_name: str, *, config: Any = None) -> Any:
        """Return a client of a service, with the `botocore.config.Config` where one is given."""
