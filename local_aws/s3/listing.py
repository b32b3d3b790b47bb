"""The keys of a bucket, read from its folder in S3's order without opening or even touching a file."""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKSUM_SUFFIX = ".crc"


def hidden(name: str) -> bool:
    """Whether a file name is that of a checksum file, which Hadoop keeps beside the file that it is of."""
    return name.startswith(".") and name.endswith(CHECKSUM_SUFFIX) and len(name) > len("." + CHECKSUM_SUFFIX)


def after(name: str) -> str:
    """Return the least string above `name`."""
    return name + "\0"


def beyond(prefix: str) -> str:
    """Return the least string above every string that begins with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


@dataclass(frozen=True, slots=True)
class Page:
    """Keys and common prefixes of one answer, in order; `resume` is where the next page starts, None on the last."""

    keys: list[str]
    prefixes: list[str]
    resume: str | None


class Listing:
    """One walk over a bucket's folder; every directory is read once at most, and only where the answer needs it.

    `locate` gives the path of a directory's key ("a/b/", or "" for the bucket), or None where there can be none;
    `marked` says whether the key of a directory was put as an object of its own.
    """

    def __init__(self, locate: Callable[[str], Path | None], marked: Callable[[str], bool]) -> None:
        """Start a walk."""
        self._locate = locate
        self._marked = marked
        self._read: dict[str, list[str]] = {}
        self._paths: dict[str, Path] = {}

    def names(self, prefix: str = "", start: str = "") -> Iterator[str]:
        """Yield the keys with `prefix` from `start` on (inclusive), in the order of their code points, as S3 does."""
        yield from self._below(prefix[: prefix.rfind("/") + 1], prefix, max(prefix, start))

    def page(self, prefix: str, delimiter: str | None, start: str, limit: int) -> Page:
        """Return at most `limit` keys and common prefixes from `start` on (inclusive)."""
        keys: list[str] = []
        prefixes: list[str] = []
        if limit <= 0:
            return Page(keys, prefixes, None)
        while True:
            for name in self.names(prefix, start):
                if len(keys) + len(prefixes) == limit:
                    return Page(keys, prefixes, start)
                group = common_prefix(name, prefix, delimiter)
                if group is not None:
                    prefixes.append(group)
                    start = beyond(group)
                    break
                keys.append(name)
                start = after(name)
            else:
                return Page(keys, prefixes, None)

    def path(self, key: str) -> Path:
        """Return the path of the file of a key that this walk has come by."""
        folder, _, name = key.rpartition("/")
        return self._paths[f"{folder}/" if folder else ""] / name

    def _below(self, folder: str, prefix: str, start: str) -> Iterator[str]:
        """Yield the keys below the directory `folder`, which is "" or ends with a slash."""
        if folder.startswith(prefix) and folder >= start and folder and self._marked(folder):
            yield folder
        entries = self._entries(folder)
        # The entry before the place of `start` may be a directory that `start` lies in.
        for entry in entries[max(0, bisect_left(entries, start) - 1) :]:
            if entry > prefix and not entry.startswith(prefix):
                return
            if not entry.endswith("/"):
                if entry >= start:
                    yield entry
            elif entry >= start or start.startswith(entry):
                yield from self._below(entry, prefix, start)

    def _entries(self, folder: str) -> list[str]:
        """Return the keys of the files and, with a slash at the end, of the directories right in `folder`, sorted."""
        if folder not in self._read:
            path = self._locate(folder)
            if path is not None:
                self._paths[folder] = path
            self._read[folder] = sorted(_scan(path, folder)) if path is not None else []
        return self._read[folder]


def common_prefix(name: str, prefix: str, delimiter: str | None) -> str | None:
    """Return what a key is grouped under: up to the first `delimiter` after `prefix`; None where there is none."""
    end = name.find(delimiter, len(prefix)) if delimiter and name.startswith(prefix) else -1
    return None if end < 0 or not delimiter else name[: end + len(delimiter)]


def _scan(path: Path, folder: str) -> Iterator[str]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                # A name that is not UTF-8 cannot be a key. Links are not followed: they may lead out of the bucket.
                if not entry.name.isascii() and not _encodable(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield f"{folder}{entry.name}/"
                elif entry.is_file(follow_symlinks=False) and not hidden(entry.name):
                    yield folder + entry.name
    except (FileNotFoundError, NotADirectoryError):
        return  # removed by somebody else since its parent was read


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
