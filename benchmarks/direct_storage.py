"""S3 without an endpoint: the same requests of the default boto3 session, answered from the folders of the buckets.

The local S3 keeps the objects of a bucket as files in a folder, and serves every file in it. To write a million objects
through it takes hours, to write the files minutes. `direct_storage` lets the platform's own code do the latter.
"""

import bisect
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local_aws.s3.objects import derived_etag
from local_aws.s3.records import Stamp

_AFTER_ALL = "\U0010ffff"


@contextmanager
def direct_storage(folder: Path) -> Iterator[None]:
    """Answer S3 requests of the default session from the buckets in `folder` in the block; none of others is sent.

    Glue has no partitions, and accepts new ones; metrics are discarded.
    """
    # boto3.client, which the stages call, asks the default session.
    before, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, _Session(folder)
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = before


class _Session:
    """A factory of clients, as `boto3.Session`."""

    def __init__(self, folder: Path) -> None:
        self._clients = {"s3": FolderS3(folder), "glue": _NoCatalog(), "cloudwatch": _NoMetrics()}

    def client(self, name: str, **_: Any) -> Any:
        """Return the client of a service."""
        return self._clients[name]


class FolderS3:
    """The S3 requests of the stages on the buckets in a folder, which no other process changes meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Serve the buckets in `folder`."""
        self._folder = folder
        self._lock = threading.Lock()
        self._keys: dict[str, list[str]] = {}

    def put_object(self, **request: Any) -> dict[str, str]:
        """Write an object; with IfNoneMatch only if there is none."""
        path = self._folder / request["Bucket"] / request["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            try:
                with path.open("xb" if "IfNoneMatch" in request else "wb") as file:
                    file.write(request["Body"])
            except FileExistsError as error:
                raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject") from error
            keys = self._listing(request["Bucket"])
            place = bisect.bisect_left(keys, request["Key"])
            if keys[place : place + 1] != [request["Key"]]:
                keys.insert(place, request["Key"])
        return {"ETag": _etag(path)}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:  # noqa: N803 - names of S3
        """Return the content of an object, or of a range of its bytes."""
        with (self._folder / Bucket / Key).open("rb") as file:
            if not Range:
                return {"Body": io.BytesIO(file.read())}
            first, last = map(int, Range.removeprefix("bytes=").split("-"))
            file.seek(first)
            return {"Body": io.BytesIO(file.read(last - first + 1))}

    def get_paginator(self, _operation: str) -> "FolderS3":
        """Return the paginator of `list_objects_v2`."""
        return self

    def paginate(
        self,
        *,
        Bucket: str,  # noqa: N803 - names of S3
        Prefix: str,  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
    ) -> Iterator[dict[str, Any]]:
        """Yield one page with all objects, or with a delimiter all folders."""
        with self._lock:
            keys = self._listing(Bucket)
            if Delimiter:
                yield {"CommonPrefixes": [{"Prefix": folder} for folder in _folders(keys, Prefix, Delimiter)]}
                return
            first = max(bisect.bisect_left(keys, Prefix), bisect.bisect_right(keys, StartAfter))
            found = keys[first : bisect.bisect_left(keys, Prefix + _AFTER_ALL)]
        yield {"Contents": [_Listed(self._folder / Bucket, key) for key in found]}

    def _listing(self, bucket: str) -> list[str]:
        """Return the keys of a bucket in order, from its folder when it is first asked for."""
        if bucket not in self._keys:
            root = self._folder / bucket
            files = (path for path in root.rglob("*") if path.is_file())
            self._keys[bucket] = sorted(str(path.relative_to(root)) for path in files)
        return self._keys[bucket]


class _Listed(dict[str, Any]):
    """A listed object, whose size and ETag are looked up when asked for."""

    def __init__(self, root: Path, key: str) -> None:
        super().__init__(Key=key)
        self._path = root / key

    def __missing__(self, name: str) -> Any:
        return self._path.stat().st_size if name == "Size" else _etag(self._path)


class _NoCatalog:
    """Glue without partitions."""

    def get_paginator(self, _operation: str) -> "_NoCatalog":
        """Return the paginator of `get_partitions`."""
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """Return no page."""
        return []

    def get_table(self, **_: Any) -> dict[str, Any]:
        """Return a table."""
        return {"Table": {"StorageDescriptor": {"Location": ""}}}

    def batch_create_partition(self, **_: Any) -> dict[str, Any]:
        """Accept partitions."""
        return {}


class _NoMetrics:
    """CloudWatch that discards metrics."""

    def put_metric_data(self, **_: Any) -> None:
        """Discard them."""


def _folders(keys: list[str], prefix: str, delimiter: str) -> Iterator[str]:
    """Yield the folders directly below `prefix`, without a look at the other keys in each."""
    place = bisect.bisect_left(keys, prefix)
    while place < len(keys) and keys[place].startswith(prefix):
        folder = prefix + keys[place].removeprefix(prefix).partition(delimiter)[0] + delimiter
        yield folder
        place = bisect.bisect_left(keys, folder + _AFTER_ALL)


def _etag(path: Path) -> str:
    """Return the ETag with which the local S3 serves a file that was not written through it."""
    return f'"{derived_etag(Stamp.of(path.stat()))}"'
