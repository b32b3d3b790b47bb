"""Glue's connections: the operations that moto lacks, and the type of a connection."""

from datetime import UTC, datetime
from typing import Any, override

from moto.glue.models import FakeConnection

from local_aws.glue.errors import EntityNotFoundError
from local_aws.glue.operations.base import ApiRequest, ApiResult, GlueOperations, operation


class LocalConnection(FakeConnection):  # type: ignore[misc] # moto is not typed
    """A connection that has a type."""

    @override
    def as_dict(self, hide_password: bool = False) -> dict[str, Any]:
        """Return the connection as GetConnection shows it."""
        return {**super().as_dict(hide_password), "ConnectionType": self.connection_input["ConnectionType"]}


class ConnectionOperations(GlueOperations):
    """The operations on connections that moto lacks."""

    @operation
    def update_connection(self, request: ApiRequest) -> ApiResult:
        """Replace the definition of a connection."""
        connection = self._connections[self._require(request["Name"])]
        definition = request["ConnectionInput"]
        connection.connection_input = definition
        connection.connection_properties = definition.get("ConnectionProperties", {})
        connection.description = definition.get("Description")
        connection.updated_time = datetime.now(UTC)
        return {}

    @operation
    def delete_connection(self, request: ApiRequest) -> ApiResult:
        """Remove a connection."""
        del self._connections[self._require(request["ConnectionName"])]
        return {}

    @property
    def _connections(self) -> dict[str, Any]:
        connections: dict[str, Any] = self.glue_backend.connections
        return connections

    def _require(self, name: str) -> str:
        if name not in self._connections:
            raise EntityNotFoundError(f"Connection {name} not found")
        return name
