"""moto's model of an S3 object, whose content is a file."""

import hashlib
import os
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Self, override

from moto.s3.models import FakeBucket, FakeKey
from moto.utilities.utils import LowercaseDict

from local_aws.s3.records import Record, Stamp

CHUNK_BYTES = 1 << 20
VERSIONED_STATES = {"Enabled", "Suspended"}
"""The versioning states in which a bucket keeps noncurrent versions."""

# The attributes that survive a restart. ACLs and tags do not: Terraform sets them again.
PERSISTED_ATTRIBUTES = frozenset(
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
    """A sequence of bytes of an open file, read lazily on iteration.

    The content stays the same when the file is replaced or deleted meanwhile.
    """

    def __init__(self, descriptor: "Descriptor", start: int, length: int) -> None:
        """Represent `length` bytes from the offset `start`."""
        self._descriptor = descriptor
        self._start = start
        self._length = length

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._length

    def __getitem__(self, part: slice) -> "FileBody":
        """Return a part of the bytes, without reading them."""
        start, stop, _ = part.indices(self._length)
        return FileBody(self._descriptor, self._start + start, max(0, stop - start))

    def __iter__(self) -> Iterator[bytes]:
        """Read the bytes, in chunks of CHUNK_BYTES."""
        position, end = self._start, self._start + self._length
        while position < end:
            chunk = os.pread(self._descriptor.number, min(CHUNK_BYTES, end - position), position)
            if not chunk:
                return
            position += len(chunk)
            yield chunk


@dataclass(slots=True)
class Descriptor:
    """A file descriptor that is closed when it is garbage-collected."""

    number: int

    def __del__(self) -> None:
        """Close the file."""
        os.close(self.number)


class FileKey(FakeKey):  # type: ignore[misc] # moto is not typed
    """The object `name` of a bucket, stored in the file `path` with the identity `stamp`.

    `path` changes when the version becomes noncurrent; `stamp` never does.
    """

    path: Path
    stamp: Stamp
    is_saved: bool
    """Whether the record has the attributes; False after a failed write of it."""

    _persist: Callable[["FileKey"], None] | None
    _metadata: Any

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Create an object without moto's registry of all instances, which never releases them."""
        return object.__new__(cls)

    def __init__(self, bucket: FakeBucket, name: str | int, path: Path, stamp: Stamp, record: Record | None) -> None:
        """Create the object of a file, with the attributes in its `record`, if it has one."""
        # A listing creates thousands of these, and moto's constructor opens a buffer and builds an ACL for each.
        self.__dict__.update(
            _default_attributes(),
            name=name,
            account_id=bucket.account_id,
            region_name=bucket.region_name,
            partition=bucket.partition,
            bucket_name=bucket.name,
            lock=Lock(),
            is_saved=True,
            _persist=None,
            _metadata=LowercaseDict({"Content-Type": "binary/octet-stream"}),
            _is_versioned=bucket.is_versioned,
            _etag=derived_etag(stamp),
            _version_id=_derived_version_id(stamp) if bucket.versioning_status in VERSIONED_STATES else "null",
        )
        self.path = path
        self.stamp = stamp
        self.contentsize = stamp.size
        changed = datetime.fromtimestamp(stamp.changed / 1e9, UTC) if stamp.changed else datetime.now(UTC)
        self.last_modified = changed.replace(tzinfo=None)  # moto's is naive
        for attribute, value in (record or {}).items():
            if attribute == "_metadata":
                self._metadata.update(value)
            else:
                setattr(self, attribute, value)

    def retain(self, mode: str | None, until: str | None) -> None:
        """Set mode and end of the retention with one record: either of them alone would be invalid."""
        self.__dict__.update(lock_mode=mode, is_saved=False)
        self.lock_until = until  # the assignment persists both

    def persist_with(self, persist: Callable[["FileKey"], None]) -> Self:
        """Call `persist` with this object whenever a persisted attribute changes; return the object."""
        self._persist = persist
        return self

    def record(self) -> Record:
        """Return the persisted attributes of this object."""
        return {name: dict(value) if name == "_metadata" else value for name, value in self._persisted()}

    @override
    def set_metadata(self, metadata: Any, replace: bool = False) -> None:
        """Add to the object's metadata."""
        before, was_saved = dict(self._metadata), self.is_saved
        super().set_metadata(metadata, replace)
        if dict(self._metadata) != before or replace or not was_saved:
            self._metadata = self._metadata  # moto changes it in place; the assignment persists it

    @property
    @override
    def value(self) -> bytes:
        """The whole content in memory, which parts of moto need."""
        return b"".join(self.body())

    @value.setter
    def value(self, _: bytes) -> None:
        """Ignore the value: the content is the file."""

    @property
    @override
    def last_modified_ISO8601(self) -> datetime:
        """The time of the last change; as a datetime, since moto would format it here and parse it again later."""
        return self.last_modified.replace(tzinfo=UTC)

    def body(self) -> FileBody:
        """Open the content and return it. Raises FileNotFoundError when the file was removed or replaced."""
        if isinstance(self.name, str) and self.name.endswith("/"):
            return FileBody(Descriptor(os.open(os.devnull, os.O_RDONLY)), 0, 0)
        opened = Descriptor(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        if os.fstat(opened.number).st_ino != self.stamp.inode:
            raise FileNotFoundError(str(self.path))
        return FileBody(opened, 0, self.contentsize)

    def open_content(self) -> "OpenKey":
        """Return this object with its content open, so that a removal or replacement no longer affects it."""
        opened = OpenKey.__new__(OpenKey)
        opened.__dict__.update(self.__dict__, _persist=None, content=self.body())
        return opened

    @override
    def dispose(self, garbage: bool = False) -> None:
        """Do nothing: moto discards only its model of the file."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, as moto does in many places, and persist it if it is one of those and is not saved."""
        # A dictionary may have been changed in place before.
        is_same = not isinstance(value, dict) and self.__dict__.get(name, self) == value
        super().__setattr__(name, value)
        if name in PERSISTED_ATTRIBUTES and self._persist is not None and not (is_same and self.is_saved):
            self._persist(self)

    def __copy__(self) -> Self:
        """Return another model of the same file, whose changes are not persisted."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__, _persist=None)
        return copied

    def __deepcopy__(self, _: Any) -> Self:
        """Return another model of the same file: moto copies all versions to list them."""
        return copy(self)

    def _persisted(self) -> Iterator[tuple[str, Any]]:
        for name in sorted(PERSISTED_ATTRIBUTES):
            yield name, getattr(self, name)


class OpenKey(FileKey):
    """An object whose content is open; its `value` is read lazily as it is sent."""

    content: FileBody

    @property  # type: ignore[override] # moto slices it for a range and sends it
    def value(self) -> FileBody:
        """The content, read on iteration."""
        return self.content

    @value.setter
    def value(self, _: object) -> None:
        """Ignore the value: the content is the file."""


@cache
def _default_attributes() -> dict[str, Any]:
    """Return the attributes of a new object in moto."""
    key = FakeKey(name="", value=b"", account_id="", region_name="")
    key.dispose()
    return dict(vars(key))


def derived_etag(stamp: Stamp) -> str:
    """Return the ETag of a file that another program wrote: it changes with the file and is not an MD5 by its form."""
    return f"{_digest('etag', stamp)}-1"


def _derived_version_id(stamp: Stamp) -> str:
    """Return the version id of a file that another program wrote: it is stable until the file changes."""
    return _digest("version", stamp)


def _digest(purpose: str, stamp: Stamp) -> str:
    text = f"{purpose} {stamp.inode} {stamp.size} {stamp.changed}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
