"""The folder of one bucket, with the interface of moto's container of keys.

The current version of an object is the file at its key. Noncurrent versions and delete markers of a versioned bucket
exist only in this process: a new one starts with the files in the folder. A file that another program replaces or
removes leaves no version behind.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from pathlib import Path
from uuid import uuid4

from moto.s3.exceptions import AccessDeniedByLock, MissingKey, PreconditionFailed
from moto.s3.models import FakeBucket, FakeDeleteMarker

from local_aws.s3.errors import map_os_errors
from local_aws.s3.files import Files
from local_aws.s3.objects import VERSIONED_STATES, FileKey
from local_aws.s3.paths import drop_checksum, remove_empty
from local_aws.s3.records import Record, Stamp

EMPTY_ETAG = hashlib.md5(b"", usedforsecurity=False).hexdigest()

type ObjectVersion = FileKey | FakeDeleteMarker


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The preconditions of a write on the current object: it must not exist, or must have this ETag."""

    must_not_exist: bool = False
    etag: str | None = None

    def check(self, current: FileKey | None) -> None:
        """Raise S3's error when `current` does not meet the preconditions."""
        if self.must_not_exist and current is not None:
            raise PreconditionFailed("If-None-Match")
        if self.etag is not None and current is None:
            raise MissingKey
        if self.etag is not None and current is not None and self.etag.strip('"') != current.etag.strip('"'):
            raise PreconditionFailed("If-Match")


