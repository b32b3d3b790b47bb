"""An S3 endpoint over a state folder: in this process for most tests, in one of its own where that is to be killed."""

import contextlib
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from local_aws.endpoint import RequestHandler
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from local_aws import s3
from local_aws.gate import Gate
from local_aws.state import State

REGION = "eu-west-2"


class _Quiet(RequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@cache
def client(port: int) -> Any:
    """Return a client of the endpoint on `port`; it does not retry, so that tests see the first answer."""
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=40),
    )


@contextlib.contextmanager
def served(state: State) -> Iterator[int]:
    """Serve the S3 of `state` from this process; give the port."""
    s3.install(state)
    gate = Gate(DomainDispatcherApplication(create_backend_app), Credentials("local", "local"))
    server = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextlib.contextmanager
def spawned(state: State) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Serve the S3 of `state` from a new process; give the port and the process."""
    command = [sys.executable, "-u", __file__, str(state.root)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, cwd=root, env={"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 60)[0], "the endpoint did not come up"
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


def main() -> None:
    """Serve the state folder that the command line names until a signal ends it."""
    with served(State(Path(sys.argv[1]))) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
