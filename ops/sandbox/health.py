"""Whether the local AWS of a world is running, and which code it runs."""

import hashlib
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import local_aws
from local_aws import processes
from local_aws.address import HOST
from local_aws.state import State

PATH = "/_health"  # no bucket can have this name
_PATIENCE = 5.0
_PACKAGES = (Path(local_aws.__file__).resolve().parent, Path(__file__).resolve().parent)


@dataclass(frozen=True, slots=True)
class Health:
    """What an endpoint says of itself: `boot` is new each time it starts, `code` is that of this package then."""

    state: str
    boot: str
    code: str
    pid: int


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


def ask(state: State, port: int) -> Health | None:
    """Return what the endpoint of `state` says on `port`, None when nobody, or somebody else, answers there."""
    try:
        health = Health(**_get(port, PATH))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    return health if health.state == str(state.root) else None


def _get(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=_PATIENCE)
    try:
        connection.request("GET", path)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()
