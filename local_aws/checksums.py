"""The checksums of S3 that Python's standard library computes; CRC32C and CRC64NVME are not among them."""

import hashlib
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any


class Crc32:
    """CRC-32 with the interface of hashlib."""

    def __init__(self) -> None:
        """Start with no content."""
        self._value = 0

    def update(self, content: bytes) -> None:
        """Continue with `content`."""
        self._value = zlib.crc32(content, self._value)

    def digest(self) -> bytes:
        """Return the checksum as four bytes, most significant first."""
        return self._value.to_bytes(4, "big")


ALGORITHMS: dict[str, Callable[[], Any]] = {
    "CRC32": Crc32,
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
"""A function that starts each checksum, by its name in requests."""
