"""What a signed HTTP request to AWS asks for: read as far as it takes to judge it, and left for others to read."""

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from botocore.exceptions import BotoCoreError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from local_aws.iam.calls import Call

type Environ = dict[str, Any]

_SERVICES = {"monitoring": "cloudwatch"}
"""The services that sign by another name than that of their API."""

_PRESIGNED = {"x-id", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"} | {
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
}

_UNREAD = "s3"
"""The service whose bodies are not read: they are objects."""


def read(environ: Environ, signed_for: str, region: str, account: str) -> Call:
    """Return the call that a request makes, which is signed for a service in a region.

    An operation that cannot be told has the name of its path.
    """
    service = _SERVICES.get(signed_for, signed_for)
    operation, parameters = _asked(environ, service)
    return Call(service, operation, parameters, region, account)


def _asked(environ: Environ, service: str) -> tuple[str, Mapping[str, Any]]:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if service != _UNREAD and target:
        return target.rpartition(".")[2], json.loads(_body(environ) or b"{}")
    if service != _UNREAD and "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        form = dict(parse_qsl(_body(environ).decode()))
        return form.get("Action", ""), form
    request = Request(environ)
    try:
        operation, parameters = get_service_router(service).match(request)
    except (HTTPException, BotoCoreError, NotImplementedError):
        return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", {}
    if unknown := [name for name in request.args if name not in _arguments(operation)]:
        return f"{operation.name} with {', '.join(unknown)}", {}
    parameters |= _bound(operation, request)
    if operation.name == "DeleteObjects":
        parameters["Keys"] = keys_to_delete(_body(environ))
    return operation.name, parameters


def _arguments(operation: Any) -> set[str]:
    """Return what the query string of an operation may have: its parameters, and those of a presigned URL."""
    members = operation.input_shape.members.values() if operation.input_shape else ()
    bound = {str(each.serialization["name"]) for each in members if each.serialization.get("location") == "querystring"}
    return bound | set(operation.http_trait.query_args) | _PRESIGNED


def _bound(operation: Any, request: Request) -> dict[str, str]:
    """Return the parameters that a REST request has in its query and its headers."""
    found = {}
    for name, member in operation.input_shape.members.items() if operation.input_shape else ():
        place, key = member.serialization.get("location"), member.serialization.get("name")
        values = {"querystring": request.args, "header": request.headers}.get(place)
        if values is not None and key in values:
            found[name] = values[key]
    return found


def keys_to_delete(body: bytes) -> list[tuple[str, str]]:
    """Return the keys of a DeleteObjects request, each with its version or nothing."""
    objects = ET.fromstring(body).iterfind("{*}Object")  # noqa: S314 - signed with a key of this world
    return [(each.findtext("{*}Key") or "", each.findtext("{*}VersionId") or "") for each in objects]


def _body(environ: Environ) -> bytes:
    """Return the body, and put it back for whoever reads it next."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
