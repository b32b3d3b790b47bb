"""What a signed HTTP request to AWS asks for: read as far as it takes to judge it, and left for others to read."""

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

from local_aws.gate import bodies
from local_aws.gate.errors import MalformedRequestError
from local_aws.gate.reading import PRESIGNED
from local_aws.gate.signatures import S3, Environ
from local_aws.iam import Call
from local_aws.iam.conditions import listed
from local_aws.iam.policies import LANGUAGE

_SERVICES = {"monitoring": "cloudwatch"}
"""The services that sign by another name than that of their API."""

_ELSEWHERE = re.compile(r"/(v20180820|latest/meta-data|latest/api)/.*|/favicon\.ico.*|/moto-api.*", re.DOTALL)
"""Paths at which moto answers for something else than the service that was signed for."""

_QUERY = {"ec2", "query"}
"""The protocols whose parameters are in a form or in the query string, and not in the path."""

_LONGEST_NUMBER = 19
_KEYED = {"Key", "VersionId"}
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
"""Parameters by which moto knows an operation of S3; without them it takes it for that on the object or the bucket."""

_LEFT_OUT = {
    "CreateMultipartUpload": {"ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"},
    "DeleteObject": {"IfMatchLastModifiedTime", "IfMatchSize"},
    "PutObjectAcl": {"VersionId"},
    "RestoreObject": {"VersionId"},
}
"""Parameters that moto overlooks, and carries an operation of S3 out as if they were not there."""


def read(environ: Environ, signed_for: str, region: str, account: str) -> Call:
    """Return the call that a request makes, which is signed for a service in a region.

    An operation that is not known has the name of its method and path. Raises `MalformedRequestError`.
    """
    service = _SERVICES.get(signed_for, signed_for)
    operation, parameters = _asked(environ, service)
    return Call(service, operation, parameters, region, account)


def check_types(environ: Environ, signed_for: str) -> None:
    """Raise `MalformedRequestError` for a request in JSON with a parameter of another type than its operation takes.

    Else one reader would take it for one thing, and another one for another: `["x"]` has `x` in it, but is not `x`.
    """
    if "HTTP_X_AMZ_TARGET" not in environ:
        return
    environ["wsgi.input"].seek(0)
    try:
        operation, _ = get_service_router(_SERVICES.get(signed_for, signed_for)).match(Request(environ))
    except (HTTPException, BotoCoreError, NotImplementedError):
        return  # an operation that nobody knows
    found = _faults_of_json(operation, _body(environ)).splitlines()
    if wrong := [each for each in found if each.startswith("Invalid type for parameter")]:
        raise MalformedRequestError("\n".join(wrong))


def faults(environ: Environ) -> str:
    """Return what AWS's model of an operation says against what a request has in JSON or XML, or nothing."""
    try:
        service = environ["HTTP_AUTHORIZATION"].split("/")[3]
        environ["wsgi.input"].seek(0)
        operation, _ = get_service_router(_SERVICES.get(service, service)).match(Request(environ))
        if service == S3:
            return _faults_of_xml(operation, _body(environ))
        if "HTTP_X_AMZ_TARGET" in environ:
            return _faults_of_json(operation, _body(environ))
    except (HTTPException, BotoCoreError, NotImplementedError, OSError, ValueError, LookupError, AttributeError):
        pass  # it has not come that far
    return ""


def _faults_of_json(operation: Any, body: bytes) -> str:
    def there(members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}  # to AWS, null is nothing

    parameters = json.loads(body or b"{}", object_hook=there)
    return _report(parameters, operation.input_shape) if operation.input_shape else ""


def _faults_of_xml(operation: Any, body: bytes) -> str:
    payload = operation.input_shape.serialization.get("payload") if operation.input_shape else None
    shape = operation.input_shape.members[payload] if payload else None
    if shape is None or shape.type_name != "structure":
        return ""
    parser, name = RestXMLParser(operation), shape.serialization.get("name", payload)
    try:
        root = ET.fromstring(body)  # noqa: S314 - signed with a key of this world
        parameters = parser._parse_shape(shape, root)  # noqa: SLF001 - all of `parse` but the headers
    except (ET.ParseError, ValueError, TypeError) as error:
        return f"{name} cannot be read: {error}"
    if root.tag.rpartition("}")[2] != name or not len(root):
        return f"The body is not {name} with elements."
    return _report(parameters, shape)


def _report(parameters: Any, shape: Any) -> str:
    report = ParamValidator().validate(parameters, shape)
    return str(report.generate_report()) if report.has_errors() else ""


def _asked(environ: Environ, service: str) -> tuple[str, Mapping[str, Any]]:
    unknown = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    if _ELSEWHERE.fullmatch(environ["PATH_INFO"]):
        return unknown, {}
    body = b"" if service == S3 else _body(environ)  # those of S3 are objects
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, parameters = get_service_router(service).match(request)
    except (HTTPException, BotoCoreError, NotImplementedError) as error:
        if service == S3:
            raise MalformedRequestError("S3 has no such operation.", code="MethodNotAllowed") from error
        return unknown, {}
    if service != S3 and "HTTP_X_AMZ_TARGET" in environ:
        return operation.name, json.loads(body or b"{}")
    if determine_request_protocol(get_service_model(service), request.content_type) in _QUERY:
        return operation.name, request.values.to_dict()
    if service == S3 and (strange := _strange(operation, request)):
        words = f"{operation.name} has no parameter {', '.join(strange)} in its query string."
        raise MalformedRequestError(words, code="InvalidArgument")
    parameters |= _bound(operation, request)
    if service == S3:
        _check_implemented(operation, request, parameters)
    if operation.name == "PutBucketPolicy":
        _check_policy(_body(environ))
    if operation.name == "DeleteObjects":
        parameters["Keys"] = _keys_to_delete(environ)
    return operation.name, parameters


