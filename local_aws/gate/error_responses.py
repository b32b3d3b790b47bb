"""Error responses in the protocol of the called service: JSON, S3's XML, or the XML of the query protocol."""

import json
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError
from moto.core.utils import get_service_model

from local_aws.gate import headers
from local_aws.gate.errors import GateError
from local_aws.gate.signatures import S3
from local_aws.iam import IamError
from local_aws.wsgi import Environ, StartResponse

_FIRST_SERVER_ERROR = 500


def error_response(
    error: GateError | IamError, environ: Environ, service: str, start_response: StartResponse
) -> Iterable[bytes]:
    """Start and return the response for an error; `service` is empty when it is unknown."""
    if isinstance(error, GateError):
        status, code, json_code = error.status, error.code, error.json_code
    else:
        status, code, json_code = 403, error.code, f"{error.code}Exception"
    if _uses_json(environ, service):
        status = status if status >= _FIRST_SERVER_ERROR else 400
        return _respond(environ, start_response, status, json_code, _json_body(json_code, str(error)))
    return _respond(environ, start_response, status, code, _xml_body(code, str(error), service))


def _respond(
    environ: Environ, start_response: StartResponse, status: int, code: str, content: tuple[str, bytes]
) -> Iterable[bytes]:
    content_type, body = content
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", code)]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _json_body(code: str, message: str) -> tuple[str, bytes]:
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()


def _xml_body(code: str, message: str, service: str) -> tuple[str, bytes]:
    printable = "".join(char if char.isprintable() else "?" for char in message)  # XML has no control characters
    details = f"<Code>{escape(code)}</Code><Message>{escape(printable)}</Message>"
    request_id = f"<RequestId>{uuid.uuid4()}</RequestId>"
    text = (
        f"<Error>{details}{request_id}</Error>"
        if service in {"", S3}
        else f"<ErrorResponse><Error><Type>Sender</Type>{details}</Error>{request_id}</ErrorResponse>"
    )
    return "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _uses_json(environ: Environ, service: str) -> bool:
    if "HTTP_X_AMZ_TARGET" in environ or "json" in headers.media_type(environ):
        return service != S3
    try:
        return service not in {"", S3} and "json" in str(get_service_model(service).protocol)
    except BotoCoreError:
        return False
