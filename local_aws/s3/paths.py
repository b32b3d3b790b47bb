"""Where in the folder of a bucket the file of a key is, and which keys cannot have one."""

import os
from dataclasses import dataclass

from local_aws.s3.errors import UnusableKeyError
from local_aws.s3.listing import hidden

LONGEST_NAME = 255  # bytes, on every file system that matters


@dataclass(frozen=True, slots=True)
class KeyPaths:
    """The paths of keys below `root`, which is a real path: no link is followed out of it."""

    root: str

    def locate(self, key: str) -> str | None:
        """Return the path of `key`, without the slash at its end; None where nothing inside the folder can be meant."""
        if not key:
            return self.root
        parts = _parts(key)
        if "\0" in key or any(part in {"", ".", ".."} for part in parts):
            return None
        path = os.path.join(self.root, *parts)
        parent = os.path.dirname(path)
        return path if os.path.realpath(parent) == parent else None

    def target(self, key: str) -> str:
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


def _parts(key: str) -> list[str]:
    return key.removesuffix("/").split("/")
