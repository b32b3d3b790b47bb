"""Signature Version 4: by which key a request claims to be signed, and whether it is.

Source: AWS IAM user guide, "AWS Signature Version 4 for API requests", and Amazon S3's API reference, "Authenticating
Requests". The computation itself is botocore's.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, Any, Self
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import normalize_url_path

from local_aws.gate.errors import (
    IncompleteSignatureError,
    SignatureMismatchError,
    SignatureVersionError,
    TimeSkewError,
    UnsignedError,
)

type Environ = dict[str, Any]

ALGORITHM = "AWS4-HMAC-SHA256"
S3 = "s3"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMED = "STREAMING-"
"""How the payload hash of a body that is sent in chunks begins."""

_HEADER = re.compile(rf"{ALGORITHM} +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{{64}})")
_SCOPE = re.compile(r"([A-Za-z0-9]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_SKEW = timedelta(minutes=15)
_MOST_SECONDS = 7 * 24 * 60 * 60
_EMPTY_HASH = hashlib.sha256(b"").hexdigest()
_SEPARATE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
"""The headers that WSGI does not prefix with `HTTP_`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for; as text `<access key>/<date>/<region>/<service>/aws4_request`."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it; raise `IncompleteSignatureError` when it is none."""
        found = _SCOPE.fullmatch(text)
        if not found:
            raise IncompleteSignatureError("its Credential is not <access key>/<date>/<region>/<service>/aws4_request")
        return cls(*found.groups())

    def __str__(self) -> str:
        """Return it as it stands in a request."""
        return f"{self.access_key}/{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a request, as it was sent.

    `timestamp` is that of signing, in UTC; `seconds` is how long a presigned URL is good for, None for a header.
    """

    scope: Scope
    signed_headers: tuple[str, ...]
    value: str
    timestamp: str
    token: str | None
    seconds: int | None

    def authorization(self) -> str:
        """Return the Authorization header that says the same, in the one form that every reader takes alike."""
        return (
            f"{ALGORITHM} Credential={self.scope}, SignedHeaders={';'.join(self.signed_headers)}, "
            f"Signature={self.value}"
        )

    def check_time(self) -> None:
        """Raise `TimeSkewError` unless the request is from now: within 15 minutes, or not expired when presigned."""
        check_time(self.scope, self.timestamp, timedelta(seconds=self.seconds) if self.seconds else _SKEW)

    def verify(self, environ: Environ, secret: str, payload: str) -> None:
        """Raise `SignatureMismatchError` unless the request is signed with `secret`; `payload` is its body's hash."""
        missing = [name for name in _to_be_signed(environ) if name not in self.signed_headers]
        if missing:
            raise SignatureMismatchError(f"these headers are not among the signed ones: {', '.join(missing)}")
        signer = Signer(self.scope, self.timestamp, secret)
        if not hmac.compare_digest(self.value, signer.of_request(_canonical(environ, self, payload))):
            raise SignatureMismatchError


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the secret of a key, within one scope and at one time."""

    scope: Scope
    timestamp: str
    secret: str

    def of_request(self, canonical: str) -> str:
        """Return the signature of a canonical request."""
        signer, request = self._parts()
        signature: str = signer.signature(signer.string_to_sign(request, canonical), request)
        return signature

    def of_text(self, text: str) -> str:
        """Return the signature of a text: the policy of a form upload, or a chunk's string to sign."""
        signer, request = self._parts()
        signature: str = signer.signature(text, request)
        return signature

    def _parts(self) -> tuple[SigV4Auth, AWSRequest]:
        request = AWSRequest()
        request.context["timestamp"] = self.timestamp
        return SigV4Auth(
            Credentials(self.scope.access_key, self.secret), self.scope.service, self.scope.region
        ), request


def read(environ: Environ) -> Signature:
    """Return the signature of a request, in its header or its query string.

    Raises `UnsignedError` when there is none, `SignatureVersionError` for one of another kind and
    `IncompleteSignatureError` for one that is not whole, is there twice, or has no time.
    """
    header = environ.get("HTTP_AUTHORIZATION")
    query = [pair for pair in _query(environ) if pair[0].startswith("X-Amz-")]
    asked = dict(query)
    if header is not None and "X-Amz-Signature" in asked:
        raise IncompleteSignatureError("it is signed twice, in a header and in the query string")
    if header is not None:
        return _in_header(environ, header)
    if "X-Amz-Signature" in asked:
        if len(asked) != len(query):
            raise IncompleteSignatureError("a parameter of it is there twice")
        return _in_query(asked)
    if "AWSAccessKeyId=" in environ.get("QUERY_STRING", ""):
        raise SignatureVersionError
    raise UnsignedError


def check_time(scope: Scope, timestamp: str, lasting: timedelta) -> None:
    """Raise `TimeSkewError` unless `timestamp` is of the scope's day, not to come, and no older than `lasting`."""
    age = datetime.now(UTC) - _moment(timestamp)
    if timestamp[:8] != scope.date or age < -_SKEW or age > lasting:
        raise TimeSkewError(timestamp)


