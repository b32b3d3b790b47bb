"""The body of a request, received as a whole before anybody reads it."""

import base64
import contextlib
import hashlib
import io
import re
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from local_aws.gate.errors import MalformedRequestError, TooLargeError
from local_aws.gate.signatures import Environ

IN_MEMORY = 16 << 20
"""Bytes of a body up to which it is kept in memory."""

MOST_BYTES = 128 << 20
"""What AWS's services take in one request at most; only S3 takes more."""

WRITES = {"PUT", "POST"}
"""The methods of requests that have a body."""

_PIECE = 1 << 20
_LENGTH = re.compile(r"[0-9]{1,19}")


class _Crc32:
    """CRC-32 with the interface of hashlib."""

    def __init__(self, content: bytes = b"") -> None:
        self._value = zlib.crc32(content)

    def update(self, content: bytes) -> None:
        self._value = zlib.crc32(content, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# CRC32C and CRC64NVME are not in the standard library: they are kept with the object as they were sent.
_CHECKSUMS: dict[str, Callable[[], Any]] = {
    "HTTP_CONTENT_MD5": partial(hashlib.md5, usedforsecurity=False),
    "HTTP_X_AMZ_CHECKSUM_CRC32": _Crc32,
    "HTTP_X_AMZ_CHECKSUM_SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "HTTP_X_AMZ_CHECKSUM_SHA256": hashlib.sha256,
}


@dataclass(frozen=True, slots=True)
class Body:
    """A body that has arrived, and its SHA-256; above 16 MiB it is a temporary file."""

    file: IO[bytes]
    sha256: str


def length(environ: Environ) -> int | None:
    """Return the length that a request says its body has, None for one that is sent in chunks until its end.

    Raises `MalformedRequestError` for what is no length, or another transfer encoding.
    """
    text, coding = environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None and coding.lower() != "chunked":
        words = f"A header you provided implies functionality that is not implemented: Transfer-Encoding: {coding[:30]}"
        raise MalformedRequestError(words, code="NotImplemented", status=501)
    if text is not None and not _LENGTH.fullmatch(text):
        raise MalformedRequestError(f"Content-Length is not a number of bytes: {text[:30]!r}")
    if coding is None:
        return int(text or 0)
    if text is not None:
        raise MalformedRequestError("The request has a Content-Length, and a Transfer-Encoding.")
    return None


def require_length(environ: Environ) -> None:
    """Raise `MalformedRequestError` for a PUT or POST that does not say how long its body is, as S3 wants to know."""
    if environ["REQUEST_METHOD"] in WRITES and "CONTENT_LENGTH" not in environ and length(environ) is not None:
        words = "You must provide the Content-Length HTTP header."
        raise MalformedRequestError(words, code="MissingContentLength", status=411)


def receive(environ: Environ, most: int | None = None) -> Body:
    """Receive the body, of at most `most` bytes, and put it in its place in `environ`.

    Raises `MalformedRequestError` when it ends before its length, and `TooLargeError`.
    """
    expected = length(environ)
    if most is not None and expected is not None and expected > most:
        raise TooLargeError(most)
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it lives as long as the request
    digest, received = hashlib.sha256(), 0
    while expected is None or received < expected:
        try:
            piece = environ["wsgi.input"].read(_PIECE if expected is None else min(_PIECE, expected - received))
        except OSError as error:  # a length of a chunk that is none
            raise MalformedRequestError(f"The body cannot be read: {error}", code="IncompleteBody") from error
        if not piece:
            break
        received += len(piece)
        if most is not None and received > most:
            raise TooLargeError(most)
        digest.update(piece)
        file.write(piece)
    if expected is not None and received < expected:
        raise MalformedRequestError(f"The body ended after {received} of {expected} bytes.", code="IncompleteBody")
    file.seek(0)
    environ["wsgi.input"] = file
    environ["CONTENT_LENGTH"] = str(received)
    return Body(file, digest.hexdigest())


def check_digests(environ: Environ) -> None:
    """Raise `MalformedRequestError` unless a body has the checksums that the request says it has."""
    claimed = {name: environ[name] for name in _CHECKSUMS if name in environ}
    found = {name: _CHECKSUMS[name]() for name in claimed}
    file = environ["wsgi.input"]
    while found and (piece := file.read(_PIECE)):
        for digest in found.values():
            digest.update(piece)
    file.seek(0)
    for name, digest in found.items():
        if base64.b64encode(digest.digest()).decode() != claimed[name]:
            header = name.removeprefix("HTTP_").lower().replace("_", "-")
            raise MalformedRequestError(
                f"The {header} you specified did not match what was received.", code="BadDigest"
            )


def replace(environ: Environ, content: bytes) -> None:
    """Put another body in the place of the one that was received."""
    environ["wsgi.input"] = io.BytesIO(content)
    environ["CONTENT_LENGTH"] = str(len(content))


def unpack(environ: Environ, most: int) -> None:
    """Unpack a body that was received in gzip; raise `TooLargeError` when it has more than `most` bytes."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(environ["wsgi.input"].read(), most)
    except zlib.error as error:
        raise MalformedRequestError(f"The body is not gzip: {error}") from error
    if unpacker.unconsumed_tail:
        raise TooLargeError(most)
    replace(environ, content)
    del environ["HTTP_CONTENT_ENCODING"]


def drain(environ: Environ) -> None:
    """Read what is left of a body, as far as that can be: a client that is still sending would not hear the answer."""
    with contextlib.suppress(MalformedRequestError, OSError):
        left = length(environ)
        while left is None or left > 0:
            piece = environ["wsgi.input"].read(_PIECE if left is None else min(left, _PIECE))
            if not piece:
                return
            left = None if left is None else left - len(piece)
