"""What S3 keeps of an object besides its bytes: one small JSON file per file that came through the API.

A record belongs to a file (its inode, size and time of change), not to a key. So it can be written before the file gets
its name, two writers of one key cannot mix theirs up, and a record whose file another program has replaced or changed
simply does not count any more.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from every other one; `changed` is in nanoseconds since 1970."""

    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the stamp of the file that `status` is of."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)

    @classmethod
    def of_directory(cls, status: os.stat_result) -> Self:
        """Return the stamp of a directory: it stays the same whatever is put into it."""
        return cls(status.st_ino, 0, 0)


class Records:
    """The records in one folder; `sweep` removes those whose file is gone."""

    def __init__(self, folder: Path) -> None:
        """Find out which files have a record."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._inodes = {int(path.stem) for path in folder.glob("*.json")}

    def read(self, stamp: Stamp, bucket: str, key: str) -> Record | None:
        """Return what is kept of the file with `stamp` as the object `key`; None when nothing is."""
        if stamp.inode not in self._inodes:  # most files are Spark's, and a listing asks for each
            return None
        try:
            kept = json.loads(self._path(stamp.inode).read_bytes())
            matches = kept["file"] == [stamp.size, stamp.changed] and kept["bucket"] == bucket and kept["key"] == key
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return dict(kept["object"]) if matches else None

    def write(self, stamp: Stamp, bucket: str, key: str, record: Mapping[str, Any]) -> None:
        """Keep `record` for the file with `stamp`, instead of what was kept before."""
        content = {"bucket": bucket, "key": key, "file": [stamp.size, stamp.changed], "object": record}
        path = self._path(stamp.inode)
        unfinished = path.with_name(f"{path.name}.{uuid4().hex}")
        try:
            unfinished.write_text(json.dumps(content), encoding="utf-8")
            unfinished.replace(path)
            self._inodes.add(stamp.inode)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def forget(self, stamp: Stamp) -> None:
        """Drop what is kept of the file with `stamp`."""
        self._inodes.discard(stamp.inode)
        self._path(stamp.inode).unlink(missing_ok=True)

    def sweep(self, lake: Path) -> None:
        """Drop the records of files that are no longer where they were, in the folder of buckets `lake`."""
        for path in self._folder.iterdir():
            if not path.stem.isdigit() or not _holds(path, int(path.stem), lake):
                path.unlink(missing_ok=True)
        self._inodes = {int(path.stem) for path in self._folder.glob("*.json")}

    def _path(self, inode: int) -> Path:
        return self._folder / f"{inode}.json"


def _holds(path: Path, inode: int, lake: Path) -> bool:
    """Whether the record `path` is of a file that is still where it was, as it was."""
    try:
        kept = json.loads(path.read_bytes())
        status = os.lstat(lake / kept["bucket"] / kept["key"])
        stamp = Stamp.of_directory(status) if kept["key"].endswith("/") else Stamp.of(status)
        return stamp == Stamp(inode, *kept["file"])
    except (OSError, ValueError, KeyError):
        return False
