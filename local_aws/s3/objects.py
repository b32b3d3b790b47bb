"""An S3 object that is a file, as moto's model of an object."""

import hashlib
import os
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Self

from moto.s3.models import FakeBucket, FakeKey
from moto.utilities.utils import LowercaseDict

from local_aws.s3.records import Record, Stamp

CHUNK = 1 << 20
KEEPING = {"Enabled", "Suspended"}
"""The states of versioning in which a bucket keeps the versions that it has."""

# What moto keeps of an object and a restart must not lose. ACLs and tags are not here: Terraform sets them again.
KEPT = frozenset(
    {
        "_etag",
        "_version_id",
        "_metadata",
        "_storage_class",
        "website_redirect_location",
        "checksum_algorithm",
        "checksum_value",
        "checksum_type",
        "checksum_parts",
        "encryption",
        "kms_key_id",
        "bucket_key_enabled",
        "lock_mode",
        "lock_legal_status",
        "lock_until",
    }
)


class FileBody:
    """Bytes of an open file, as a sequence that is read when it is iterated and not before.

    It goes on to be what it was when the file is replaced or deleted meanwhile.
    """

    def __init__(self, descriptor: "Descriptor", start: int, length: int) -> None:
        """Stand for `length` bytes from `start` on."""
        self._descriptor = descriptor
        self._start = start
        self._length = length

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._length

    def __getitem__(self, part: slice) -> "FileBody":
        """Return a part of the bytes, still unread."""
        start, stop, _ = part.indices(self._length)
        return FileBody(self._descriptor, self._start + start, max(0, stop - start))

    def __iter__(self) -> Iterator[bytes]:
        """Read the bytes, CHUNK of them at a time."""
        position, end = self._start, self._start + self._length
        while position < end:
            chunk = os.pread(self._descriptor.number, min(CHUNK, end - position), position)
            if not chunk:
                return
            position += len(chunk)
            yield chunk


@dataclass(slots=True)
class Descriptor:
    """An open file that is closed when nothing refers to it any more."""

    number: int

    def __del__(self) -> None:
        """Close the file."""
        os.close(self.number)


class FileKey(FakeKey):  # type: ignore[misc] # moto is not typed
    """The object `name` of a bucket, which is the file `path` in the state `stamp`.

    `path` changes when the version is put aside; `stamp` never does.
    """

    path: Path
    stamp: Stamp
    _keep: Callable[["FileKey"], None] | None
    _metadata: Any

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make an object without moto's register of all instances, which keeps them for ever."""
        return object.__new__(cls)

    def __init__(self, bucket: FakeBucket, name: str | int, path: Path, stamp: Stamp, record: Record | None) -> None:
        """Describe a file, with what is kept of it if anything is."""
        # A listing makes thousands of these, and moto's own constructor opens a buffer and builds an ACL for each.
        self.__dict__.update(
            _blank(),
            name=name,
            account_id=bucket.account_id,
            region_name=bucket.region_name,
            partition=bucket.partition,
            bucket_name=bucket.name,
            lock=Lock(),
            _keep=None,
            _metadata=LowercaseDict({"Content-Type": "binary/octet-stream"}),
            _is_versioned=bucket.is_versioned,
            _etag=_derived_etag(stamp),
            _version_id=_derived_version(stamp) if bucket.versioning_status in KEEPING else "null",
        )
        self.path = path
        self.stamp = stamp
        self.contentsize = stamp.size
        changed = datetime.fromtimestamp(stamp.changed / 1e9, UTC) if stamp.changed else datetime.now(UTC)
        self.last_modified = changed.replace(tzinfo=None)  # as moto has it
        for attribute, value in (record or {}).items():
            if attribute == "_metadata":
                self._metadata.update(value)
            else:
                setattr(self, attribute, value)

    def keep_with(self, keep: Callable[["FileKey"], None]) -> Self:
        """Call `keep` with this object from now on whenever something changes that is kept."""
        self._keep = keep
        return self

    def record(self) -> Record:
        """Return what is kept of this object besides its bytes."""
        return {name: dict(value) if name == "_metadata" else value for name, value in self._kept()}

    def set_metadata(self, metadata: Any, replace: bool = False) -> None:
        """Add to the object's metadata."""
        super().set_metadata(metadata, replace)
        self._metadata = self._metadata  # moto changes it in place; this is what keeps it

    @property
    def value(self) -> bytes:
        """The whole content, for those parts of moto that cannot do with less."""
        return b"".join(self.body())

    @value.setter
    def value(self, _: bytes) -> None:
        """Leave the content to the file."""

    @property
    def last_modified_ISO8601(self) -> datetime:  # noqa: N802 - moto's name
        """The time of the last change: moto makes text of it here, and a time of the text again, slowly, later."""
        return self.last_modified.replace(tzinfo=UTC)

    def body(self) -> FileBody:
        """Return the content, open. Raises FileNotFoundError when the file is gone or no longer this one."""
        if isinstance(self.name, str) and self.name.endswith("/"):
            return FileBody(Descriptor(os.open(os.devnull, os.O_RDONLY)), 0, 0)
        opened = Descriptor(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        if os.fstat(opened.number).st_ino != self.stamp.inode:
            raise FileNotFoundError(str(self.path))
        return FileBody(opened, 0, self.contentsize)

    def opened(self) -> "OpenKey":
        """Return this object with its content open, so that nobody can take that away any more."""
        opened = OpenKey.__new__(OpenKey)
        opened.__dict__.update(self.__dict__, _keep=None, content=self.body())
        return opened

    def dispose(self, garbage: bool = False) -> None:
        """Do nothing: what moto lets go of is only its model of the file."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, as moto does from many places, and keep it if it is one of those."""
        super().__setattr__(name, value)
        if name in KEPT and self._keep is not None:
            self._keep(self)

    def __copy__(self) -> Self:
        """Return another model of the same file, whose changes nobody keeps."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__, _keep=None)
        return copied

    def __deepcopy__(self, _: Any) -> Self:
        """Return another model of the same file: moto copies all versions to list them."""
        return copy(self)

    def _kept(self) -> Iterator[tuple[str, Any]]:
        for name in sorted(KEPT):
            yield name, getattr(self, name)


class OpenKey(FileKey):
    """An object whose content is open; its `value` is read as it is sent."""

    content: FileBody

    @property  # type: ignore[override] # moto slices it for a range and sends it
    def value(self) -> FileBody:
        """The content, to be iterated."""
        return self.content

    @value.setter
    def value(self, _: object) -> None:
        """Leave the content to the file."""


@cache
def _blank() -> dict[str, Any]:
    """Return the attributes of an object of which moto knows nothing yet."""
    blank = FakeKey(name="", value=b"", account_id="", region_name="")
    blank.dispose()
    return dict(vars(blank))


def _derived_etag(stamp: Stamp) -> str:
    """Return the ETag of a file that another program wrote: changed with the file, and by its form no MD5."""
    return f"{_digest('etag', stamp)}-1"


def _derived_version(stamp: Stamp) -> str:
    """Return the version id of a file that another program wrote: the same until the file changes."""
    return _digest("version", stamp)


def _digest(purpose: str, stamp: Stamp) -> str:
    told = f"{purpose} {stamp.inode} {stamp.size} {stamp.changed}"
    return hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()
