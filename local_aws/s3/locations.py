"""Addresses such as `s3://bucket/key` as places in the lake: the one way from an address to a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from moto.s3.models import s3_backends

_PARTITION = "aws"
_SCHEMES = ("s3", "s3a", "s3n")


class LocationError(Exception):
    """An address is not a place in a bucket; the message names the address and says what to write."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an existing bucket: an object, or the folder whose objects' keys begin with `key` and a slash."""

    bucket: Any
    key: str

    @classmethod
    def of(cls, address: str, account: str) -> Self:
        """Return the place that an address means to an account.

        Raises LocationError when it is no address of S3, its bucket does not exist, or its key cannot be a path within
        the bucket's folder, as where a part of it is `..` or a link.
        """
        scheme, separator, rest = address.partition("://")
        if scheme not in _SCHEMES or not separator:
            raise LocationError(f"{address} is not a path of S3; write s3://bucket/folder/.")
        name, _, key = rest.partition("/")
        bucket = s3_backends[account][_PARTITION].buckets.get(name)
        if bucket is None:
            raise LocationError(
                f"The specified bucket does not exist: {name or 'its name is empty'}. Create it, or correct {address}."
            )
        location = cls(bucket, key.rstrip("/"))
        if bucket.keys.locate(location._prefix) is None:
            raise LocationError(
                f"{address} does not lie in the bucket {name}: no part of a path may be empty, `.`, `..` or a link."
            )
        return location

    @property
    def folder(self) -> Path:
        """The path of the folder, which need not exist."""
        path: Path = self.bucket.keys.locate(self._prefix)
        return path

    def file(self) -> Path | None:
        """Return the path of the object; None when there is none."""
        found = self.bucket.keys.current(self.key)
        return found.path if found is not None else None

    def files(self) -> Iterator[Path]:
        """Yield the paths of the objects in the folder and below, in the order of their keys.

        Keys with a part whose name begins with `_` or `.` are left out: Hive does not see them.
        """
        listing = self.bucket.keys.listing()
        for key in listing.names(self._prefix):
            parts = key.removeprefix(self._prefix).split("/")
            if parts[-1] and not any(part.startswith(("_", ".")) for part in parts):
                yield listing.path(key)

    @property
    def _prefix(self) -> str:
        return f"{self.key}/" if self.key else ""
