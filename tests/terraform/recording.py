"""Recording of the requests to a local AWS: their operations, actions, and what AWS's models object to."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from xml.etree import ElementTree as ET

from botocore.model import OperationModel, Shape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.parse import PROTOCOL_PARSERS, RequestParser
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from local_aws.address import REGION
from local_aws.gate import bodies, requests
from local_aws.iam import s3_operations
from local_aws.iam.calls import Call
from local_aws.wsgi import Environ, StartResponse, WsgiApp

_BUDGETS = {"Create": "ModifyBudget", "Update": "ModifyBudget", "Delete": "ModifyBudget", "Describe": "ViewBudget"}
_ACTIONS = {"quicksight:DescribeDashboardDefinition": "quicksight:DescribeDashboard"}
"""The actions of operations that the Service Authorization Reference does not list under their own names."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A request: `service:Operation`, the IAM actions that it needs, and the problems with its parameters."""

    operation: str
    actions: list[str]
    problems: list[str]


class Recording:
    """WSGI middleware that appends each request to a file of JSON lines."""

    def __init__(self, app: WsgiApp, file: Path) -> None:
        """Wrap `app`."""
        self._app = app
        self._file = file
        self._lock = Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Record a request and pass it on."""
        line = json.dumps(asdict(record(environ)))
        with self._lock, self._file.open("a") as file:
            file.write(f"{line}\n")
        return self._app(environ, start_response)


def read(file: Path) -> list[RecordedCall]:
    """Return the recorded calls in a file."""
    return [RecordedCall(**json.loads(line)) for line in file.read_text().splitlines()]


def record(environ: Environ) -> RecordedCall:
    """Return the call of a signed request, whose body stays readable."""
    signing_name = environ["HTTP_AUTHORIZATION"].split("/")[3]
    call = requests.read(environ, signing_name, REGION, DEFAULT_ACCOUNT_ID)
    body = bodies.peek(environ)
    return RecordedCall(str(call), actions(call), problems(call.service, environ, body))


def actions(call: Call) -> list[str]:
    """Return the IAM actions that a call needs, by the Service Authorization Reference."""
    if call.service == "s3":
        return [need.action for need in s3_operations.needs(call) or s3_operations.settings(call)]
    if call.service == "budgets" and not call.operation.endswith(("Resource", "Action")):
        return [next(f"budgets:{action}" for verb, action in _BUDGETS.items() if call.operation.startswith(verb))]
    return [_ACTIONS.get(str(call), str(call))]


def problems(service: str, environ: Environ, body: bytes) -> list[str]:
    """Return what AWS's model of its operation objects to in a request: unknown, missing and wrong parameters."""
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, path = get_service_router(service).match(request)
    except (HTTPException, NotImplementedError) as error:
        return [f"{service} has no operation for {request.method} {request.path}: {error}"]
    if operation.input_shape is None:
        return []
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    parameters = _parameters(protocol, operation, request, body, path)
    report = ParamValidator().validate(parameters, operation.input_shape)
    found = report.generate_report().splitlines() or _unknown(protocol, operation, request, body, parameters)
    return [f"{service}:{operation.name}: {problem}" for problem in found]


def _parameters(
    protocol: str, operation: OperationModel, request: Request, body: bytes, path: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters by their names in the model; those in JSON as they were sent, also if they are unknown."""
    if protocol == "json":
        return _json(body)
    sent = {
        "body": body,
        "headers": request.headers,
        "method": request.method,
        "url_params": path,
        "url_path": request.path,
        "values": request.values,
    }
    parameters: dict[str, Any] = _parser(protocol)(operation).parse(sent)
    if protocol != "rest-json":
        return parameters
    members = operation.input_shape.members
    located = {name: value for name, value in parameters.items() if "location" in members[name].serialization}
    names = {member.serialization.get("name", name): name for name, member in members.items()}
    return located | {names.get(name, name): value for name, value in _json(body).items()}


@cache
def _parser(protocol: str) -> type[RequestParser]:
    """Return moto's parser of a protocol, which keeps numbers and times that are none, for the validator to report."""
    parser: type[RequestParser] = PROTOCOL_PARSERS[protocol]

    class Parser(parser):  # type: ignore[misc, valid-type]
        def _parse_shape(self, shape: Shape, node: Any, *prefix: str) -> Any:
            try:
                return super()._parse_shape(shape, node, *prefix)
            except ValueError:
                return node.get(*prefix) if prefix else getattr(node, "text", node)

    return Parser


def _unknown(
    protocol: str, operation: OperationModel, request: Request, body: bytes, parameters: Mapping[str, Any]
) -> list[str]:
    """Return what was sent in a form or in XML and is not among the parameters that the model knows."""
    if protocol in ("ec2", "query"):
        known = create_serializer(protocol, False).serialize_to_request(parameters, operation)["body"]
        return [f'Unknown parameter in input: "{name}"' for name in request.form if name not in known]
    payload = operation.input_shape.serialization.get("payload")
    if protocol == "rest-xml" and body and payload and operation.input_shape.members[payload].type_name == "structure":
        known = create_serializer(protocol, False).serialize_to_request(parameters, operation)["body"]
        return [f'Unknown element in input: "{element}"' for element in sorted(_elements(body) - _elements(known))]
    return []


def _elements(document: bytes) -> set[str]:
    """Return the paths of all elements of an XML document."""

    def walk(element: ET.Element, parent: str) -> Iterator[str]:
        path = f"{parent}/{element.tag.rpartition('}')[2]}"
        yield path
        for child in element:
            yield from walk(child, path)

    return set(walk(ET.fromstring(document), ""))  # noqa: S314 - sent by a test


def _json(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; AWS treats null as absent."""

    def without_null(members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}

    parameters: dict[str, Any] = json.loads(body or b"{}", object_hook=without_null)
    return parameters
