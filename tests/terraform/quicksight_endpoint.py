"""A QuickSight that takes what the service's own model of it allows, keeps it and tells it again; moto knows few calls."""

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

_ABSENT = "ResourceNotFoundException"


@dataclass
class QuickSight:
    """What it was told, by kind and id: the parameters of each call that created something."""

    port: int = 0
    data_sources: dict[str, Any] = field(default_factory=dict)
    data_sets: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    schedules: dict[str, Any] = field(default_factory=dict)

    def create(self, operation: str, told: dict[str, Any]) -> dict[str, Any]:
        """Keep what was told and return where it is."""
        kept, identifier = {
            "CreateDataSource": (self.data_sources, told.get("DataSourceId")),
            "CreateDataSet": (self.data_sets, told.get("DataSetId")),
            "CreateDashboard": (self.dashboards, told.get("DashboardId")),
            "CreateRefreshSchedule": (self.schedules, told.get("DataSetId")),
        }[operation]
        kept[identifier] = told
        arn = _arn(operation.removeprefix("Create"), identifier)
        return {"Arn": arn, "VersionArn": f"{arn}/version/1", "CreationStatus": "CREATION_SUCCESSFUL"}

    def describe(self, operation: str, told: dict[str, Any]) -> dict[str, Any]:
        """Return what was kept, as the service would."""
        match operation, told:
            case "DescribeDataSource", {"DataSourceId": name}:
                return {"DataSource": _made("DataSource", name, self.data_sources[name])}
            case "DescribeDataSourcePermissions", {"DataSourceId": name}:
                return {"Permissions": self.data_sources[name].get("Permissions", [])}
            case "DescribeDataSet", {"DataSetId": name}:
                return {"DataSet": _made("DataSet", name, self.data_sets[name])}
            case "DescribeDataSetPermissions", {"DataSetId": name}:
                return {"Permissions": self.data_sets[name].get("Permissions", [])}
            case "DescribeRefreshSchedule", {"DataSetId": name}:
                return {"RefreshSchedule": self.schedules[name]["Schedule"], "Arn": _arn("RefreshSchedule", name)}
            case "DescribeDashboard", {"DashboardId": name}:
                version = {"VersionNumber": 1, "Status": "CREATION_SUCCESSFUL", "Arn": f"{_arn('Dashboard', name)}/1"}
                version["Description"] = self.dashboards[name]["VersionDescription"]
                times = dict.fromkeys(("CreatedTime", "LastUpdatedTime", "LastPublishedTime"), 1_800_000_000)
                return {"Dashboard": _made("Dashboard", name, self.dashboards[name]) | times | {"Version": version}}
            case "DescribeDashboardDefinition", {"DashboardId": name}:
                return {"Definition": self.dashboards[name]["Definition"], "ResourceStatus": "CREATION_SUCCESSFUL"}
            case "DescribeDashboardPermissions", {"DashboardId": name}:
                return {"Permissions": self.dashboards[name].get("Permissions", [])}
            case "ListTagsForResource", _:
                return {"Tags": []}
        raise KeyError(operation)


def _arn(kind: str, name: str | None) -> str:
    return f"arn:aws:quicksight:eu-west-2:123456789012:{kind.lower()}/{name}"


def _made(kind: str, name: str, told: dict[str, Any]) -> dict[str, Any]:
    return told | {"Arn": _arn(kind, name), "Status": "CREATION_SUCCESSFUL"}


@contextmanager
def quicksight() -> Iterator[QuickSight]:
    """Serve QuickSight on a free port of 127.0.0.1 for as long as the context lasts."""
    model = botocore.session.get_session().get_service_model("quicksight")
    operations = [model.operation_model(name) for name in model.operation_names]
    service = QuickSight()

    def called(method: str, path: str) -> tuple[Any, dict[str, Any]]:
        for operation in operations:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
            if operation.http["method"] == method and (found := re.fullmatch(pattern, path)):
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        raise KeyError(path)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            operation, names = called(self.command, self.path.partition("?")[0])
            told = names | body
            if wrong := ParamValidator().validate(told, operation.input_shape).generate_report():
                self.say(400, {"Message": f"{operation.name}: {wrong}"}, "InvalidParameterValueException")
                return
            try:
                does = service.create if operation.name.startswith("Create") else service.describe
                self.say(200, does(operation.name, told) | {"Status": 200})
            except KeyError as absent:
                self.say(404, {"Message": f"{operation.name}: {absent}"}, _ABSENT)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names of the standard library

        def say(self, status: int, content: dict[str, Any], error: str = "") -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if error:
                self.send_header("X-Amzn-ErrorType", error)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing of calls that went well."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_port
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
