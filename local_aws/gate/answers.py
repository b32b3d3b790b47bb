"""Errors in the protocol of the service that was asked: JSON, S3's XML, or the XML of the query protocol."""

import json
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError
from moto.core.utils import get_service_model

from local_aws.gate import headers
from local_aws.gate.errors import GateError
from local_aws.gate.signatures import S3, Environ
from local_aws.iam import IamError

type StartResponse = Callable[..., Any]

_FAILED = 500


def refusal(
    error: GateError | IamError, environ: Environ, service: str, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer a request to `service`, which is empty where it is not known, with an error."""
    if isinstance(error, GateError):
        status, code, json_code = error.status, error.code, error.json_code
    else:
        status, code, json_code = 403, error.code, f"{error.code}Exception"
    if _speaks_json(environ, service):
        status = status if status >= _FAILED else 400
        return _answer(environ, start_response, status, json_code, _in_json(json_code, str(error)))
    return _answer(environ, start_response, status, code, _in_xml(code, str(error), service))


def _answer(
    environ: Environ, start_response: StartResponse, status: int, code: str, content: tuple[str, bytes]
) -> Iterable[bytes]:
    kind, body = content
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", code)]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _in_json(code: str, message: str) -> tuple[str, bytes]:
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()


def _in_xml(code: str, message: str, service: str) -> tuple[str, bytes]:
    printable = "".join(char if char.isprintable() else "?" for char in message)  # XML has no control characters
    told = f"<Code>{escape(code)}</Code><Message>{escape(printable)}</Message>"
    request = f"<RequestId>{uuid.uuid4()}</RequestId>"
    text = (
        f"<Error>{told}{request}</Error>"
        if service in {"", S3}
        else f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error>{request}</ErrorResponse>"
    )
    return "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _speaks_json(environ: Environ, service: str) -> bool:
    if "HTTP_X_AMZ_TARGET" in environ or "json" in headers.media_type(environ):
        return service != S3
    try:
        return service not in {"", S3} and "json" in str(get_service_model(service).protocol)
    except BotoCoreError:
        return False
