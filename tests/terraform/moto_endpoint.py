"""A moto server for Terraform, with the S3 of the local endpoint: prints its port, serves until it is ended.

Run as a script, so that moto's state is in a process of its own.
"""

import logging
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from moto.glue.models import FakeConnection
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

from local_aws import s3
from local_aws.athena import workgroups
from local_aws.state import State

_connection_as_dict = FakeConnection.as_dict


def _with_its_type(connection: FakeConnection, hide_password: bool = False) -> dict[str, Any]:
    described = _connection_as_dict(connection, hide_password)
    return {**described, "ConnectionType": connection.connection_input["ConnectionType"]}


def _delete_connection(response: GlueResponse) -> str:
    response.glue_backend.connections.pop(response.parameters["ConnectionName"])
    return "{}"


def main() -> None:
    """Serve on a free port of 127.0.0.1."""
    FakeConnection.as_dict = _with_its_type  # moto forgets it, so every plan would set it again
    GlueResponse.delete_connection = _delete_connection  # moto makes connections and never removes one
    workgroups.install()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with TemporaryDirectory() as folder:
        # moto's own S3 lists versions while others are deleted, and fails; and it knows no conditions of a policy.
        s3.install(State(Path(folder)))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        print(server.get_host_and_port()[1], flush=True)  # noqa: T201 - the caller reads it
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        server.stop()


if __name__ == "__main__":
    main()
