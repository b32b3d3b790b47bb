"""The factory of AWS clients: boto3 itself in a job, a session that other programs pass in."""

from typing import Any, Protocol

from botocore.config import Config

READER_THREADS = 16
"""The number of threads that read objects with one client of `s3_for_readers`."""


class Clients(Protocol):
    """A factory of boto3 clients: the module boto3, a `boto3.Session`, or an object with the same method."""

    def client(self, service_name: str, *, config: Any = None) -> Any:
        """Return a client of a service, with the `botocore.config.Config` if one is given."""


def s3_for_readers(aws: Clients) -> Any:
    """Return a client of S3 with a connection for each of `READER_THREADS` threads."""
    return aws.client("s3", config=Config(max_pool_connections=READER_THREADS))
