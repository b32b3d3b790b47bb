"""Starts and stops the process that serves the dashboard."""

import html
import http.client
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dashboards import access
from local_aws import files, processes
from local_aws.address import HOST
from local_aws.state import State
from ops.deploy import build
from ops.sandbox import health
from ops.sandbox.errors import DashboardError

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_REDIRECT = '<!doctype html><title>totelake</title><meta http-equiv="refresh" content="0; url={}">\n'


@dataclass(frozen=True, slots=True)
class ServedDashboard:
    """A running dashboard: its `process`, its URL with the key, and an HTML file that redirects to the URL.

    The file is for browsers: other users can see the arguments of their processes, but not read the file.
    """

    process: subprocess.Popen[bytes]
    address: str
    page: Path


@contextmanager
def serving(state: State, port: int | None = None) -> Iterator[ServedDashboard]:
    """Serve the dashboard during the block, on `port` or a free one.

    Raises `DashboardError` when the port is taken or the dashboard does not start.
    """
    if port is not None and not processes.port_is_free(port):
        raise DashboardError(f"Port {port} is taken: choose another one with --port, or omit it for a free one.")
    used_port = port if port is not None else processes.free_ports(1)[0]
    log = state.logs / "dashboard.log"
    page = state.root / f"dashboard-{used_port}.html"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = _start(state, used_port, key := secrets.token_urlsafe(32), output.fileno())
    try:
        _wait_until_healthy(process, used_port, key, log)
        address = f"http://{HOST}:{used_port}/?{access.KEY}={key}"
        files.replace(page, _REDIRECT.format(html.escape(address)).encode(), mode=0o600)
        yield ServedDashboard(process, address, page)
    finally:
        page.unlink(missing_ok=True)
        processes.stop(process.pid, _STOP_SECONDS)
        process.wait()


def _start(state: State, port: int, key: str, output: int) -> subprocess.Popen[bytes]:
    variables = {
        "TOTELAKE_STATE": str(state.root),
        "TOTELAKE_DASHBOARD_KEY": key,  # other users can see the arguments of a process, but not its variables
    }
    return subprocess.Popen(
        [sys.executable, "-m", "dashboards", str(port)],
        cwd=build.ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches only the command, which then stops this process
    )


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, key: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_healthy(port, key):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DashboardError(f"The dashboard did not start; see {log}")
        time.sleep(_POLL_SECONDS)


def _is_healthy(port: int, key: str) -> bool:
    """Return whether the dashboard with this key responds, and not another process on the port."""
    nonce = secrets.token_urlsafe()
    connection = http.client.HTTPConnection(HOST, port, timeout=_STOP_SECONDS)
    try:
        connection.request("GET", f"{access.HEALTH}?{health.NONCE}={nonce}")
        return connection.getresponse().read() == health.proof(key, port, nonce).encode()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
