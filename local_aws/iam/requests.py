"""What a signed HTTP request to AWS asks for: read as far as it takes to judge it, and left for others to read."""

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl
from xml.etree import ElementTree as ET

from botocore.exceptions import BotoCoreError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from local_aws.iam.calls import Call

type Environ = dict[str, Any]

_SERVICES = {"monitoring": "cloudwatch"}
"""The services that sign by another name than that of their API."""

_UNREAD = "s3"
"""The service whose bodies are not read: they are objects."""


class Signature:
    """By whom and for what a request was signed: `<access key>/<date>/<region>/<service>/aws4_request`."""

    def __init__(self, environ: Environ) -> None:
        """Read it from the header or the URL; a request that is not signed has no access key."""
        header = environ.get("HTTP_AUTHORIZATION", "")
        self.token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        scope = header.partition("Credential=")[2].partition(",")[0]
        if not scope and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):
            asked = parse_qs(environ["QUERY_STRING"])
            scope = asked["X-Amz-Credential"][0]
            self.token = asked.get("X-Amz-Security-Token", [None])[0]
        parts = [*scope.split("/"), "", "", "", ""]
        self.access_key, self.region, self.service = parts[0], parts[2], parts[3]


def read(environ: Environ, signature: Signature, account: str) -> Call:
    """Return the call that a request makes; an operation that cannot be told has the name of its path."""
    service = _SERVICES.get(signature.service, signature.service)
    operation, parameters = _asked(environ, service)
    return Call(service, operation, parameters, signature.region, account)


def _asked(environ: Environ, service: str) -> tuple[str, Mapping[str, Any]]:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rpartition(".")[2], json.loads(_body(environ) or b"{}")
    if service != _UNREAD and "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        form = dict(parse_qsl(_body(environ).decode()))
        return form.get("Action", ""), form
    request = Request(environ)
    try:
        operation, parameters = get_service_router(service).match(request)
    except (HTTPException, BotoCoreError, NotImplementedError):
        return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", {}
    parameters |= _bound(operation, request)
    if operation.name == "DeleteObjects":
        parameters["Keys"] = _keys(_body(environ))
    return operation.name, parameters


def _bound(operation: Any, request: Request) -> dict[str, str]:
    """Return the parameters that a REST request has in its query and its headers."""
    found = {}
    for name, member in operation.input_shape.members.items() if operation.input_shape else ():
        place, key = member.serialization.get("location"), member.serialization.get("name")
        values = {"querystring": request.args, "header": request.headers}.get(place)
        if values is not None and key in values:
            found[name] = values[key]
    return found


def _keys(body: bytes) -> list[tuple[str, str]]:
    """Return the keys of a DeleteObjects request, each with its version or nothing."""
    objects = ET.fromstring(body).iterfind("{*}Object")  # noqa: S314 - it comes from a job of one's own
    return [(each.findtext("{*}Key") or "", each.findtext("{*}VersionId") or "") for each in objects]


def _body(environ: Environ) -> bytes:
    """Return the body, and put it back for whoever reads it next."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
