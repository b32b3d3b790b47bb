"""Resolution of S3 URIs such as `s3://bucket/key` to files in the lake."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from moto.s3.models import s3_backends

_PARTITION = "aws"
_SCHEMES = ("s3", "s3a", "s3n")


class LocationError(Exception):
    """A URI does not name a location in a bucket; the message names the URI and says what to write."""


@dataclass(frozen=True, slots=True)
class Location:
    """A location in an existing bucket: an object, or a folder, whose objects' keys start with `key` and a slash."""

    bucket: Any
    key: str

    @classmethod
    def of(cls, uri: str, account: str) -> Self:
        """Return the location of a URI in the buckets of an account.

        Raises LocationError when it is not an S3 URI, its bucket does not exist, or its key cannot be a path within the
        bucket's folder, for example because a part of it is `..` or a link.
        """
        scheme, separator, rest = uri.partition("://")
        if scheme not in _SCHEMES or not separator:
            raise LocationError(f"{uri} is not an S3 URI; write s3://bucket/folder/.")
        name, _, key = rest.partition("/")
        bucket = s3_backends[account][_PARTITION].buckets.get(name)
        if bucket is None:
            raise LocationError(
                f"The specified bucket does not exist: {name or 'its name is empty'}. Create it, or correct {uri}."
            )
        location = cls(bucket, key.rstrip("/"))
        if bucket.keys.locate(location._prefix) is None:
            raise LocationError(
                f"{uri} is not a path in the bucket {name}: no part of it may be empty, `.`, `..` or a link."
            )
        return location

    @property
    def folder(self) -> Path:
        """The path of the folder, which may not exist."""
        path: Path = self.bucket.keys.locate(self._prefix)
        return path

    def file(self) -> Path | None:
        """Return the path of the object; None when there is none."""
        current = self.bucket.keys.current(self.key)
        return current.path if current is not None else None

    def files(self) -> Iterator[Path]:
        """Yield the paths of the objects in the folder and its subfolders, in key order.

        Keys with a part that starts with `_` or `.` are left out, as in Hive.
        """
        listing = self.bucket.keys.listing()
        for key in listing.names(self._prefix):
            parts = key.removeprefix(self._prefix).split("/")
            if parts[-1] and not any(part.startswith(("_", ".")) for part in parts):
                yield listing.path(key)

    @property
    def _prefix(self) -> str:
        return f"{self.key}/" if self.key else ""
