"""An S3 endpoint over a state folder: in the test process, or in one of its own for tests that kill it."""

import contextlib
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from local_aws.server import LocalAws
from local_aws.state import State

REGION = "eu-west-2"


@cache
def client(port: int) -> Any:
    """Return a client of the endpoint on `port`; it does not retry, so tests see the first response."""
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
    """Serve the S3 of `state` from this process; yield the port."""
    with LocalAws(state, Credentials("local", "local")) as aws:
        yield aws.port


@contextlib.contextmanager
def spawned(state: State) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Serve the S3 of `state` from a new process; yield the port and the process."""
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
