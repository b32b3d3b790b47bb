"""What moto lacks of Glue's connections: changing one, removing one, and saying of which type one is."""

from datetime import UTC, datetime
from typing import Any

from moto.glue.models import FakeConnection, GlueBackend, glue_backends

from local_aws.glue.api import Answer, Request
from local_aws.glue.errors import EntityNotFoundError
from local_aws.glue.service import Glue

_moto_as_dict = FakeConnection.as_dict


def update_connection(glue: Glue, request: Request) -> Answer:
    """UpdateConnection: the new definition takes the place of the old one."""
    connection = _backend(glue).connections[_known(glue, request["Name"])]
    definition = request["ConnectionInput"]
    connection.connection_input = definition
    connection.connection_properties = definition.get("ConnectionProperties", {})
    connection.description = definition.get("Description")
    connection.updated_time = datetime.now(UTC)
    return {}


def delete_connection(glue: Glue, request: Request) -> Answer:
    """DeleteConnection."""
    del _backend(glue).connections[_known(glue, request["ConnectionName"])]
    return {}


def _known(glue: Glue, name: str) -> str:
    if name not in _backend(glue).connections:
        raise EntityNotFoundError(f"Connection {name} not found")
    return name


def _backend(glue: Glue) -> GlueBackend:
    return glue_backends[glue.world.account_id][glue.world.region]


def _as_dict(connection: FakeConnection, hide_password: bool = False) -> dict[str, Any]:
    described = _moto_as_dict(connection, hide_password)
    return {**described, "ConnectionType": connection.connection_input["ConnectionType"]}


FakeConnection.as_dict = _as_dict
