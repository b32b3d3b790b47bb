"""The process that serves the dashboard of a world."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dashboards import access
from dashboards.access import Keys
from local_aws import processes
from local_aws.address import HOST
from local_aws.state import State
from ops.deploy import build
from ops.sandbox.errors import DashboardError

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Served:
    """A dashboard that is served: its `process`, its `address` with the key, and one that opens it once."""

    process: subprocess.Popen[bytes]
    address: str
    single_use_address: str


@contextmanager
def serving(state: State, port: int | None = None) -> Iterator[Served]:
    """Serve the dashboard during the block; its process ends with the block.

    Without a `port` it takes a free one. Raises `DashboardError` when the port is taken, or nothing answers on it.
    """
    if port is not None and not processes.port_is_free(port):
        raise DashboardError(f"Port {port} is taken: name another one with --port, or none for one that is free.")
    chosen = port if port is not None else processes.free_ports(1)[0]
    log = state.logs / "dashboard.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = _start(state, chosen, keys := Keys(), output.fileno())
    try:
        _await(process, chosen, log)
        root = f"http://{HOST}:{chosen}/"
        yield Served(
            process,
            address=f"{root}?{access.KEY}={keys.key}",
            single_use_address=f"{root}?{access.SINGLE_USE_KEY}={keys.single_use_key}",
        )
    finally:
        processes.stop(process.pid, _STOP_SECONDS)
        process.wait()


def _start(state: State, port: int, keys: Keys, output: int) -> subprocess.Popen[bytes]:
    variables = {
        "TOTELAKE_STATE": str(state.root),
        "TOTELAKE_DASHBOARD_KEY": keys.key,  # other users see the arguments of a process, and not its variables
        "TOTELAKE_DASHBOARD_SINGLE_USE_KEY": keys.single_use_key,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "dashboards", str(port)],
        cwd=build.ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the command, which then stops this one
    )


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            raise DashboardError(f"The dashboard did not start; why is in {log}")
        time.sleep(_POLL_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_STOP_SECONDS)
    try:
        connection.request("GET", access.HEALTH)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
