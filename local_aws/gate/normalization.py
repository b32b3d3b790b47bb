"""Normalization of a request, so that moto executes the operation that was authorized.

moto looks for the operation in the query string, in any form, in text within a JSON body and even in the headers,
and takes the first of two. It looks for the region in the user agent and for the account in a header of its own. So
a request is passed on in canonical form, without anything that only moto would interpret.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes

from local_aws.gate import bodies, canonical, headers
from local_aws.gate.errors import MalformedRequestError
from local_aws.gate.signatures import ALGORITHM, S3, Scope
from local_aws.wsgi import Environ

_FORMS = {headers.FORM, headers.FIELDS}
_RPC_PATH = re.compile(r"/|/[0-9]{12}/[A-Za-z0-9_-]+(\.fifo)?")
"""The paths of services whose operation is not in the path: the root, or a queue."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")

PRESIGNED = {"x-amz-content-sha256", "x-amz-user-agent"} | {
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token")
}
"""Parameters, in lower case, that the query string of any presigned URL may have."""

_MOTO_HEADERS = ("HTTP_X_MOTO_ACCOUNT_ID", "HTTP_ACTION")


def normalize(environ: Environ, scope: Scope, *, is_form: bool) -> None:
    """Put a verified request into canonical form; raise `MalformedRequestError` when it is ambiguous."""
    environ["HTTP_AUTHORIZATION"] = f"{ALGORITHM} Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    for name in _MOTO_HEADERS:
        environ.pop(name, None)
    environ["HTTP_USER_AGENT"] = "signed"  # moto requires one, and takes `region/…` in it for the region
    if scope.service == S3:
        _normalize_s3(environ, is_form=is_form)
    else:
        _normalize_operation(environ, scope.service)


def _normalize_s3(environ: Environ, *, is_form: bool) -> None:
    path, query = canonical.canonical_path(environ), _query_without_headers(environ)
    environ["QUERY_STRING"] = query
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"{path}?{query}" if query else path
    bucket = path.split("/")[1]
    if bucket and not _BUCKET.fullmatch(bucket):
        raise MalformedRequestError("The specified bucket is not valid.", code="InvalidBucketName")
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        environ["HTTP_X_AMZ_COPY_SOURCE"] = _copy_source(environ["HTTP_X_AMZ_COPY_SOURCE"])
    has_body = environ["REQUEST_METHOD"] in bodies.METHODS_WITH_BODY
    if has_body and environ.get("HTTP_IF_NONE_MATCH", "*") != "*":
        raise MalformedRequestError("If-None-Match of a write must be *.", code="NotImplemented")
    if not has_body:
        bodies.replace(environ, b"")  # moto would look for parameters in it
    elif is_form:
        for name in [name for name in environ if name.startswith("HTTP_X_AMZ_")]:  # these are not signed
            del environ[name]
    elif environ["REQUEST_METHOD"] == "POST" and headers.media_type(environ) in _FORMS:
        environ["CONTENT_TYPE"] = "application/octet-stream"


def _query_without_headers(environ: Environ) -> str:
    """Return the query string without the headers in that of a presigned URL, which are added to `environ`."""
    pairs, names = [], set()
    for pair in canonical.canonical_query(environ).split("&"):
        name, _, value = pair.partition("=")
        if name.lower() in names:
            raise MalformedRequestError(f"The parameter {name} is in the query string twice.", code="InvalidArgument")
        names.add(name.lower())
        if name.lower().startswith("response-"):  # a response header
            headers.check(name, unquote(value))
        if not name.lower().startswith("x-amz-") or name.lower() in PRESIGNED:
            pairs.append(pair)
            continue
        name, value = unquote(name), unquote(value, encoding="latin-1")
        headers.check(name, value)
        header = f"HTTP_{name.upper().replace('-', '_')}"
        if header in environ:
            raise MalformedRequestError(f"{name} is both a header and in the query string.", code="InvalidArgument")
        environ[header] = value.strip(" \t")
    return "&".join(pairs)


def _copy_source(text: str) -> str:
    """Return the source of a copy in canonical form, `bucket/key?versionId=id`."""
    source, _, version = text.partition("?versionId=")
    bucket, _, key = unquote(source.removeprefix("/")).partition("/")
    if not _BUCKET.fullmatch(bucket) or not key or key.startswith("/") or not re.fullmatch(r"[A-Za-z0-9._-]*", version):
        raise MalformedRequestError("x-amz-copy-source is not bucket/key?versionId=id.", code="InvalidArgument")
    return quote(f"{bucket}/{key}") + (f"?versionId={version}" if version else "")


def _normalize_operation(environ: Environ, service: str) -> None:
    media_type, query = headers.media_type(environ), environ.get("QUERY_STRING", "")
    target = environ.get("HTTP_X_AMZ_TARGET")
    has_fields = media_type == headers.FIELDS
    is_rpc = bool(_RPC_PATH.fullmatch(environ["REQUEST_URI"].partition("?")[0]))
    has_body = environ["CONTENT_LENGTH"] != "0"
    if ((target or has_fields) and (query or not is_rpc)) or (is_rpc and query and has_body):
        raise MalformedRequestError("The request has parameters both in its URL and in its body.")
    if media_type in _FORMS and (target or not has_fields):
        raise MalformedRequestError(f"{service} does not accept the content type {media_type}.")
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        bodies.decompress(environ, bodies.MAX_BYTES)
    if has_fields:
        environ["CONTENT_TYPE"] = headers.FIELDS
    if has_fields or (is_rpc and query):
        pairs = parse_qsl(_text(environ) if has_fields else query, keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise MalformedRequestError("The request has a parameter twice.")
        if has_fields and "Action" not in dict(pairs):
            raise MalformedRequestError("The request has no Action.", code="MissingAction")
    elif target or "json" in media_type:
        content = _text(environ) or "{}"
        if target and not isinstance(_json(content), dict):
            raise MalformedRequestError("The body is not a JSON object.")
        bodies.replace(environ, content.replace("&", "\\u0026").encode())  # equal as JSON, without form fields


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"The body is not JSON: {error}") from error


def _text(environ: Environ) -> str:
    file = environ["wsgi.input"]
    content: bytes = file.read()
    file.seek(0)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"The body is not UTF-8: {error}") from error
