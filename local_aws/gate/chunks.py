"""Decoding of bodies in chunks ("aws-chunked"), signed or unsigned, with checksums as trailers.

Source: Amazon S3's API reference, "Signature Calculations: Transferring Payload in Multiple Chunks" and the same "with
Trailing Headers".
"""

import hashlib
import hmac
import re
import tempfile
from collections.abc import Iterator
from typing import IO

from local_aws.gate import headers
from local_aws.gate.bodies import MAX_BYTES_IN_MEMORY
from local_aws.gate.errors import MalformedRequestError, SignatureMismatchError
from local_aws.gate.signatures import ALGORITHM, Signature, Signer
from local_aws.wsgi import Environ

SIGNED = {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKED = {*SIGNED, UNSIGNED}
"""The values of x-amz-content-sha256 for a body in chunks."""

_EMPTY = hashlib.sha256(b"").hexdigest()
_SIZE = rb"([0-9a-fA-F]{1,8})"
_HEAD = {True: re.compile(_SIZE + rb";chunk-signature=([0-9a-f]{64})\r\n"), False: re.compile(_SIZE + rb"()\r\n")}
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


def decode(environ: Environ, signer: Signer, signature: Signature) -> None:
    """Replace a body in chunks by its content, and add its trailers to the headers.

    Raises `SignatureMismatchError` for a wrong signature of a chunk or a trailer, and `MalformedRequestError` for an
    incomplete body or one of another length than declared.
    """
    is_signed = environ["HTTP_X_AMZ_CONTENT_SHA256"] in SIGNED
    chain = _Chain(signer, signature) if is_signed else None
    content = tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - it lives as long as the request
    length = 0
    for data in _chunks(environ["wsgi.input"], chain):
        content.write(data)
        length += len(data)
    if environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") != str(length):
        raise MalformedRequestError(
            f"The chunks have {length} bytes, not x-amz-decoded-content-length.", code="IncompleteBody"
        )
    for name, value in _trailers(environ["wsgi.input"], chain):
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    content.seek(0)
    encodings = [encoding.strip() for encoding in environ.get("HTTP_CONTENT_ENCODING", "").split(",")]
    environ |= {
        "wsgi.input": content,
        "CONTENT_LENGTH": str(length),
        "HTTP_CONTENT_ENCODING": ",".join(each for each in encodings if each not in {"aws-chunked", ""}),
        "HTTP_X_AMZ_CONTENT_SHA256": "UNSIGNED-PAYLOAD",
    }
    if not environ["HTTP_CONTENT_ENCODING"]:
        del environ["HTTP_CONTENT_ENCODING"]


class _Chain:
    """The chain of chunk signatures, each of which signs the previous one."""

    def __init__(self, signer: Signer, signature: Signature) -> None:
        """Start with the signature of the request."""
        self._signer, self._previous = signer, signature.value
        self._prefix = (signature.timestamp, str(signature.scope).partition("/")[2])

    def check(self, signature: str, kind: str, *hashes: str) -> None:
        """Raise `SignatureMismatchError` unless `signature` is that of the next chunk or trailer."""
        expected = self._signer.of_text("\n".join((f"{ALGORITHM}-{kind}", *self._prefix, self._previous, *hashes)))
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise SignatureMismatchError(f"the signature of a {kind.lower()} of the body is missing or wrong")
        self._previous = expected


def _chunks(body: IO[bytes], chain: _Chain | None) -> Iterator[bytes]:
    size = -1
    while size:
        line = _HEAD[chain is not None].fullmatch(body.readline(200))
        if not line:
            raise MalformedRequestError("A chunk of the body does not start with its size.", code="IncompleteBody")
        size = int(line[1], 16)
        data = body.read(size)
        if len(data) != size or (size and body.read(2) != b"\r\n"):
            raise MalformedRequestError("A chunk of the body is incomplete.", code="IncompleteBody")
        if chain:
            chain.check(line[2].decode(), "PAYLOAD", _EMPTY, hashlib.sha256(data).hexdigest())
        yield data


def _trailers(body: IO[bytes], chain: _Chain | None) -> list[tuple[str, str]]:
    """Return the trailers after the chunks: checksums, signed when the chunks are."""
    try:
        lines = [line.decode("ascii").strip() for line in body.read().split(b"\r\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise MalformedRequestError("The trailer of the body is not ASCII.") from error
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    for name, value in pairs:
        headers.check(name, value)
    checksums = [(name, value) for name, value in pairs if name != _TRAILER_SIGNATURE]
    if any(not re.fullmatch(r"x-amz-checksum-[a-z0-9]+", name) for name, _ in checksums):
        raise MalformedRequestError("The trailer of the body may only contain checksums.")
    if chain and checksums:
        text = "".join(f"{name}:{value}\n" for name, value in checksums)
        chain.check(dict(pairs).get(_TRAILER_SIGNATURE, ""), "TRAILER", hashlib.sha256(text.encode()).hexdigest())
    return checksums
