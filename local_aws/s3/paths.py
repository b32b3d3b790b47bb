"""The mapping of keys to paths in the folder of a bucket, and the removal of checksum files and empty folders."""

import os
from dataclasses import dataclass
from pathlib import Path

from local_aws.s3.errors import UnusableKeyError
from local_aws.s3.listing import CHECKSUM_SUFFIX, is_checksum_file

MAX_NAME_BYTES = 255  # of a file name, on all common file systems


@dataclass(frozen=True, slots=True)
class KeyPaths:
    """The paths of keys below `root`, which is a real path; no link is followed out of it."""

    root: Path

    def locate(self, key: str) -> Path | None:
        """Return the path of `key` without a trailing slash; None when it cannot be a path inside the folder."""
        if not key:
            return self.root
        parts = _parts(key)
        if "\0" in key or any(part in {"", ".", ".."} for part in parts):
            return None
        path = self.root.joinpath(*parts)
        folder = path if key.endswith("/") else path.parent
        return path if os.path.realpath(folder) == str(folder) else None

    def target(self, key: str) -> Path:
        """Return the path to write the object `key` to; raises UnusableKeyError when it cannot have one."""
        parts = _parts(key)
        if any(part in {"", ".", ".."} for part in parts):
            raise UnusableKeyError(key, "each part between slashes must be a name")
        if "\0" in key or any(len(part.encode(errors="surrogatepass")) > MAX_NAME_BYTES for part in parts):
            raise UnusableKeyError(key, f"no part of it may contain a NUL or be longer than {MAX_NAME_BYTES} bytes")
        if is_checksum_file(parts[-1]):
            raise UnusableKeyError(key, "the names of Hadoop's checksum files cannot be keys")
        path = self.locate(key)
        if path is None:
            raise UnusableKeyError(key, "it is outside the bucket's folder")
        return path

    def key_of(self, folder: Path) -> str:
        """Return the key of a directory below the root."""
        return f"{folder.relative_to(self.root).as_posix()}/"


def drop_checksum(path: Path) -> None:
    """Remove Hadoop's checksum file of `path`, if any: with it, Hadoop would take the next file there for corrupt."""
    path.with_name(f".{path.name}{CHECKSUM_SUFFIX}").unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove a directory that contains only directories and checksum files; raises OSError for other files."""
    for path, _, files in folder.walk(top_down=False):
        for name in filter(is_checksum_file, files):
            (path / name).unlink()
        path.rmdir()


def _parts(key: str) -> list[str]:
    return key.removesuffix("/").split("/")
