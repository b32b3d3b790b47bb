"""A fake QuickSight that validates requests by the service's model, stores resources and describes them.

Moto implements few of its operations.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.validate import ParamValidator

_NOT_FOUND = "ResourceNotFoundException"


@dataclass
class QuickSight:
    """Stored resources by kind and id: the parameters of the calls that created them."""

    port: int = 0
    data_sources: dict[str, Any] = field(default_factory=dict)
    data_sets: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    schedules: dict[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, dict[str, Any]]:
        """The resources that are described by their own ids, by kind."""
        return {"DataSource": self.data_sources, "DataSet": self.data_sets, "Dashboard": self.dashboards}

    def create(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Store the parameters, and return the response of the Create operation."""
        kind = operation.removeprefix("Create")
        name = parameters["DataSetId" if kind == "RefreshSchedule" else f"{kind}Id"]
        (self.schedules if kind == "RefreshSchedule" else self.kinds[kind])[name] = parameters
        arn = _arn(kind, name)
        return {"Arn": arn, "VersionArn": f"{arn}/version/1", "CreationStatus": "CREATION_SUCCESSFUL"}

    def describe(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the response of a Describe operation; raise KeyError if the resource does not exist."""
        if operation == "ListTagsForResource":
            return {"Tags": []}
        if operation == "DescribeRefreshSchedule":
            name = parameters["DataSetId"]
            return {"RefreshSchedule": self.schedules[name]["Schedule"], "Arn": _arn("RefreshSchedule", name)}
        [(kind, name, stored)] = [
            (kind, parameters[f"{kind}Id"], resources[parameters[f"{kind}Id"]])
            for kind, resources in self.kinds.items()
            if f"{kind}Id" in parameters
        ]
        times = dict.fromkeys(("CreatedTime", "LastUpdatedTime", "LastPublishedTime"), 1_800_000_000)
        status = {"Arn": _arn(kind, name), "Status": "CREATION_SUCCESSFUL"}
        match operation.removeprefix(f"Describe{kind}"):
            case "":
                version = status | {"VersionNumber": 1, "Description": stored.get("VersionDescription")}
                return {kind: stored | status | times | ({"Version": version} if kind == "Dashboard" else {})}
            case "Permissions":
                return {"Permissions": stored.get("Permissions", [])}
            case "Definition":
                return {"Definition": stored["Definition"], "ResourceStatus": "CREATION_SUCCESSFUL"}
        raise KeyError(operation)


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:quicksight:eu-west-2:123456789012:{kind.lower()}/{name}"


@contextmanager
def quicksight() -> Iterator[QuickSight]:
    """Serve QuickSight on a free port of 127.0.0.1 during the block."""
    model = botocore.session.get_session().get_service_model("quicksight")
    operations = [model.operation_model(name) for name in model.operation_names]
    service = QuickSight()

    def parse(method: str, path: str) -> tuple[Any, dict[str, Any]]:
        for operation in operations:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
            if operation.http["method"] == method and (match := re.fullmatch(pattern, path)):
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise KeyError(path)

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            operation, names = parse(self.command, self.path.partition("?")[0])
            parameters = names | body
            if problems := ParamValidator().validate(parameters, operation.input_shape).generate_report():
                self.send(400, {"Message": f"{operation.name}: {problems}"}, "InvalidParameterValueException")
                return
            try:
                handle = service.create if operation.name.startswith("Create") else service.describe
                self.send(200, handle(operation.name, parameters) | {"Status": 200})
            except KeyError as missing:
                self.send(404, {"Message": f"{operation.name}: {missing}"}, _NOT_FOUND)

        do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 - the names of the standard library

        def send(self, status: int, content: dict[str, Any], error: str = "") -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if error:
                self.send_header("X-Amzn-ErrorType", error)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_port
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
