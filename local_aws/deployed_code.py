"""The code that the last deployment of a world uploaded, known by its content: its jobs may share a JVM."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from local_aws import files
from local_aws.state import State


def record(state: State, uploaded: Iterable[Path]) -> None:
    """Keep the digests of a deployment's files of code, in place of those of the deployment before.

    They are kept outside the lake, where no request to S3 reaches them.
    """
    digests = sorted({digest(file.read_bytes()) for file in uploaded})
    files.replace(state.deployed_code, json.dumps(digests, indent=1).encode() + b"\n", mode=0o600)


def deployment_of(state: State, code: set[str]) -> str | None:
    """Return the name of the last deployment when it uploaded all files with the digests `code`, else None."""
    try:
        recorded = state.deployed_code.read_bytes()
    except FileNotFoundError:
        return None
    return digest(recorded) if code <= set(json.loads(recorded)) else None


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
