"""One bucket, which is a folder: what moto asks of a bucket's keys, answered by the file system.

The current version of an object is the file at its key. What a versioned bucket keeps besides (older versions, delete
markers) is known to this process only: a new one starts with the files as they are. A file that another program
replaces or removes leaves no version behind, because the file system has none.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from pathlib import Path
from uuid import uuid4

from moto.s3.exceptions import AccessDeniedByLock, MissingKey, PreconditionFailed
from moto.s3.models import FakeDeleteMarker

from local_aws.s3.errors import told_as_s3
from local_aws.s3.files import Files
from local_aws.s3.objects import KEEPING, FileKey
from local_aws.s3.paths import drop_checksum, remove_empty
from local_aws.s3.records import Record, Stamp

EMPTY_ETAG = hashlib.md5(b"", usedforsecurity=False).hexdigest()

type Version = FileKey | FakeDeleteMarker


@dataclass(frozen=True, slots=True)
class Demands:
    """What a request demands of the object that it is about to replace: to be absent, or to have this ETag."""

    absent: bool = False
    etag: str | None = None

    def check(self, current: FileKey | None) -> None:
        """Raise what S3 answers when `current` is not as demanded."""
        if self.absent and current is not None:
            raise PreconditionFailed("If-None-Match")
        if self.etag is not None and current is None:
            raise MissingKey
        if self.etag is not None and current is not None and self.etag.strip('"') != current.etag.strip('"'):
            raise PreconditionFailed("If-Match")


@dataclass
class BucketFolder(Files):
    """The objects of `bucket` with their versions: the older ones go to the folder `aside`."""

    _older: dict[str, list[Version]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def version(self, key: str, version_id: str | None) -> Version | None:
        """Return a version of `key`, the latest one where `version_id` is None."""
        versions = self.versions(key)
        if version_id is None:
            return versions[-1] if versions else None
        return next((each for each in versions if each.version_id == version_id), None)

    def versions(self, key: str) -> list[Version]:
        """Return every version of `key`, oldest first. The last one is what is there now."""
        with self._lock:
            current = self.current(key)
            older = self._older.get(key, [])
            if current is None and older and isinstance(older[-1], FileKey):
                older.append(FakeDeleteMarker(older[-1]))  # another program removed the file
            return [*older, *([current] if current is not None else [])]

    def check(self, key: str) -> None:
        """Raise UnusableKeyError where `key` can never be the key of an object in this bucket."""
        self._paths.target(key)

    def publish(self, key: FileKey, demands: Demands) -> None:
        """Give the finished file of `key` its place, whole or not at all; `demands` hold against every other writer."""
        name = str(key.name)
        path = self._paths.target(name)
        with self._lock, told_as_s3(name):
            current = self.current(name)
            demands.check(current)
            self.records.write(key.stamp, self.bucket.name, name, key.record())
            try:
                self._make_room(path, name)
                if demands.absent:
                    _place_where_absent(key.path, path)
                else:
                    self._replace(key.path, path, current)
            except BaseException:
                self.records.forget(key.stamp)
                raise
            key.path = path
            self._known[key.stamp.inode] = key.keep_with(self._keep)

    def mark(self, key: str, described: Record, demands: Demands) -> FileKey:
        """Make the directory that the key `key`, which ends with a slash, names and show it as an empty object."""
        path = self._paths.target(key)
        with self._lock, told_as_s3(key):
            demands.check(self.current(key))
            path.mkdir(parents=True, exist_ok=True)
            stamp = Stamp.of_directory(path.stat())
            version_id = uuid4().hex if self.bucket.is_versioned else "null"
            kept = described | {"_etag": EMPTY_ETAG, "_version_id": version_id}
            marker = FileKey(self.bucket, key, path, stamp, kept)
            self.records.write(stamp, self.bucket.name, key, marker.record())
            self._known[stamp.inode] = marker.keep_with(self._keep)
            return marker

    def delete(self, key: str) -> FakeDeleteMarker | None:
        """Remove the object at `key`; a versioned bucket puts it aside, below the delete marker that is returned."""
        with self._lock, told_as_s3(key):
            current = self.current(key)
            kept = self.bucket.versioning_status in KEEPING and not key.endswith("/")
            if current is not None:
                path = current.path
                if kept and (self.bucket.is_versioned or current.version_id != "null"):
                    self._put_aside(current, current.path.rename(self._new_place()))
                else:
                    self._remove(current)
                self._tidy(key, path)
            if not kept or key not in self._older:
                return None
            marker = FakeDeleteMarker(self._older[key][-1])
            self._older[key].append(marker)
            return marker

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> Version | None:
        """Remove one version of `key` for good and return it; what was below the latest one comes to light."""
        with self._lock, told_as_s3(key):
            version = self.version(key, version_id)
            older = self._older.get(key, [])
            if isinstance(version, FileKey):
                if version.is_locked(governance_bypass=bypass):
                    raise AccessDeniedByLock
                self._remove(version)
            if version in older:
                older.remove(version)
            if not self._brought_back(key, older) and isinstance(version, FileKey):
                self._tidy(key, self._paths.target(key))
            if not older:
                self._older.pop(key, None)
            return version

    def remove(self) -> bool:
        """Remove the folder of an empty bucket; return False, and leave the folder, when it is not empty."""
        with self._lock:
            if self:
                return False
            try:
                remove_empty(self._paths.root)
            except OSError:
                return False  # there are files that cannot be objects, or somebody has just put one there
            return True

    def _make_room(self, path: Path, key: str) -> None:
        """Make the directories above `path`, and remove one at it that holds no object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and next(self.listing().names(f"{key}/"), None) is None:
            remove_empty(path)
        drop_checksum(path)

    def _replace(self, unfinished: Path, path: Path, current: FileKey | None) -> None:
        """Move a file to its place; what is there becomes an older version where versions are kept."""
        if current is not None and (self.bucket.is_versioned or current.version_id != "null"):
            aside = self._new_place()
            aside.hardlink_to(current.path)
            self._put_aside(current, aside)
        elif current is not None:
            self._forget(current)
        unfinished.replace(path)

    def _new_place(self) -> Path:
        return self.aside / uuid4().hex

    def _put_aside(self, key: FileKey, aside: Path) -> None:
        """Make `key`, whose file is at `aside` now, an older version."""
        key.path = aside
        self._known.pop(key.stamp.inode, None)
        self._older.setdefault(str(key.name), []).append(key)

    def _brought_back(self, key: str, older: list[Version]) -> bool:
        """Make the latest older version the current one, unless it is a delete marker; return if there is one now."""
        if self.current(key) is not None:
            return True
        if not older or not isinstance(older[-1], FileKey):
            return False
        path = self._paths.target(key)
        self._make_room(path, key)
        version = older.pop()
        version.path = version.path.rename(path)
        self._known[version.stamp.inode] = version
        return True

    def _remove(self, key: FileKey) -> None:
        self._forget(key)
        if not str(key.name).endswith("/"):
            key.path.unlink()

    def _forget(self, key: FileKey) -> None:
        """Drop what is kept of a file that is about to go. Its inode may belong to another one right after."""
        key.keep_with(lambda _: None)
        self._known.pop(key.stamp.inode, None)
        self.records.forget(key.stamp)

    def _tidy(self, key: str, path: Path) -> None:
        """Remove the checksum of the file that was at `path` and the directories that are empty now."""
        drop_checksum(path)
        folder = path if key.endswith("/") else path.parent
        while folder != self._paths.root and not self._marked(self._paths.key_of(folder)):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def __bool__(self) -> bool:
        """Whether there is any object, or an older version of one."""
        return bool(self._older) or next(self.listing().names(), None) is not None

    def histories(self, prefix: str, start: str) -> Iterator[tuple[str, list[Version]]]:
        """Yield each key with `prefix` from `start` on (inclusive), in order, with its versions, latest first."""
        older = sorted(key for key in list(self._older) if key.startswith(prefix) and key >= start)
        for key, _ in groupby(merge(older, self.listing().names(prefix, start))):
            yield key, self.versions(key)[::-1]


def _place_where_absent(unfinished: Path, path: Path) -> None:
    """Move a file to its place unless something is there, whoever put it there and however lately."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        raise PreconditionFailed("If-None-Match") from None
    unfinished.unlink()
