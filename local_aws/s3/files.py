"""The current objects of one bucket, read from its folder at each access."""

import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from moto.s3.models import FakeBucket

from local_aws.s3.errors import map_os_errors
from local_aws.s3.listing import Listing, ListingPage, is_checksum_file
from local_aws.s3.objects import FileKey
from local_aws.s3.paths import KeyPaths
from local_aws.s3.records import ObjectRecords, Stamp


@dataclass
class Files:
    """The objects of `bucket` as the files in `folder`; noncurrent versions are in `archive`."""

    bucket: FakeBucket
    folder: Path
    archive: Path
    records: ObjectRecords
    _cache: dict[int, FileKey] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Create missing folders."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.archive.mkdir(parents=True, exist_ok=True)
        self._paths = KeyPaths(self.folder.resolve())

    def current(self, key: str) -> FileKey | None:
        """Return the current object at `key`; None when there is none."""
        path = self._paths.locate(key)
        return None if path is None or is_checksum_file(path.name) else self._object_at(key, path)

    def locate(self, key: str) -> Path | None:
        """Return the path of `key`, as `KeyPaths.locate` does."""
        return self._paths.locate(key)

    def listing(self) -> Listing:
        """Return a listing of the keys of this bucket."""
        return Listing(self._paths.locate, self._is_marker)

    def page(self, prefix: str, delimiter: str | None, start: str, limit: int) -> tuple[list[FileKey], ListingPage]:
        """Return the objects of one page of a listing, without those removed meanwhile, and the page."""
        listing = self.listing()
        page = listing.page(prefix, delimiter, start, limit)
        objects = [
            # `_object_at` is faster than `current`.
            self.current(key) if key.endswith("/") else self._object_at(key, listing.path(key))
            for key in page.keys
        ]
        return [each for each in objects if each is not None], page

    def values(self) -> Iterator[FileKey]:
        """Yield the current objects."""
        for name in self.listing().names():
            current = self.current(name)
            if current is not None:
                yield current

    def __len__(self) -> int:
        """Return the number of objects."""
        return sum(1 for _ in self.listing().names())

    def item_size(self) -> int:
        """Return the total size of the current objects in bytes."""
        return sum(each.size for each in self.values())

    def _object_at(self, key: str, path: Path) -> FileKey | None:
        """Return the object whose file, or marker directory, is at `path`."""
        try:
            status = path.lstat()
        except OSError:
            return None
        if key.endswith("/"):
            return self._cached_object(key, path, Stamp.of_directory(status)) if self._is_marker(key) else None
        return self._cached_object(key, path, Stamp.of(status)) if stat.S_ISREG(status.st_mode) else None

    def _cached_object(self, key: str, path: Path, stamp: Stamp) -> FileKey:
        """Return the cached object of a file that was written through the API, or a new one of any other file."""
        cached = self._cache.get(stamp.inode)
        if cached is not None and cached.stamp == stamp and cached.name == key:
            return cached
        record = self.records.read(stamp, self.bucket.name, key)
        new = FileKey(self.bucket, key, path, stamp, record).persist_with(self._persist)
        if record is not None:
            self._cache[stamp.inode] = new
        return new

    def _is_marker(self, key: str) -> bool:
        """Return whether the directory `key` was written as an object."""
        path = self._paths.locate(key)
        try:
            status = path.lstat() if path is not None else None
        except OSError:
            return False
        if status is None or not stat.S_ISDIR(status.st_mode):
            return False
        return self.records.read(Stamp.of_directory(status), self.bucket.name, key) is not None

    def _persist(self, key: FileKey) -> None:
        """Write the record of an object whose attributes have changed.

        Of two concurrent changes the later record has both.
        """
        with self._lock, map_os_errors(str(key.name)):
            key.is_saved = False
            self.records.write(key.stamp, self.bucket.name, str(key.name), key.record())
            key.is_saved = True
        self._cache[key.stamp.inode] = key
