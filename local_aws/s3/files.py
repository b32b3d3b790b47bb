"""The current objects of one bucket, read from its folder each time they are asked for."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from moto.s3.models import FakeBucket

from local_aws.s3.errors import told_as_s3
from local_aws.s3.listing import Listing, Page, hidden
from local_aws.s3.objects import FileKey
from local_aws.s3.paths import KeyPaths
from local_aws.s3.records import Records, Stamp


@dataclass
class Files:
    """The objects of `bucket` as the files in `folder`; `aside` is for files that are not objects now."""

    bucket: FakeBucket
    folder: Path
    aside: Path
    records: Records
    _known: dict[int, FileKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the folders that are not there yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.aside.mkdir(parents=True, exist_ok=True)
        self._paths = KeyPaths(self.folder.resolve())

    def current(self, key: str) -> FileKey | None:
        """Return the object at `key` as its file is now; None when there is none."""
        path = self._paths.locate(key)
        return None if path is None or hidden(path.name) else self._at(key, path)

    def locate(self, key: str) -> Path | None:
        """Return the path of `key`, as `KeyPaths.locate` does."""
        return self._paths.locate(key)

    def listing(self) -> Listing:
        """Return a walk over the keys of this bucket."""
        return Listing(self._paths.locate, self._marked)

    def page(self, prefix: str, delimiter: str | None, start: str, limit: int) -> tuple[list[FileKey], Page]:
        """Return one page of a listing and its objects, without those that are removed meanwhile."""
        listing = self.listing()
        page = listing.page(prefix, delimiter, start, limit)
        found = [
            self.current(key) if key.endswith("/") else self._at(key, listing.path(key))  # the latter is the faster
            for key in page.keys
        ]
        return [each for each in found if each is not None], page

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
        """Return the bytes of all current objects."""
        return sum(each.size for each in self.values())

    def _at(self, key: str, path: Path) -> FileKey | None:
        """Return the object whose file, or whose marker's directory, is at `path`."""
        try:
            status = path.lstat()
        except OSError:
            return None
        if key.endswith("/"):
            return self._known_at(key, path, Stamp.of_directory(status)) if self._marked(key) else None
        return self._known_at(key, path, Stamp.of(status)) if stat.S_ISREG(status.st_mode) else None

    def _known_at(self, key: str, path: Path, stamp: Stamp) -> FileKey:
        """Return the one object of a file that came through the API, or a fresh one of a file that did not."""
        known = self._known.get(stamp.inode)
        if known is not None and known.stamp == stamp and known.name == key:
            return known
        record = self.records.read(stamp, self.bucket.name, key)
        fresh = FileKey(self.bucket, key, path, stamp, record).keep_with(self._keep)
        if record is not None:
            self._known[stamp.inode] = fresh
        return fresh

    def _marked(self, key: str) -> bool:
        """Whether the directory `key` was put as an object of its own."""
        path = self._paths.locate(key)
        try:
            status = path.lstat() if path is not None else None
        except OSError:
            return False
        if status is None or not stat.S_ISDIR(status.st_mode):
            return False
        return self.records.read(Stamp.of_directory(status), self.bucket.name, key) is not None

    def _keep(self, key: FileKey) -> None:
        """Keep what has changed about an object besides its bytes."""
        with told_as_s3(str(key.name)):
            self.records.write(key.stamp, self.bucket.name, str(key.name), key.record())
        self._known[key.stamp.inode] = key
