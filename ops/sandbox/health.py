"""Whether the local AWS of a world is running, and which code it runs."""

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

PATH = "/_health"  # no bucket can have this name
NONCE = "nonce"
"""The parameter to which `proof` is the answer."""

_PATIENCE = 5.0
_PACKAGES = (Path(local_aws.__file__).resolve().parent, Path(__file__).resolve().parent)


@dataclass(frozen=True, slots=True)
class Health:
    """What an endpoint says of itself: `boot` is new each time it starts, `code` is that of this package then.

    `proof` is that it has the key of its world.
    """

    state: str
    boot: str
    code: str
    pid: int
    proof: str = field(repr=False, compare=False)


def lock_file(state: State) -> Path:
    """Return the file that an endpoint holds locked as long as it lives."""
    return state.root / "endpoint.lock"


def code_version() -> str:
    """Return a digest of the packages that an endpoint runs, by which an endpoint that runs older code is known."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted(package.rglob("*.py")):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def pid(state: State) -> int | None:
    """Return the process id of the endpoint of `state`, None when it does not run."""
    return processes.holder(lock_file(state))


def proof(key: str, port: int, nonce: str) -> str:
    """Return the answer to `nonce` on `port`, which only a program that knows `key` can give.

    The port is part of it, so that a program on another one cannot have it from this one.
    """
    return hmac.digest(key.encode(), f"{PATH} {port} {nonce}".encode(), "sha256").hex()


def ask(state: State, settings: SandboxSettings) -> Health | None:
    """Return what the endpoint of `state` says on its port, None when nobody, or somebody else, answers there."""
    port, nonce = settings.endpoint_port, secrets.token_urlsafe()
    try:
        health = Health(**_get(port, f"{PATH}?{NONCE}={nonce}"))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    is_ours = health.state == str(state.root) and health.proof == proof(settings.secret_key, port, nonce)
    return health if is_ours else None


def _get(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=_PATIENCE)
    try:
        connection.request("GET", path)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()
