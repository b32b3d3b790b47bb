"""Canonical requests of Signature Version 4.

Source: AWS IAM user guide, "Create a signed AWS API request".
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from botocore.utils import normalize_url_path
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from local_aws.gate.errors import SignatureMismatchError
from local_aws.wsgi import Environ

_UNPREFIXED_HEADERS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
"""The headers that WSGI does not prefix with `HTTP_`."""


def canonical_path(environ: Environ) -> str:
    """Return the canonical path of a request: each segment is URL-encoded once."""
    raw = environ["REQUEST_URI"].partition("?")[0]
    return "/".join(quote(unquote_to_bytes(segment.encode("latin-1")), safe="") for segment in raw.split("/"))


def canonical_query(environ: Environ) -> str:
    """Return the canonical query string of a request: sorted, without its signature."""
    pairs = sorted(
        (_encoded(name), _encoded(value)) for name, value in query_pairs(environ) if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def canonical_request(environ: Environ, signed_headers: Sequence[str], payload: str, *, normalize_path: bool) -> str:
    """Return the canonical request with these signed headers; `payload` is the body's hash.

    The path is normalized, and encoded twice, for every service but S3.
    """
    path = canonical_path(environ)
    headers = [f"{name}:{_header(environ, name)}\n" for name in signed_headers]
    return "\n".join(
        (
            environ["REQUEST_METHOD"],
            quote(normalize_url_path(path), safe="/~") if normalize_path else path,
            canonical_query(environ),
            "".join(headers),
            ";".join(signed_headers),
            payload,
        )
    )


def query_pairs(environ: Environ) -> list[tuple[str, str]]:
    """Return the parameters of the query string, decoded as Latin-1."""
    return parse_qsl(environ["REQUEST_URI"].partition("?")[2], keep_blank_values=True, encoding="latin-1")


def _encoded(text: str) -> str:
    return quote(text, safe="", encoding="latin-1")


def _header(environ: Environ, name: str) -> str:
    value = environ.get(_UNPREFIXED_HEADERS.get(name) or f"HTTP_{name.upper().replace('-', '_')}")
    if value is None:
        raise SignatureMismatchError(f"the signed header {name} is missing")
    # Only ASCII blanks: bytes of UTF-8 can be other blanks in Latin-1.
    raw = re.sub("[ \t]+", " ", value).encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def headers_to_sign(environ: Environ) -> list[str]:
    """Return the names of the headers that a signature must cover."""
    original_names = environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
    amz = [name for name in environ if name.startswith("HTTP_X_AMZ_")]
    return ["host", *(str(original_names.get(name, name[5:].replace("_", "-"))).lower() for name in amz)]
