"""Records of object attributes other than content: one small JSON file for each file written through the API.

A record belongs to a file (its inode, size and modification time), not to a key. So it can be written before the file
gets its name, concurrent writers of one key cannot mix up theirs, and the record of a file that another program
replaced or changed is ignored.
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
    """The identity of one state of a file; `changed` is its modification time in nanoseconds since 1970."""

    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the stamp of a file with this status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)

    @classmethod
    def of_directory(cls, status: os.stat_result) -> Self:
        """Return the stamp of a directory: it does not change with its entries."""
        return cls(status.st_ino, 0, 0)


class ObjectRecords:
    """The records in one folder; `sweep` removes those whose file no longer exists."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, which is created if it does not exist."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._inodes = {int(path.stem) for path in folder.glob("*.json")}

    def read(self, stamp: Stamp, bucket: str, key: str) -> Record | None:
        """Return the record of the file with `stamp` as the object `key`; None when there is none."""
        if stamp.inode not in self._inodes:  # most files are Spark's, and a listing reads the record of each
            return None
        try:
            content = json.loads(self._path(stamp.inode).read_bytes())
            is_same_file = content["file"] == [stamp.size, stamp.changed]
            matches = is_same_file and content["bucket"] == bucket and content["key"] == key
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return dict(content["object"]) if matches else None

    def write(self, stamp: Stamp, bucket: str, key: str, record: Mapping[str, Any]) -> None:
        """Write the record of the file with `stamp`, replacing an earlier one."""
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
        """Delete the record of the file with `stamp`."""
        self._inodes.discard(stamp.inode)
        self._path(stamp.inode).unlink(missing_ok=True)

    def sweep(self, lake: Path) -> None:
        """Delete the records whose file was removed or changed, in the folder of buckets `lake`."""
        for path in self._folder.iterdir():
            if not path.stem.isdigit() or not _is_valid(path, int(path.stem), lake):
                path.unlink(missing_ok=True)
        self._inodes = {int(path.stem) for path in self._folder.glob("*.json")}

    def _path(self, inode: int) -> Path:
        return self._folder / f"{inode}.json"


def _is_valid(path: Path, inode: int, lake: Path) -> bool:
    """Return whether the file of the record `path` exists unchanged."""
    try:
        content = json.loads(path.read_bytes())
        status = os.lstat(lake / content["bucket"] / content["key"])
        stamp = Stamp.of_directory(status) if content["key"].endswith("/") else Stamp.of(status)
        return stamp == Stamp(inode, *content["file"])
    except (OSError, ValueError, KeyError):
        return False
