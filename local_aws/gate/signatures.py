"""Signature Version 4: by which key a request claims to be signed, and whether it is.

Source: AWS IAM user guide, "AWS Signature Version 4 for API requests", and Amazon S3's API reference, "Authenticating
Requests". The computation itself is botocore's.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import get_session
from botocore.utils import normalize_url_path
from moto.backend_index import backend_url_patterns
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

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
_HEADER = re.compile(rf"{ALGORITHM} +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=(\S+)")
_SCOPE = re.compile(r"([A-Za-z0-9]+)/([0-9]{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_NAMES = re.compile(r"[a-z0-9_-]+(?:;[a-z0-9_-]+)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_SKEW = timedelta(minutes=15)
_RESOLUTION = timedelta(seconds=1)
"""That of the time in a signature. Client and endpoint have one clock, so nothing is signed for a later time than now.

AWS allows for 15 minutes there too: a client that was told a wrong time by who had listened in the place of this
endpoint would sign for a time after its start.
"""

_MOST_SECONDS = 7 * 24 * 60 * 60
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
        scope = cls(*found.groups())
        if scope.region not in _regions():
            raise IncompleteSignatureError(f"AWS has no region {scope.region}")
        if scope.service != S3 and _backend(scope.service, scope.region) == S3:
            raise IncompleteSignatureError(f"{scope.service} is not the name by which S3 is signed for")
        return scope

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

    @classmethod
    def of(
        cls, scope: str, signed_headers: str, value: str, timestamp: str, *, token: str | None, seconds: int | None
    ) -> Self:
        """Return a signature of these parts; raise `IncompleteSignatureError` for one that is not of its form."""
        if not _NAMES.fullmatch(signed_headers) or not _DIGEST.fullmatch(value):
            raise IncompleteSignatureError("its SignedHeaders or its Signature have another form")
        return cls(Scope.parse(scope), tuple(signed_headers.split(";")), value, timestamp, token, seconds)

    def check_time(self, started: datetime) -> None:
        """Raise `TimeSkewError` unless the request is from the last 15 minutes, or not expired when presigned.

        One that is not presigned is from after the endpoint was started, too: who has listened in its place before may
        have kept it. A presigned URL is made to be handed on, and is good until it expires.
        """
        check_time(self.scope, self.timestamp, timedelta(seconds=self.seconds) if self.seconds else _SKEW)
        if self.seconds is None and _moment(self.timestamp) < started - _RESOLUTION:
            raise TimeSkewError(self.timestamp)

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
    if timestamp[:8] != scope.date or age < -_RESOLUTION or age > lasting:
        raise TimeSkewError(timestamp)


def _in_header(environ: Environ, header: str) -> Signature:
    if not header.startswith(ALGORITHM):
        raise SignatureVersionError
    found = _HEADER.fullmatch(header)
    if not found:
        raise IncompleteSignatureError("its Authorization header lacks Credential, SignedHeaders or Signature")
    return Signature.of(
        found[1], found[2], found[3], _timestamp(environ), token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN"), seconds=None
    )


def _in_query(asked: dict[str, str]) -> Signature:
    try:
        seconds = int(asked["X-Amz-Expires"])
        scope, headers, value, timestamp = (
            asked[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders", "Signature", "Date")
        )
        token = asked.get("X-Amz-Security-Token")
        found = Signature.of(scope, headers, value, timestamp, token=token, seconds=seconds)
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
    except (KeyError, ValueError, OverflowError) as error:
        raise IncompleteSignatureError("it has neither an X-Amz-Date nor a Date") from error


def _moment(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise IncompleteSignatureError(f"its time is not of the form {_TIMESTAMP}") from error


def path(environ: Environ) -> str:
    """Return the path of a request in the one spelling that is signed: each segment encoded once."""
    raw = environ["REQUEST_URI"].partition("?")[0]
    return "/".join(quote(unquote_to_bytes(segment.encode("latin-1")), safe="") for segment in raw.split("/"))


def query(environ: Environ) -> str:
    """Return the query string of a request in the one spelling that is signed: sorted, without its signature."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in _query(environ) if name != "X-Amz-Signature")
    return "&".join(f"{name}={value}" for name, value in pairs)


def _canonical(environ: Environ, signature: Signature, payload: str) -> str:
    """Return the canonical request."""
    headers = [f"{name}:{_header(environ, name)}\n" for name in signature.signed_headers]
    return "\n".join(
        (
            environ["REQUEST_METHOD"],
            path(environ) if signature.scope.service == S3 else quote(normalize_url_path(path(environ)), safe="/~"),
            query(environ),
            "".join(headers),
            ";".join(signature.signed_headers),
            payload,
        )
    )


def _query(environ: Environ) -> list[tuple[str, str]]:
    """Return the parameters of the query string, byte for byte (as Latin-1)."""
    return parse_qsl(environ["REQUEST_URI"].partition("?")[2], keep_blank_values=True, encoding="latin-1")


def _encoded(text: str) -> str:
    return quote(text, safe="", encoding="latin-1")


def _header(environ: Environ, name: str) -> str:
    value = environ.get(_SEPARATE.get(name) or f"HTTP_{name.upper().replace('-', '_')}")
    if value is None:
        raise SignatureMismatchError(f"the signed header {name} is not there")
    raw = re.sub("[ \t]+", " ", value).encode("latin-1")  # of which UTF-8 may have bytes that are blanks in Latin-1
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _to_be_signed(environ: Environ) -> list[str]:
    """Return the names of the headers of a request that a signature has to cover."""
    spelled = environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
    amz = [name for name in environ if name.startswith("HTTP_X_AMZ_")]
    return ["host", *(str(spelled.get(name, name[5:].replace("_", "-"))).lower() for name in amz)]


@cache
def _backend(service: str, region: str) -> str | None:
    """Return which of moto's backends answers for a service, by the name of its host."""
    host = f"https://{service}.{region}.amazonaws.com"
    return next((name for name, pattern in backend_url_patterns if pattern.match(host)), None)


@cache
def _regions() -> frozenset[str]:
    return frozenset(get_session().get_available_regions("sts", "aws"))
