"""Parsing of signed HTTP requests into API calls, as far as authorization needs it; the body stays readable."""

import io
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from botocore.exceptions import BotoCoreError
from botocore.validate import ParamValidator
from moto.core.parse import RestXMLParser
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from local_aws.gate import bodies, s3_bodies
from local_aws.gate.errors import MalformedRequestError
from local_aws.gate.normalization import PRESIGNED
from local_aws.gate.signatures import S3
from local_aws.iam import Call
from local_aws.wsgi import Environ

_SERVICES = {"monitoring": "cloudwatch"}
"""API names of the services whose signing name differs."""

_OTHER_SERVICE_PATHS = re.compile(r"/(v20180820|latest/meta-data|latest/api)/.*|/favicon\.ico.*|/moto-api.*", re.DOTALL)
"""Paths at which moto serves another service than the one in the signature."""

_QUERY_PROTOCOLS = {"ec2", "query"}
"""The protocols whose parameters are in a form or in the query string, and not in the path."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""The escape sequence in JSON of one half of a surrogate pair."""

_MAX_DIGITS = 19
_BUCKET_SETTINGS = {
    *("object-lock", "versioning", "lifecycle", "policy", "acl", "tagging", "website", "cors", "logging"),
    *("notification", "accelerate", "publicAccessBlock", "encryption", "replication", "ownershipControls", "inventory"),
}
_LISTINGS = {"list-type", "location", "policyStatus", "requestPayment", "uploads", "versions"}
_IMPLEMENTED = {
    ("GET", "bucket"): _BUCKET_SETTINGS | _LISTINGS,
    ("GET", "key"): {"acl", "tagging", "legal-hold", "attributes"},
    ("PUT", "key"): {"acl", "tagging", "retention", "legal-hold"},
    ("DELETE", "key"): {"tagging"},
    ("POST", "key"): {"uploads", "restore", "select", "select-type"},
    ("PUT", "bucket"): _BUCKET_SETTINGS,
    ("DELETE", "bucket"): _BUCKET_SETTINGS
    - {"object-lock", "versioning", "acl", "logging", "notification", "accelerate", "inventory"},
    ("POST", "bucket"): {"delete"},
}
"""Subresources by which moto recognizes an S3 operation; it would take others for the plain object or bucket one."""

_IGNORED_PARAMETERS = {
    "CreateMultipartUpload": {"ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"},
    "DeleteObject": {"IfMatchLastModifiedTime", "IfMatchSize"},
    "PutObjectAcl": {"VersionId"},
    "RestoreObject": {"VersionId"},
}
"""Parameters of S3 operations that moto ignores."""


def read(environ: Environ, signing_name: str, region: str, account: str) -> Call:
    """Return the API call of a request; `signing_name` is the service in its signature.

    An unknown operation is named by method and path. Raises `MalformedRequestError`.
    """
    service = _SERVICES.get(signing_name, signing_name)
    operation, parameters = _operation_and_parameters(environ, service)
    return Call(service, operation, parameters, region, account)


def check_text(environ: Environ) -> None:
    """Raise `MalformedRequestError` for a JSON body with half a surrogate pair, which no file and no log can contain.

    A listing with a name that has one would fail for every caller. moto reads JSON whatever the media type is.
    """
    environ["wsgi.input"].seek(0)
    body = bodies.peek(environ)
    if not _SURROGATE.search(body):
        return
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedRequestError(f"The body has an unpaired surrogate: {error.reason}") from error
    except ValueError:
        return  # invalid JSON


def check_types(environ: Environ, signing_name: str) -> None:
    """Raise `MalformedRequestError` for a JSON request with a parameter of a wrong type.

    Authorization and moto could interpret it differently: `"x" in ["x"]`, but `["x"] != "x"`.
    """
    if "HTTP_X_AMZ_TARGET" not in environ:
        return
    environ["wsgi.input"].seek(0)
    try:
        operation, _ = get_service_router(_SERVICES.get(signing_name, signing_name)).match(Request(environ))
    except (HTTPException, BotoCoreError, NotImplementedError):
        return  # unknown operation
    errors = _json_report(operation, bodies.peek(environ)).splitlines()
    if type_errors := [each for each in errors if each.startswith("Invalid type for parameter")]:
        raise MalformedRequestError("\n".join(type_errors))


def validation_report(environ: Environ) -> str:
    """Return the validation errors of a JSON or XML body by AWS's model of the operation; empty if there are none."""
    try:
        service = environ["HTTP_AUTHORIZATION"].split("/")[3]
        environ["wsgi.input"].seek(0)
        operation, _ = get_service_router(_SERVICES.get(service, service)).match(Request(environ))
        if service == S3:
            return _xml_report(operation, bodies.peek(environ))
        if "HTTP_X_AMZ_TARGET" in environ:
            return _json_report(operation, bodies.peek(environ))
    except Exception:  # noqa: BLE001 - this only explains another failure, which may have been before the body was parsed
        return ""
    return ""


def _json_report(operation: Any, body: bytes) -> str:
    def without_null(members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}  # AWS treats null as absent

    parameters = json.loads(body or b"{}", object_hook=without_null)
    return _report(parameters, operation.input_shape) if operation.input_shape else ""


