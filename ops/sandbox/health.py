"""Health check of the local AWS: whether it runs, and which version of the code."""

import hashlib
import hmac
import http.client
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import local_aws
from local_aws import processes
from local_aws.address import HOST
from local_aws.state import State
from ops.sandbox.settings import SandboxSettings

PATH = "/_health"  # not a valid bucket name
NONCE = "nonce"
"""The query parameter that `proof` signs."""

_TIMEOUT_SECONDS = 5.0
_PACKAGES = (Path(local_aws.__file__).resolve().parent, Path(__file__).resolve().parent)


@dataclass(frozen=True, slots=True)
class Health:
    """The health of an endpoint: `boot` is unique to each start, `code` the version of the code that it runs.

    `proof` shows that it has the owner's secret key.
    """

    state: str
    boot: str
    code: str
    pid: int
    proof: str = field(repr=False, compare=False)


def lock_file(state: State) -> Path:
    """Return the file that an endpoint keeps locked while it runs."""
    return state.root / "endpoint.lock"


def code_version() -> str:
    """Return a digest of the packages that an endpoint runs, to detect an endpoint with older code."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted(package.rglob("*.py")):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def pid(state: State) -> int | None:
    """Return the process id of the endpoint of `state`, or None when it is not running."""
    return processes.holder(lock_file(state))


def proof(key: str, port: int, nonce: str) -> str:
    """Return the HMAC of `nonce` and `port` with `key`, which proves that a program has the key.

    It covers the port, so that a program on another port cannot relay the proof of this one.
    """
    return hmac.digest(key.encode(), f"{PATH} {port} {nonce}".encode(), "sha256").hex()


def check(state: State, settings: SandboxSettings) -> Health | None:
    """Return the health of the endpoint of `state`, or None when its port has no listener or another program's."""
    port, nonce = settings.endpoint_port, secrets.token_urlsafe()
    try:
        health = Health(**_get(port, f"{PATH}?{NONCE}={nonce}"))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    is_ours = health.state == str(state.root) and health.proof == proof(settings.secret_key, port, nonce)
    return health if is_ours else None


def _get(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        body: dict[str, Any] = json.loads(connection.getresponse().read())
        return body
    finally:
        connection.close()
