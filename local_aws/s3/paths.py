"""Where in the folder of a bucket the file of a key is, which keys cannot have one, and what goes with a file."""

import os
from dataclasses import dataclass
from pathlib import Path

from local_aws.s3.errors import UnusableKeyError
from local_aws.s3.listing import CHECKSUM_SUFFIX, hidden

LONGEST_NAME = 255  # bytes, on every file system that matters


@dataclass(frozen=True, slots=True)
class KeyPaths:
    """The paths of keys below `root`, which is a real path: no link is followed out of it."""

    root: Path

    def locate(self, key: str) -> Path | None:
        """Return the path of `key`, without the slash at its end; None where nothing inside the folder can be meant."""
        if not key:
            return self.root
        parts = _parts(key)
        if "\0" in key or any(part in {"", ".", ".."} for part in parts):
            return None
        path = self.root.joinpath(*parts)
        folder = path if key.endswith("/") else path.parent
        return path if os.path.realpath(folder) == str(folder) else None

    def target(self, key: str) -> Path:
        """Return the path where the object `key` is to be written. Raises UnusableKeyError where there can be none."""
        parts = _parts(key)
        if any(part in {"", ".", ".."} for part in parts):
            raise UnusableKeyError(key, "each part between slashes must be a name")
        if "\0" in key or any(len(part.encode(errors="surrogatepass")) > LONGEST_NAME for part in parts):
            raise UnusableKeyError(key, f"no part of it may hold a NUL or be longer than {LONGEST_NAME} bytes")
        if hidden(parts[-1]):
            raise UnusableKeyError(key, "the names of Hadoop's checksum files are no keys")
        path = self.locate(key)
        if path is None:
            raise UnusableKeyError(key, "it leads out of the bucket's folder")
        return path

    def key_of(self, folder: Path) -> str:
        """Return the key that a directory below the root has as a marker."""
        return f"{folder.relative_to(self.root).as_posix()}/"


def drop_checksum(path: Path) -> None:
    """Remove the checksum file that Hadoop may have put beside `path`: it would find the next file there corrupt."""
    path.with_name(f".{path.name}{CHECKSUM_SUFFIX}").unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove a directory below which there are directories only. Raises OSError when there is anything else."""
    for path, _, files in folder.walk(top_down=False):
        for name in filter(hidden, files):
            (path / name).unlink()
        path.rmdir()


def _parts(key: str) -> list[str]:
    return key.removesuffix("/").split("/")
