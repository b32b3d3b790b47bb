"""The body of a request, received as a whole before anybody reads it."""

import hashlib
import io
import tempfile
import zlib
from dataclasses import dataclass
from typing import IO

from local_aws.gate.errors import MalformedRequestError, TooLargeError
from local_aws.gate.signatures import Environ

_IN_MEMORY = 16 << 20
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """A body that has arrived, and its SHA-256; above 16 MiB it is a temporary file."""

    file: IO[bytes]
    sha256: str


def length(environ: Environ) -> int | None:
    """Return the length that a request says its body has, None for one that is sent in chunks until its end.

    Raises `MalformedRequestError` for what is no length.
    """
    text = environ.get("CONTENT_LENGTH") or ""
    if environ.get("wsgi.input_terminated"):
        return None
    if text and not (text.isascii() and text.isdigit()):
        raise MalformedRequestError(f"Content-Length is not a number of bytes: {text!r}")
    return int(text or 0)


def receive(environ: Environ, most: int | None = None) -> Body:
    """Receive the body, of at most `most` bytes, and put it in its place in `environ`.

    Raises `MalformedRequestError` when it ends before its length, and `TooLargeError`.
    """
    expected = length(environ)
    if most is not None and expected is not None and expected > most:
        raise TooLargeError(most)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it lives as long as the request
    digest, received = hashlib.sha256(), 0
    while expected is None or received < expected:
        piece = environ["wsgi.input"].read(_PIECE if expected is None else min(_PIECE, expected - received))
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
    """Read what is left of a body: a client that is still sending would not hear the answer."""
    try:
        left = length(environ)
    except MalformedRequestError:
        return  # nobody knows how much there is
    while left is None or left > 0:
        piece = environ["wsgi.input"].read(_PIECE if left is None else min(left, _PIECE))
        if not piece:
            return
        left = None if left is None else left - len(piece)
