"""The keys of a bucket in S3's order, read from its directories without opening files or reading their status."""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKSUM_SUFFIX = ".crc"


def is_checksum_file(name: str) -> bool:
    """Return whether a file name is that of a checksum file, which Hadoop writes beside a file."""
    return name.startswith(".") and name.endswith(CHECKSUM_SUFFIX) and len(name) > len("." + CHECKSUM_SUFFIX)


def successor(name: str) -> str:
    """Return the smallest string greater than `name`."""
    return name + "\0"


def after_prefix(prefix: str) -> str:
    """Return the smallest string greater than all strings with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


@dataclass(frozen=True, slots=True)
class ListingPage:
    """The keys and common prefixes of one page, in order; `next_start` is the start of the next one, None if last."""

    keys: list[str]
    prefixes: list[str]
    next_start: str | None


class Listing:
    """One walk over a bucket's folder, forward only; a directory is read at most once, and only if needed.

    `locate` returns the path of a directory's key ("a/b/", or "" for the bucket), None when it cannot have one;
    `is_marker` returns whether the key of a directory was written as an object.
    """

    def __init__(self, locate: Callable[[str], Path | None], is_marker: Callable[[str], bool]) -> None:
        """Create a listing; nothing is read yet."""
        self._locate = locate
        self._is_marker = is_marker
        self._entries_by_folder: dict[str, list[str]] = {}
        self._paths: dict[str, Path] = {}

    def names(self, prefix: str = "", start: str = "", *, grouped: bool = False) -> Iterator[str]:
        """Yield the keys with `prefix` from `start` (inclusive), in the order of their code points, as S3 does.

        If they are to be `grouped`, a directory with keys from `start` only is yielded in the place of its keys.
        """
        yield from self._below(prefix[: prefix.rfind("/") + 1], prefix, max(prefix, start), grouped=grouped)

    def page(self, prefix: str, delimiter: str | None, start: str, limit: int) -> ListingPage:
        """Return at most `limit` keys and common prefixes from `start` (inclusive)."""
        keys: list[str] = []
        prefixes: list[str] = []
        if limit <= 0:
            return ListingPage(keys, prefixes, None)
        while True:
            for name in self.names(prefix, start, grouped=delimiter == "/"):
                if len(keys) + len(prefixes) == limit:
                    return ListingPage(keys, prefixes, start)
                group = common_prefix(name, prefix, delimiter)
                if group is not None:
                    prefixes.append(group)
                    start = after_prefix(group)
                    break
                keys.append(name)
                start = successor(name)
            else:
                return ListingPage(keys, prefixes, None)

    def path(self, key: str) -> Path:
        """Return the path of the file of a key that this listing has yielded."""
        folder, _, name = key.rpartition("/")
        return self._paths[f"{folder}/" if folder else ""] / name

    def _below(self, folder: str, prefix: str, start: str, *, grouped: bool) -> Iterator[str]:
        """Yield the keys below the directory `folder`, which is "" or ends with a slash; see `names`."""
        if folder.startswith(prefix) and folder >= start and folder and self._is_marker(folder):
            yield folder
        entries = self._entries(folder, start)
        # The entry before the position of `start` may be a directory that contains `start`.
        for entry in entries[max(0, bisect_left(entries, start) - 1) :]:
            if entry > prefix and not entry.startswith(prefix):
                return
            if not entry.endswith("/"):
                if entry >= start:
                    yield entry
            elif grouped and entry >= start and entry != prefix:
                if self._has_key(entry):
                    yield entry
            elif entry >= start or start.startswith(entry):
                yield from self._below(entry, prefix, start, grouped=grouped)

    def _has_key(self, folder: str) -> bool:
        """Return whether there is a key below the directory `folder`, or its own; its entries are not kept."""
        walks = [iter((folder,))]  # not by recursion: a key may have more directories than Python has frames
        while walks:
            entry = next(walks[-1], None)
            if entry is None:
                walks.pop()
            elif not entry.endswith("/") or self._is_marker(entry):
                return True
            elif (path := self._locate(entry)) is not None:
                walks.append(_scan(path, entry, ""))
        return False

    def _entries(self, folder: str, start: str) -> list[str]:
        """Return the keys of the files and directories (with a trailing slash) directly in `folder`, sorted.

        Those before the `start` of the first call may be left out.
        """
        if folder not in self._entries_by_folder:
            path = self._locate(folder)
            if path is not None:
                self._paths[folder] = path
            self._entries_by_folder[folder] = sorted(_scan(path, folder, start)) if path is not None else []
        return self._entries_by_folder[folder]


def common_prefix(name: str, prefix: str, delimiter: str | None) -> str | None:
    """Return the common prefix of a key: up to the first `delimiter` after `prefix`; None when there is none."""
    end = name.find(delimiter, len(prefix)) if delimiter and name.startswith(prefix) else -1
    return None if end < 0 or not delimiter else name[: end + len(delimiter)]


def _scan(path: Path, folder: str, start: str) -> Iterator[str]:
    """Yield the entries of a directory that are, or may have, keys from `start`, in no order."""
    first = start.removeprefix(folder) if start.startswith(folder) else ""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name < first and not first.startswith(entry.name):
                    continue
                # A name that is not UTF-8 cannot be a key. Links are not followed: they may point out of the bucket.
                if not entry.name.isascii() and not _encodable(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield f"{folder}{entry.name}/"
                elif entry.is_file(follow_symlinks=False) and not is_checksum_file(entry.name):
                    yield folder + entry.name
    except (FileNotFoundError, NotADirectoryError):
        return  # removed since its parent was read


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
