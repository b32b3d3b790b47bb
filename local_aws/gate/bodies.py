"""Request bodies, received in full before they are processed."""

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

from local_aws import checksums
from local_aws.gate.errors import MalformedRequestError, TooLargeError
from local_aws.wsgi import Environ

MAX_BYTES_IN_MEMORY = 16 << 20
"""The size up to which a body is kept in memory."""

MAX_BYTES = 128 << 20
"""The maximum size of a request to any AWS service but S3."""

METHODS_WITH_BODY = {"PUT", "POST"}

_READ_BYTES = 1 << 20
_LENGTH = re.compile(r"[0-9]{1,19}")


# Others are stored with the object unchecked.
_CHECKSUMS: dict[str, Callable[[], Any]] = {
    "HTTP_CONTENT_MD5": partial(hashlib.md5, usedforsecurity=False),
    **{f"HTTP_X_AMZ_CHECKSUM_{name}": start for name, start in checksums.ALGORITHMS.items()},
}


@dataclass(frozen=True, slots=True)
class Body:
    """A received body and its SHA-256 in hexadecimal; above 16 MiB it is a temporary file."""

    file: IO[bytes]
    sha256: str


def length(environ: Environ) -> int | None:
    """Return the declared length of the body, None for chunked transfer encoding.

    Raises `MalformedRequestError` for an invalid length or another transfer encoding.
    """
    text, encoding = environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    if encoding is not None and encoding.lower() != "chunked":
        message = "A header you provided implies functionality that is not implemented: Transfer-Encoding: "
        raise MalformedRequestError(message + encoding[:30], code="NotImplemented", status=501)
    if text is not None and not _LENGTH.fullmatch(text):
        raise MalformedRequestError(f"Content-Length is not a number of bytes: {text[:30]!r}")
    if encoding is None:
        return int(text or 0)
    if text is not None:
        raise MalformedRequestError("The request has both a Content-Length and a Transfer-Encoding.")
    return None


def require_length(environ: Environ) -> None:
    """Raise `MalformedRequestError` for a PUT or POST without a length or chunked encoding, as S3 does."""
    if (
        environ["REQUEST_METHOD"] in METHODS_WITH_BODY
        and "CONTENT_LENGTH" not in environ
        and length(environ) is not None
    ):
        message = "You must provide the Content-Length HTTP header."
        raise MalformedRequestError(message, code="MissingContentLength", status=411)


def receive(environ: Environ, max_bytes: int | None = None) -> Body:
    """Receive the body, of at most `max_bytes`, and make it the input of `environ`.

    Raises `MalformedRequestError` when the body is shorter than its length, and `TooLargeError`.
    """
    expected = length(environ)
    if max_bytes is not None and expected is not None and expected > max_bytes:
        raise TooLargeError(max_bytes)
    file = tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - it lives as long as the request
    digest, received = hashlib.sha256(), 0
    while expected is None or received < expected:
        try:
            data = environ["wsgi.input"].read(
                _READ_BYTES if expected is None else min(_READ_BYTES, expected - received)
            )
        except OSError as error:  # invalid chunk length
            raise MalformedRequestError(f"The body cannot be read: {error}", code="IncompleteBody") from error
        if not data:
            break
        received += len(data)
        if max_bytes is not None and received > max_bytes:
            raise TooLargeError(max_bytes)
        digest.update(data)
        file.write(data)
    if expected is not None and received < expected:
        raise MalformedRequestError(f"The body ended after {received} of {expected} bytes.", code="IncompleteBody")
    file.seek(0)
    environ["wsgi.input"] = file
    environ["CONTENT_LENGTH"] = str(received)
    return Body(file, digest.hexdigest())


def check_digests(environ: Environ) -> None:
    """Raise `MalformedRequestError` unless the body matches the checksums in the headers."""
    expected = {name: environ[name] for name in _CHECKSUMS if name in environ}
    digests = {name: _CHECKSUMS[name]() for name in expected}
    file = environ["wsgi.input"]
    while digests and (data := file.read(_READ_BYTES)):
        for digest in digests.values():
            digest.update(data)
    file.seek(0)
    for name, digest in digests.items():
        if base64.b64encode(digest.digest()).decode() != expected[name]:
            header = name.removeprefix("HTTP_").lower().replace("_", "-")
            raise MalformedRequestError(
                f"The {header} you specified did not match what was received.", code="BadDigest"
            )


def replace(environ: Environ, content: bytes) -> None:
    """Replace the received body by `content`."""
    environ["wsgi.input"] = io.BytesIO(content)
    environ["CONTENT_LENGTH"] = str(len(content))


def decompress(environ: Environ, max_bytes: int) -> None:
    """Decompress a gzip body; raise `TooLargeError` when it then has more than `max_bytes`."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        content = decompressor.decompress(environ["wsgi.input"].read(), max_bytes)
    except zlib.error as error:
        raise MalformedRequestError(f"The body is not gzip: {error}") from error
    if decompressor.unconsumed_tail:
        raise TooLargeError(max_bytes)
    replace(environ, content)
    del environ["HTTP_CONTENT_ENCODING"]


def drain(environ: Environ) -> None:
    """Read and discard the rest of the body: a client that is still sending would not read the response."""
    with contextlib.suppress(MalformedRequestError, OSError):
        remaining = length(environ)
        while remaining is None or remaining > 0:
            data = environ["wsgi.input"].read(_READ_BYTES if remaining is None else min(remaining, _READ_BYTES))
            if not data:
                return
            remaining = None if remaining is None else remaining - len(data)


def peek(environ: Environ) -> bytes:
    """Return the body and leave it in `environ` to be read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
