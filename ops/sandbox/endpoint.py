"""The process that serves the local AWS: `python -m ops.sandbox.endpoint --state DIR --listener FD`.

It stops its jobs and ends on SIGTERM, or when its state folder is removed.
"""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from botocore.credentials import Credentials

from local_aws import processes
from local_aws.server import LocalAws
from local_aws.state import State
from local_aws.visible_text import visible
from ops.sandbox import aws, databases, health
from ops.sandbox.errors import SandboxError
from ops.sandbox.folder_watch import FolderWatch
from ops.sandbox.settings import SandboxSettings

_LOG = logging.getLogger("ops.sandbox.endpoint")


class LogFormatter(logging.Formatter):
    """Writes each message on one line, with control characters as escapes: what it quotes may come from anybody."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a message."""
        return visible(super().formatMessage(record)).replace("\n", r"\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the lines of a traceback."""
        return visible(super().formatException(ei))


def local_aws(state: State, owner: Credentials, listener: socket.socket | None = None) -> LocalAws:
    """Return the local AWS of the local environment in `state`.

    Beside AWS it serves two pages: its health, unsigned, with a proof that it has the owner's key; and the next start
    of each schedule.
    """
    identity = {"state": str(state.root), "boot": uuid.uuid4().hex, "code": health.code_version(), "pid": os.getpid()}

    def health_page(environ: dict[str, Any]) -> dict[str, Any]:
        nonce = parse_qs(environ["QUERY_STRING"]).get(health.NONCE, [""])[0]
        return {**identity, "proof": health.proof(owner.secret_key, int(environ["SERVER_PORT"]), nonce)}

    def next_starts_page(_environ: dict[str, Any]) -> dict[str, Any]:
        return {arn: moment.isoformat() for arn, moment in served.schedules.upcoming().items()}

    served = LocalAws(
        state,
        owner,
        listener=listener,
        pages={health.PATH: health_page, aws.NEXT_STARTS_PATH: next_starts_page},
        unsigned={health.PATH},
        redshift_database=databases.redshift_databases(state),
    )
    return served


def serve(state: State, owner: Credentials, listener: socket.socket) -> None:
    """Serve the local environment in `state` on `listener` until SIGTERM or SIGINT, or until its folder is removed."""
    server = local_aws(state, owner, listener)

    def stop(_signal: int, _frame: object) -> None:
        # In a thread, since shutdown waits for the serving loop, which this handler interrupts.
        threading.Thread(target=server.shutdown, name="shutdown").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    watch = FolderWatch(state)
    watch.start(server.shutdown)
    _LOG.info("serving %s on port %d, process %d", state.root, server.port, os.getpid())
    try:
        server.serve()
    finally:
        watch.close()


def main(argv: list[str]) -> int:
    """Serve the local environment in `--state`; exit with status 1 when another process already serves it."""
    parser = argparse.ArgumentParser(prog="python -m ops.sandbox.endpoint")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--listener", type=int, required=True, help="file descriptor of the listening socket")
    arguments = parser.parse_args(argv)
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    state = State(arguments.state.resolve())
    try:
        settings = SandboxSettings.load(state)
        with processes.locked(health.lock_file(state)):
            owner = Credentials(settings.access_key, settings.secret_key)
            serve(state, owner, socket.socket(fileno=arguments.listener))
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except processes.LockHeldError as error:
        sys.stderr.write(
            f"Process {error.pid} already serves the local environment in {state.root}; stop it with: totelake down\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
