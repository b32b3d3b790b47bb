"""Signature Version 4: parsing and verification.

Source: AWS IAM user guide, "AWS Signature Version 4 for API requests", and Amazon S3's API reference, "Authenticating
Requests". The computation itself is botocore's.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Self

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import get_session
from moto.backend_index import backend_url_patterns

from local_aws.gate.canonical import canonical_request, headers_to_sign, query_pairs
from local_aws.gate.errors import (
    IncompleteSignatureError,
    SignatureMismatchError,
    SignatureVersionError,
    TimeSkewError,
    UnsignedError,
)
from local_aws.wsgi import Environ

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
"""The resolution of signing times, and the only tolerance for times in the future: client and endpoint share a clock.

AWS tolerates 15 minutes in the future too. Here that would let a process that listened on this port before the endpoint
mislead a client into signing for a time after the start of the endpoint.
"""

_MAX_SECONDS = 7 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of a signature; as text `<access key>/<date>/<region>/<service>/aws4_request`."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a scope; raise `IncompleteSignatureError` when it is malformed."""
        match = _SCOPE.fullmatch(text)
        if not match:
            raise IncompleteSignatureError("Credential is not <access key>/<date>/<region>/<service>/aws4_request")
        scope = cls(*match.groups())
        if scope.region not in _regions():
            raise IncompleteSignatureError(f"AWS has no region {scope.region}")
        if scope.service != S3 and _backend(scope.service, scope.region) == S3:
            raise IncompleteSignatureError(f"the signing name of S3 is s3, not {scope.service}")
        return scope

    def __str__(self) -> str:
        """Return the text of the scope in a request."""
        return f"{self.access_key}/{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a request.

    `timestamp` is the time of signing in UTC; `seconds` is the lifetime of a presigned URL, None for a header.
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
        """Return the signature with these parts; raise `IncompleteSignatureError` when one is malformed."""
        if not _NAMES.fullmatch(signed_headers) or not _DIGEST.fullmatch(value):
            raise IncompleteSignatureError("SignedHeaders or Signature is malformed")
        return cls(Scope.parse(scope), tuple(signed_headers.split(";")), value, timestamp, token, seconds)

    def check_time(self, started: datetime) -> None:
        """Raise `TimeSkewError` when the signature has expired: after 15 minutes, or the lifetime of a presigned URL.

        A request that is not presigned must also be signed after the endpoint was `started`: a process that listened on
        this port before may have recorded older ones. A presigned URL is meant to be shared until it expires.
        """
        check_time(self.scope, self.timestamp, timedelta(seconds=self.seconds) if self.seconds else _SKEW)
        if self.seconds is None and _parse_time(self.timestamp) < started - _RESOLUTION:
            raise TimeSkewError(self.timestamp)

    def verify(self, environ: Environ, secret: str, payload: str) -> None:
        """Raise `SignatureMismatchError` unless the request is signed with `secret`; `payload` is the body's hash."""
        missing = [name for name in headers_to_sign(environ) if name not in self.signed_headers]
        if missing:
            raise SignatureMismatchError(f"these headers must be signed: {', '.join(missing)}")
        signer = Signer(self.scope, self.timestamp, secret)
        normalize_path = self.scope.service != S3
        canonical = canonical_request(environ, self.signed_headers, payload, normalize_path=normalize_path)
        if not hmac.compare_digest(self.value, signer.of_request(canonical)):
            raise SignatureMismatchError


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with a secret key, for one scope and time."""

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
    """Return the signature of a request, from its header or its query string.

    Raises `UnsignedError` when there is none, `SignatureVersionError` for one of another version and
    `IncompleteSignatureError` for one that is incomplete, duplicate, or without a time.
    """
    header = environ.get("HTTP_AUTHORIZATION")
    pairs = [pair for pair in query_pairs(environ) if pair[0].startswith("X-Amz-")]
    parameters = dict(pairs)
    if header is not None and "X-Amz-Signature" in parameters:
        raise IncompleteSignatureError("the request is signed both in a header and in the query string")
    if header is not None:
        return _from_header(environ, header)
    if "X-Amz-Signature" in parameters:
        if len(parameters) != len(pairs):
            raise IncompleteSignatureError("the query string has a parameter of the signature twice")
        return _from_query(parameters)
    if "AWSAccessKeyId=" in environ.get("QUERY_STRING", ""):
        raise SignatureVersionError
    raise UnsignedError


def check_time(scope: Scope, timestamp: str, lifetime: timedelta) -> None:
    """Raise `TimeSkewError` for a `timestamp` of another day than the scope's, in the future, or past `lifetime`."""
    age = datetime.now(UTC) - _parse_time(timestamp)
    if timestamp[:8] != scope.date or age < -_RESOLUTION or age > lifetime:
        raise TimeSkewError(timestamp)


def _from_header(environ: Environ, header: str) -> Signature:
    if not header.startswith(ALGORITHM):
        raise SignatureVersionError
    match = _HEADER.fullmatch(header)
    if not match:
        raise IncompleteSignatureError("the Authorization header lacks Credential, SignedHeaders or Signature")
    return Signature.of(
        match[1], match[2], match[3], _timestamp(environ), token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN"), seconds=None
    )


def _from_query(parameters: dict[str, str]) -> Signature:
    try:
        seconds = int(parameters["X-Amz-Expires"])
        scope, headers, value, timestamp = (
            parameters[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders", "Signature", "Date")
        )
        token = parameters.get("X-Amz-Security-Token")
        signature = Signature.of(scope, headers, value, timestamp, token=token, seconds=seconds)
    except (KeyError, ValueError) as error:
        raise IncompleteSignatureError(f"the query string lacks {error}") from error
    if parameters.get("X-Amz-Algorithm") != ALGORITHM:
        raise SignatureVersionError
    if not 0 < seconds <= _MAX_SECONDS:
        raise IncompleteSignatureError("X-Amz-Expires is not between 1 and 604800 seconds")
    return signature


def _timestamp(environ: Environ) -> str:
    if "HTTP_X_AMZ_DATE" in environ:
        return str(environ["HTTP_X_AMZ_DATE"])
    try:
        return parsedate_to_datetime(environ["HTTP_DATE"]).astimezone(UTC).strftime(_TIMESTAMP)
    except (KeyError, ValueError, OverflowError) as error:
        raise IncompleteSignatureError("the request has neither an X-Amz-Date nor a Date") from error


def _parse_time(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise IncompleteSignatureError(f"the time is not of the form {_TIMESTAMP}") from error


@cache
def _backend(service: str, region: str) -> str | None:
    """Return the name of moto's backend for a service, by its host name; None if there is none."""
    host = f"https://{service}.{region}.amazonaws.com"
    return next((name for name, pattern in backend_url_patterns if pattern.match(host)), None)


@cache
def _regions() -> frozenset[str]:
    return frozenset(get_session().get_available_regions("sts", "aws"))
