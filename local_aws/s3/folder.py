"""One bucket, which is a folder: what moto asks of a bucket's keys, answered by the file system.

The current version of an object is the file at its key. What a versioned bucket keeps besides (older versions, delete
markers) is known to this process only: a new one starts with the files as they are. A file that another program replaces
or removes leaves no version behind, because the file system has none.
"""

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from moto.s3.exceptions import AccessDeniedByLock, MissingKey, PreconditionFailed
from moto.s3.models import FakeBucket, FakeDeleteMarker

from local_aws.s3.errors import told_as_s3
from local_aws.s3.listing import Listing, checksum_file, hidden
from local_aws.s3.objects import FileKey
from local_aws.s3.paths import KeyPaths
from local_aws.s3.records import Records, Stamp

EMPTY_ETAG = hashlib.md5(b"", usedforsecurity=False).hexdigest()

Version = FileKey | FakeDeleteMarker


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
class BucketFolder:
    """The objects of `bucket` as the files in `folder`; older versions go to the folder `aside`."""

    bucket: FakeBucket
    folder: Path
    aside: Path
    records: Records
    _older: dict[str, list[Version]] = field(default_factory=dict)
    _known: dict[int, FileKey] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.aside.mkdir(parents=True, exist_ok=True)
        self._paths = KeyPaths(os.path.realpath(self.folder))

    def current(self, key: str) -> FileKey | None:
        """Return the object at `key` as its file is now; None when there is none."""
        path = self._paths.locate(key)
        if path is None or hidden(os.path.basename(path)):
            return None
        try:
            status = os.lstat(path)
        except OSError:
            return None
        if key.endswith("/"):
            return self._known_at(key, path, Stamp.of_directory(status)) if self._marked(key) else None
        return self._known_at(key, path, Stamp.of(status)) if stat.S_ISREG(status.st_mode) else None

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

    def listing(self) -> Listing:
        """Return a walk over the keys of this bucket."""
        return Listing(self._paths.locate, self._marked)

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
                self._place(key, path, current, demands)
            except BaseException:
                self.records.forget(key.stamp)
                raise
            self._known[key.stamp.inode] = key.keep_with(self._keep)

    def mark(self, key: str, demands: Demands) -> FileKey:
        """Make the directory that the key `key`, which ends with a slash, names and show it as an empty object."""
        path = self._paths.target(key)
        with self._lock, told_as_s3(key):
            demands.check(self.current(key))
            os.makedirs(path, exist_ok=True)
            stamp = Stamp.of_directory(os.stat(path))
            marker = FileKey(self.bucket, key, path, stamp, {"_etag": EMPTY_ETAG})
            self.records.write(stamp, self.bucket.name, key, marker.record())
            self._known[stamp.inode] = marker.keep_with(self._keep)
            return marker

    def delete(self, key: str) -> FakeDeleteMarker | None:
        """Remove the object at `key`; a versioned bucket puts it aside, below the delete marker that is returned."""
        with self._lock, told_as_s3(key):
            current = self.current(key)
            kept = self.bucket.is_versioned and not key.endswith("/")
            if current is None and not (kept and key in self._older):
                return None
            if current is not None:
                self._put_aside(current) if kept else self._remove(current)
                self._tidy(current, self._paths.target(key))
            if not kept:
                return None
            marker = FakeDeleteMarker(self._older[key][-1])
            self._older[key].append(marker)
            return marker

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> Version | None:
        """Remove one version of `key` for good and return it; what was below the latest one comes to light."""
        with self._lock, told_as_s3(key):
            version = self.version(key, version_id)
            if isinstance(version, FileKey) and version.is_locked(governance_bypass=bypass):
                raise AccessDeniedByLock
            older = self._older.get(key, [])
            if version in older:
                older.remove(version)
            if isinstance(version, FileKey):
                self._remove(version)
            self._bring_back(key, older)
            if isinstance(version, FileKey) and self.current(key) is None and not key.endswith("/"):
                self._tidy(version, self._paths.target(key))
            if not older:
                self._older.pop(key, None)
            return version

    def remove(self) -> bool:
        """Remove the folder of an empty bucket; return False, and leave the folder, when it is not empty."""
        with self._lock:
            if self:
                return False
            for path, _, files in os.walk(self._paths.root, topdown=False):
                for name in filter(hidden, files):
                    os.unlink(os.path.join(path, name))
                try:
                    os.rmdir(path)
                except OSError:
                    return False  # somebody else has just put something into it
            return True

    def _marked(self, key: str) -> bool:
        """Whether the directory `key` was put as an object of its own."""
        path = self._paths.locate(key)
        try:
            status = os.lstat(path) if path is not None else None
        except OSError:
            return False
        if status is None or not stat.S_ISDIR(status.st_mode):
            return False
        return self.records.read(Stamp.of_directory(status), self.bucket.name, key) is not None

    def _known_at(self, key: str, path: str, stamp: Stamp) -> FileKey:
        """Return the one object of a file that came through the API, or a fresh one of a file that did not."""
        known = self._known.get(stamp.inode)
        if known is not None and known.stamp == stamp and known.name == key:
            return known
        record = self.records.read(stamp, self.bucket.name, key)
        fresh = FileKey(self.bucket, key, path, stamp, record).keep_with(self._keep)
        if record is not None:
            self._known[stamp.inode] = fresh
        return fresh

    def _keep(self, key: FileKey) -> None:
        """Keep what has changed about an object besides its bytes."""
        with told_as_s3(str(key.name)):
            self.records.write(key.stamp, self.bucket.name, str(key.name), key.record())
        self._known[key.stamp.inode] = key

    def _place(self, key: FileKey, path: str, current: FileKey | None, demands: Demands) -> None:
        """Move the file of `key` to `path`, and `current` out of its way."""
        unfinished, name = key.path, str(key.name)
        self._make_room(path, name)
        if demands.absent:
            try:
                os.link(unfinished, path)  # fails when somebody else, be it Spark, was first
            except FileExistsError:
                if os.path.isdir(path):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
                raise PreconditionFailed("If-None-Match") from None
            os.unlink(unfinished)
        else:
            if current is not None and (self.bucket.is_versioned or current.version_id != "null"):
                self._put_aside(current, link=True)
            elif current is not None:
                self._forget(current)
            os.replace(unfinished, path)
        key.path = path

    def _make_room(self, path: str, name: str) -> None:
        """Make the directories above `path`, and remove empty ones at it and the checksum of a former file."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(path) and next(self.listing().names(name + "/"), None) is None:
            for folder, _, _ in os.walk(path, topdown=False):
                os.rmdir(folder)
        if os.path.lexists(checksum_file(path)):
            os.unlink(checksum_file(path))

    def _put_aside(self, key: FileKey, *, link: bool = False) -> None:
        """Make `key` an older version: move its file away, or `link` it for as long as the new one is not in place."""
        aside = str(self.aside / uuid4().hex)
        (os.link if link else os.rename)(key.path, aside)
        key.path = aside
        self._known.pop(key.stamp.inode, None)
        self._older.setdefault(str(key.name), []).append(key)

    def _bring_back(self, key: str, older: list[Version]) -> None:
        """Make the latest older version the current one, where there is no current one and no delete marker."""
        if older and isinstance(older[-1], FileKey) and self.current(key) is None:
            version = older.pop()
            path = self._paths.target(key)
            self._make_room(path, key)
            os.rename(version.path, path)
            version.path = path
            self._known[version.stamp.inode] = version

    def _remove(self, key: FileKey) -> None:
        self._forget(key)
        if not str(key.name).endswith("/"):
            os.unlink(key.path)

    def _forget(self, key: FileKey) -> None:
        key.keep_with(lambda _: None)
        self._known.pop(key.stamp.inode, None)
        self.records.forget(key.stamp)

    def _tidy(self, key: FileKey, path: str) -> None:
        """Remove the checksum of the file that was at `path` and the directories that are empty now."""
        if os.path.lexists(checksum_file(path)):
            os.unlink(checksum_file(path))
        folder = path if str(key.name).endswith("/") else os.path.dirname(path)
        while folder != self._paths.root and not self._marked(os.path.relpath(folder, self._paths.root) + "/"):
            try:
                os.rmdir(folder)
            except OSError:
                return
            folder = os.path.dirname(folder)

    def __bool__(self) -> bool:
        return bool(self._older) or next(self.listing().names(), None) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self.listing().names())

    def values(self) -> Iterator[FileKey]:
        """Yield the current objects."""
        for name in self.listing().names():
            current = self.current(name)
            if current is not None:
                yield current

    def iterlists(self) -> Iterator[tuple[str, list[Version]]]:
        """Yield each key with its versions, latest first: moto sorts by time and leaves equal times as they come."""
        for name in sorted({*self.listing().names(), *self._older}):
            yield name, self.versions(name)[::-1]

    def item_size(self) -> int:
        """Return the bytes of all current objects."""
        return sum(each.size for each in self.values())
