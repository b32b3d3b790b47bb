"""The digests of the code of a world's last deployment, whose jobs may share a JVM."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from local_aws import files
from local_aws.state import State


def record(state: State, uploaded: Iterable[Path]) -> None:
    """Store the digests of a deployment's code files, replacing those of the previous deployment.

    They are stored outside the lake, where S3 requests cannot reach them.
    """
    digests = sorted({digest(file.read_bytes()) for file in uploaded})
    files.replace(state.deployed_code, json.dumps(digests, indent=1).encode() + b"\n", mode=0o600)


def deployment_of(state: State, code: set[str]) -> str | None:
    """Return the id of the last deployment if it uploaded all files with the digests `code`, else None."""
    try:
        recorded = state.deployed_code.read_bytes()
    except FileNotFoundError:
        return None
    return digest(recorded) if code <= set(json.loads(recorded)) else None


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