def _check_implemented(operation: Any, request: Request, parameters: Mapping[str, Any]) -> None:
    """Raise `MalformedRequestError` for an operation of S3 that moto would take for another one."""
    if left_out := _LEFT_OUT.get(operation.name, set()) & set(parameters):
        words = f"{operation.name} with {', '.join(sorted(left_out))} is not implemented by this endpoint."
        raise MalformedRequestError(words, code="NotImplemented")
    if operation.name == "PostObject":
        words = "Bucket POST must be of the enclosure-type multipart/form-data, and not be signed in another way."
        raise MalformedRequestError(words, code="PreconditionFailed")
    kind = "key" if "{Key" in operation.http_trait.path else "bucket"
    known = _IMPLEMENTED.get((request.method, kind))
    if known is not None and (missing := set(operation.http_trait.query_args) - known - {"x-id"}):
        words = f"{operation.name} is not implemented by this endpoint: {', '.join(missing)}."
        raise MalformedRequestError(words, code="NotImplemented")
    members = operation.input_shape.members.values() if operation.input_shape else ()
    headers = {str(each.serialization.get("name")).lower() for each in members}
    for name in request.headers.keys():  # noqa: SIM118 - they are pairs
        if name.lower().startswith("x-amz-grant-") and name.lower() not in headers:
            raise MalformedRequestError(f"{operation.name} has no header {name}.", code="InvalidArgument")


def _keys_to_delete(environ: Environ) -> list[tuple[str, str]]:
    """Return the keys of a DeleteObjects request with their versions, and leave its body with nothing else in it."""
    refused = MalformedRequestError("The XML you provided was not well-formed.", code="MalformedXML")
    try:
        root = ET.fromstring(_body(environ))  # noqa: S314 - signed with a key of this world
    except (ET.ParseError, ValueError, LookupError) as error:
        raise refused from error
    space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    found, again = [], ET.Element("Delete")
    for each in root:
        names = [child.tag.removeprefix(space) for child in each]
        texts = {name: child.text or "" for name, child in zip(names, each, strict=True) if not len(child)}
        if each.tag.removeprefix(space) == "Quiet" and not names:
            continue
        if each.tag.removeprefix(space) != "Object" or len(texts) != len(names) or not {"Key"} <= set(texts) <= _KEYED:
            raise refused
        found.append((texts["Key"], texts.get("VersionId", "")))
        one = ET.SubElement(again, "Object")
        for name, text in zip(("Key", "VersionId"), found[-1], strict=True):
            if text:
                ET.SubElement(one, name).text = text
    if root.tag.removeprefix(space) != "Delete" or not found:
        raise refused
    # A carriage return that is written as it is would be read as a line feed.
    bodies.replace(environ, ET.tostring(again, encoding="utf-8").replace(b"\r", b"&#13;"))
    return found


def _check_policy(body: bytes) -> None:
    """Raise `MalformedRequestError` for a bucket policy that nobody could judge."""
    try:
        policy = json.loads(body.decode())
        found = listed(policy["Statement"])
        is_policy = bool(found) and all(map(_is_statement, found))
        has_variables = "${" in json.dumps(found) and policy.get("Version") != LANGUAGE
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_policy = has_variables = False
    if has_variables:
        words = f"A policy with variables needs the Version {LANGUAGE}: in an older one they are not replaced."
        raise MalformedRequestError(words, code="MalformedPolicy")
    if not is_policy:
        words = "The policy is not JSON with statements, each of which has an Effect."
        raise MalformedRequestError(words, code="MalformedPolicy")


def _is_statement(found: Any) -> bool:
    """Whether a statement of a bucket's policy has all its parts, each of its kind."""
    conditions = found.get("Condition", {}).values()
    actions, resources = (listed(found.get(name, found.get(f"Not{name}"))) for name in ("Action", "Resource"))
    return (
        found["Effect"] in {"Allow", "Deny"}
        and bool(actions and resources)
        and all(isinstance(text, str) for text in (*actions, *resources))
        and all(isinstance(tests, dict) for tests in conditions)
    )


def _strange(operation: Any, request: Request) -> list[str]:
    """Return the parameters of a query string that an operation does not have."""
    members = operation.input_shape.members.values() if operation.input_shape else ()
    bound = {
        str(each.serialization["name"]).lower()
        for each in members
        if each.serialization.get("location") == "querystring"
    }
    known = bound | {name.lower() for name in operation.http_trait.query_args} | PRESIGNED | {"x-id"}
    return [name for name in request.args if name.lower() not in known]


def _bound(operation: Any, request: Request) -> dict[str, str]:
    """Return the parameters that a REST request has in its query and its headers."""
    found = {}
    for name, member in operation.input_shape.members.items() if operation.input_shape else ():
        place, key = member.serialization.get("location"), str(member.serialization.get("name"))
        if place == "querystring" and key in request.args:
            found[name] = request.args[key]
            if member.type_name == "integer" and not (found[name].isdecimal() and len(found[name]) <= _LONGEST_NUMBER):
                raise MalformedRequestError(
                    f"Provided {key} not an integer or within integer range", code="InvalidArgument"
                )
        elif place == "header" and key in request.headers:
            found[name] = request.headers[key]
    return found


def _body(environ: Environ) -> bytes:
    """Return the body, and put it back for whoever reads it next."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