def _xml_report(operation: Any, body: bytes) -> str:
    payload = operation.input_shape.serialization.get("payload") if operation.input_shape else None
    shape = operation.input_shape.members[payload] if payload else None
    if shape is None or shape.type_name != "structure":
        return ""
    parser, name = RestXMLParser(operation), shape.serialization.get("name", payload)
    try:
        root = ET.fromstring(body)  # noqa: S314 - signed with a key of this world
        parameters = parser._parse_shape(shape, root)  # noqa: SLF001 - all of `parse` but the headers
    except (ET.ParseError, ValueError, TypeError) as error:
        return f"{name} cannot be parsed: {error}"
    if root.tag.rpartition("}")[2] != name or not len(root):
        return f"The body is not an element {name} with child elements."
    return _report(parameters, shape)


def _report(parameters: Any, shape: Any) -> str:
    try:
        report = ParamValidator().validate(parameters, shape)
    except (RuntimeError, OverflowError) as error:  # a time outside of the years 1 to 9999
        return f"Invalid type for parameter: {error}"
    return str(report.generate_report()) if report.has_errors() else ""


def _operation_and_parameters(environ: Environ, service: str) -> tuple[str, Mapping[str, Any]]:
    unknown = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    if _OTHER_SERVICE_PATHS.fullmatch(environ["PATH_INFO"]):
        return unknown, {}
    body = b"" if service == S3 else bodies.peek(environ)  # S3's are objects
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, parameters = get_service_router(service).match(request)
    except (HTTPException, BotoCoreError, NotImplementedError) as error:
        if service == S3:
            raise MalformedRequestError("S3 has no operation of this form.", code="MethodNotAllowed") from error
        return unknown, {}
    if service != S3 and "HTTP_X_AMZ_TARGET" in environ:
        return operation.name, json.loads(body or b"{}")
    if determine_request_protocol(get_service_model(service), request.content_type) in _QUERY_PROTOCOLS:
        return operation.name, request.values.to_dict()
    if service == S3 and (unknown_parameters := _unknown_parameters(operation, request)):
        message = f"{operation.name} has no query parameter {', '.join(unknown_parameters)}."
        raise MalformedRequestError(message, code="InvalidArgument")
    parameters |= _query_and_header_parameters(operation, request)
    if service == S3:
        _check_implemented(operation, request, parameters)
    if operation.name == "PutBucketPolicy":
        s3_bodies.check_policy(bodies.peek(environ))
    if operation.name == "DeleteObjects":
        parameters["Keys"] = s3_bodies.keys_to_delete(environ)
    return operation.name, parameters


def _check_implemented(operation: Any, request: Request, parameters: Mapping[str, Any]) -> None:
    """Raise `MalformedRequestError` for an S3 operation that moto does not implement or would take for another."""
    if ignored := _IGNORED_PARAMETERS.get(operation.name, set()) & set(parameters):
        message = f"{operation.name} with {', '.join(sorted(ignored))} is not implemented by this endpoint."
        raise MalformedRequestError(message, code="NotImplemented")
    if operation.name == "PostObject":
        message = "Bucket POST must be of the enclosure-type multipart/form-data, and only its policy may be signed."
        raise MalformedRequestError(message, code="PreconditionFailed")
    level = "key" if "{Key" in operation.http_trait.path else "bucket"
    implemented = _IMPLEMENTED.get((request.method, level))
    if implemented is not None and (missing := set(operation.http_trait.query_args) - implemented - {"x-id"}):
        message = f"{operation.name} is not implemented by this endpoint: {', '.join(missing)}."
        raise MalformedRequestError(message, code="NotImplemented")
    members = operation.input_shape.members.values() if operation.input_shape else ()
    headers = {str(each.serialization.get("name")).lower() for each in members}
    for name in request.headers.keys():  # noqa: SIM118 - they are pairs
        if name.lower().startswith("x-amz-grant-") and name.lower() not in headers:
            raise MalformedRequestError(f"{operation.name} has no header {name}.", code="InvalidArgument")


def _unknown_parameters(operation: Any, request: Request) -> list[str]:
    """Return the query parameters that an operation does not have."""
    members = operation.input_shape.members.values() if operation.input_shape else ()
    declared = {
        str(each.serialization["name"]).lower()
        for each in members
        if each.serialization.get("location") == "querystring"
    }
    known = declared | {name.lower() for name in operation.http_trait.query_args} | PRESIGNED | {"x-id"}
    return [name for name in request.args if name.lower() not in known]


def _query_and_header_parameters(operation: Any, request: Request) -> dict[str, str]:
    """Return the parameters of a REST request in its query string and its headers."""
    parameters = {}
    for name, member in operation.input_shape.members.items() if operation.input_shape else ():
        location, key = member.serialization.get("location"), str(member.serialization.get("name"))
        if location == "querystring" and key in request.args:
            value = parameters[name] = request.args[key]
            if member.type_name == "integer" and not (value.isdecimal() and len(value) <= _MAX_DIGITS):
                raise MalformedRequestError(
                    f"Provided {key} not an integer or within integer range", code="InvalidArgument"
                )
        elif location == "header" and key in request.headers:
            parameters[name] = request.headers[key]
    return parameters