@dataclass
class BucketFolder(Files):
    """The objects of `bucket` with their versions: noncurrent ones are moved to the folder `archive`."""

    _older: dict[str, list[ObjectVersion]] = field(default_factory=dict)

    def version(self, key: str, version_id: str | None) -> ObjectVersion | None:
        """Return a version of `key`, by default the latest one."""
        versions = self.versions(key)
        if version_id is None:
            return versions[-1] if versions else None
        return next((each for each in versions if each.version_id == version_id), None)

    def versions(self, key: str) -> list[ObjectVersion]:
        """Return all versions of `key`, oldest first; the last one is the current one."""
        with self._lock:
            current = self.current(key)
            older = self._older.get(key, [])
            if current is None and older and isinstance(older[-1], FileKey):
                older.append(FakeDeleteMarker(older[-1]))  # another program removed the file
            return [*older, *([current] if current is not None else [])]

    def check(self, key: str) -> None:
        """Raise UnusableKeyError when `key` cannot be the key of an object in this bucket."""
        self._paths.target(key)

    def publish(self, key: FileKey, preconditions: Preconditions) -> None:
        """Move the complete file of `key` to its place, atomically with the check of `preconditions`."""
        name = str(key.name)
        path = self._paths.target(name)
        with self._lock, map_os_errors(name):
            current = self.current(name)
            preconditions.check(current)
            self.records.write(key.stamp, self.bucket.name, name, key.record())
            try:
                self._make_room(path, name)
                if preconditions.must_not_exist:
                    _move_to_free_path(key.path, path)
                else:
                    self._replace(key.path, path, current)
            except BaseException:
                self.records.forget(key.stamp)
                raise
            key.path = path
            self._cache[key.stamp.inode] = key.persist_with(self._persist)

    def put_marker(self, key: str, attributes: Record, preconditions: Preconditions) -> FileKey:
        """Create the directory `key`, which ends with a slash, as an empty object with `attributes`.

        It has one version in any bucket: raises AccessDeniedByLock when that is locked.
        """
        path = self._paths.target(key)
        with self._lock, map_os_errors(key):
            current = self.current(key)
            preconditions.check(current)
            _check_unlocked(current)
            path.mkdir(parents=True, exist_ok=True)
            stamp = Stamp.of_directory(path.stat())
            version_id = uuid4().hex if self.bucket.is_versioned else "null"
            record = attributes | {"_etag": EMPTY_ETAG, "_version_id": version_id}
            marker = FileKey(self.bucket, key, path, stamp, record)
            self.records.write(stamp, self.bucket.name, key, marker.record())
            self._cache[stamp.inode] = marker.persist_with(self._persist)
            return marker

    def delete(self, key: str) -> FakeDeleteMarker | None:
        """Delete the object at `key`; in a versioned bucket, archive it and return the new delete marker.

        A directory cannot be archived: raises AccessDeniedByLock when it is locked.
        """
        with self._lock, map_os_errors(key):
            current = self.current(key)
            is_versioned = self.bucket.versioning_status in VERSIONED_STATES and not key.endswith("/")
            if not is_versioned:
                _check_unlocked(current)
            if current is not None:
                path = current.path
                if is_versioned and (self.bucket.is_versioned or current.version_id != "null"):
                    self._archive(current, current.path.rename(self._new_archive_path()))
                else:
                    self._remove(current)
                self._remove_leftovers(key, path)
            if not is_versioned or not (self.bucket.is_versioned or key in self._older):
                return None
            # Also of an object that never existed: without a marker the response would reveal that.
            history = self._older.setdefault(key, [])
            marker = FakeDeleteMarker(history[-1] if history else _nothing(self.bucket, key))
            history.append(marker)
            return marker

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> ObjectVersion | None:
        """Delete one version of `key` permanently and return it; the previous version may become the current one."""
        with self._lock, map_os_errors(key):
            version = self.version(key, version_id)
            older = self._older.get(key, [])
            if isinstance(version, FileKey):
                _check_unlocked(version, bypass=bypass)
                self._remove(version)
            if version in older:
                older.remove(version)
            if not self._restore_previous(key, older) and isinstance(version, FileKey):
                self._remove_leftovers(key, self._paths.target(key))
            if not older:
                self._older.pop(key, None)
            return version

    def remove(self) -> bool:
        """Remove the folder of an empty bucket; return False when it is not empty."""
        with self._lock:
            if self:
                return False
            try:
                remove_empty(self._paths.root)
            except OSError:
                return False  # it has files that cannot be objects, or a file was just written
            return True

    def _make_room(self, path: Path, key: str) -> None:
        """Create the parent directories of `path`, and remove a directory at `path` without objects."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and next(self.listing().names(f"{key}/"), None) is None:
            remove_empty(path)
        drop_checksum(path)

    def _replace(self, unfinished: Path, path: Path, current: FileKey | None) -> None:
        """Move a file to its place; in a versioned bucket, the current object becomes a noncurrent version."""
        if current is not None and (self.bucket.is_versioned or current.version_id != "null"):
            archived = self._new_archive_path()
            archived.hardlink_to(current.path)
            self._archive(current, archived)
        elif current is not None:
            self._forget(current)
        unfinished.replace(path)

    def _new_archive_path(self) -> Path:
        return self.archive / uuid4().hex

    def _archive(self, key: FileKey, path: Path) -> None:
        """Make `key`, whose file is now at `path`, a noncurrent version."""
        key.path = path
        self._cache.pop(key.stamp.inode, None)
        self._older.setdefault(str(key.name), []).append(key)

    def _restore_previous(self, key: str, older: list[ObjectVersion]) -> bool:
        """Make the latest noncurrent version current, unless it is a delete marker; return if a current one exists."""
        if self.current(key) is not None:
            return True
        if not older or not isinstance(older[-1], FileKey):
            return False
        path = self._paths.target(key)
        self._make_room(path, key)
        version = older[-1]
        version.path = version.path.rename(path)
        older.pop()  # only now: the path may be a folder with other objects
        self._cache[version.stamp.inode] = version
        return True

    def _remove(self, key: FileKey) -> None:
        self._forget(key)
        if not str(key.name).endswith("/"):
            key.path.unlink()

    def _forget(self, key: FileKey) -> None:
        """Delete the record of a file that is about to be removed, since its inode may be reused at once."""
        key.persist_with(lambda _: None)
        self._cache.pop(key.stamp.inode, None)
        self.records.forget(key.stamp)

    def _remove_leftovers(self, key: str, path: Path) -> None:
        """Remove the checksum file of the removed file `path`, and parent directories that are now empty."""
        drop_checksum(path)
        folder = path if key.endswith("/") else path.parent
        while folder != self._paths.root and not self._is_marker(self._paths.key_of(folder)):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def __bool__(self) -> bool:
        """Return whether there is any object or noncurrent version."""
        return bool(self._older) or next(self.listing().names(), None) is not None

    def histories(self, prefix: str, start: str) -> Iterator[tuple[str, list[ObjectVersion]]]:
        """Yield the keys with `prefix` from `start` (inclusive), in order, each with its versions, latest first."""
        older = sorted(key for key in list(self._older) if key.startswith(prefix) and key >= start)
        for key, _ in groupby(merge(older, self.listing().names(prefix, start))):
            yield key, self.versions(key)[::-1]


def _nothing(bucket: FakeBucket, key: str) -> FileKey:
    """Return a model of no object, for a delete marker to refer to."""
    return FileKey(bucket, key, Path(), Stamp(0, 0, 0), None)


def _check_unlocked(key: FileKey | None, *, bypass: bool = False) -> None:
    """Raise AccessDeniedByLock for a locked object; `bypass` is that of governance retention."""
    if key is not None and key.is_locked(governance_bypass=bypass):
        raise AccessDeniedByLock


def _move_to_free_path(unfinished: Path, path: Path) -> None:
    """Move a file to `path` atomically; raises PreconditionFailed when a file exists there."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        raise PreconditionFailed("If-None-Match") from None
    unfinished.unlink()