def verify_chunks(body: IO[bytes], signature: Signature, secret: str) -> None:
    """Raise `SignatureMismatchError` unless every chunk of an aws-chunked body is signed, its trailer included."""
    signer = Signer(signature.scope, signature.timestamp, secret)
    begin = (signature.timestamp, str(signature.scope).partition("/")[2])
    previous = signature.value
    for data, claimed, is_trailer in _chunks(body):
        digest = hashlib.sha256(data).hexdigest()
        kind, hashes = ("TRAILER", (digest,)) if is_trailer else ("PAYLOAD", (_EMPTY_HASH, digest))
        expected = signer.of_text("\n".join((f"{ALGORITHM}-{kind}", *begin, previous, *hashes)))
        if not hmac.compare_digest(claimed, expected):
            raise SignatureMismatchError("a chunk of the body is not signed")
        previous = expected


def _chunks(body: IO[bytes]) -> Iterator[tuple[bytes, str, bool]]:
    """Yield the data of each chunk with its signature, and whether it is the trailer."""
    size = -1
    while size:
        line = re.fullmatch(rb"([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})\r\n", body.readline(200))
        if not line:
            raise SignatureMismatchError("a chunk of the body does not begin with its size and signature")
        size = int(line[1], 16)
        data = body.read(size)
        if len(data) != size or (size and body.read(2) != b"\r\n"):
            raise SignatureMismatchError("a chunk of the body is not whole")
        yield data, line[2].decode(), False
    trailer = [line.strip() for line in body.read().split(b"\r\n") if line.strip()]
    if trailer:
        name, _, claimed = trailer.pop().partition(b":")
        if name != b"x-amz-trailer-signature":
            raise SignatureMismatchError("the trailer of the body is not signed")
        yield b"".join(line + b"\n" for line in trailer), claimed.decode(), True


def _in_header(environ: Environ, header: str) -> Signature:
    if not header.startswith(ALGORITHM):
        raise SignatureVersionError
    found = _HEADER.fullmatch(header)
    if not found:
        raise IncompleteSignatureError("its Authorization header lacks Credential, SignedHeaders or Signature")
    return Signature(
        scope=Scope.parse(found[1]),
        signed_headers=tuple(found[2].split(";")),
        value=found[3],
        timestamp=_timestamp(environ),
        token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN"),
        seconds=None,
    )


def _in_query(asked: dict[str, str]) -> Signature:
    try:
        seconds = int(asked["X-Amz-Expires"])
        found = Signature(
            scope=Scope.parse(asked["X-Amz-Credential"]),
            signed_headers=tuple(asked["X-Amz-SignedHeaders"].split(";")),
            value=asked["X-Amz-Signature"],
            timestamp=asked["X-Amz-Date"],
            token=asked.get("X-Amz-Security-Token"),
            seconds=seconds,
        )
    except (KeyError, ValueError) as error:
        raise IncompleteSignatureError(f"its query string lacks {error}") from error
    if asked.get("X-Amz-Algorithm") != ALGORITHM:
        raise SignatureVersionError
    if not 0 < seconds <= _MOST_SECONDS:
        raise IncompleteSignatureError("X-Amz-Expires is not between 1 and 604800 seconds")
    return found


def _timestamp(environ: Environ) -> str:
    if "HTTP_X_AMZ_DATE" in environ:
        return str(environ["HTTP_X_AMZ_DATE"])
    try:
        return parsedate_to_datetime(environ["HTTP_DATE"]).astimezone(UTC).strftime(_TIMESTAMP)
    except (KeyError, ValueError) as error:
        raise IncompleteSignatureError("it has neither an X-Amz-Date nor a Date") from error


def _moment(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise IncompleteSignatureError(f"its time is not of the form {_TIMESTAMP}") from error


def _canonical(environ: Environ, signature: Signature, payload: str) -> str:
    """Return the canonical request; where clients may encode an address in several ways, in the one that is signed."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in _query(environ) if name != "X-Amz-Signature")
    headers = [f"{name}:{_header(environ, name)}\n" for name in signature.signed_headers]
    return "\n".join(
        (
            environ["REQUEST_METHOD"],
            _path(environ, signature.scope.service),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            ";".join(signature.signed_headers),
            payload,
        )
    )


def _path(environ: Environ, service: str) -> str:
    """Return the canonical path: encoded once for S3, and normalized and encoded twice for every other service."""
    raw = environ["REQUEST_URI"].partition("?")[0]
    once = "/".join(quote(unquote_to_bytes(segment.encode("latin-1")), safe="") for segment in raw.split("/"))
    return once if service == S3 else quote(normalize_url_path(once), safe="/~")


def _query(environ: Environ) -> list[tuple[str, str]]:
    """Return the parameters of the query string, byte for byte (as Latin-1)."""
    return parse_qsl(environ["REQUEST_URI"].partition("?")[2], keep_blank_values=True, encoding="latin-1")


def _encoded(text: str) -> str:
    return quote(text, safe="", encoding="latin-1")


def _header(environ: Environ, name: str) -> str:
    value = environ.get(_SEPARATE.get(name) or f"HTTP_{name.upper().replace('-', '_')}")
    if value is None:
        raise SignatureMismatchError(f"the signed header {name} is not there")
    raw = " ".join(value.split()).encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _to_be_signed(environ: Environ) -> list[str]:
    """Return the names of the headers of a request that a signature has to cover."""
    amz = [name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_X_AMZ_")]
    return ["host", *amz]
