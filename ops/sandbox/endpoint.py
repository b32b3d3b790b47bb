"""The process that is the local AWS: `python -m ops.sandbox.endpoint --state DIR --listener FD`.

It is moto's server with the parts that moto only pretends made real. One process serves one world; it ends on SIGTERM,
or when its state folder is removed, after the jobs that it runs.
"""

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from local_aws import alarms, athena, events, glue, processes, redshift, s3, schedules
from local_aws.address import HOST
from local_aws.gate import Gate, execution, headers
from local_aws.glue import crawlers
from local_aws.iam import session_policies
from local_aws.replay import Replay
from local_aws.state import State
from ops.sandbox import aws, databases, health
from ops.sandbox.errors import WorldError
from ops.sandbox.folder_watch import FolderWatch
from ops.sandbox.settings import Settings

type WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_LOG = logging.getLogger("ops.sandbox.endpoint")
_FIRST_ERROR = 400


class RequestHandler(MotoRequestHandler):  # type: ignore[misc] # moto is not typed
    """Logs the requests that failed, and not the thousands that did not; what is no HTTP is refused in XML."""

    path: str
    timeout = 60  # seconds for which a client may be silent in the middle of a request
    error_content_type = "application/xml"
    error_message_format = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>InvalidRequest</Code><Message>%(message)s</Message></Error>"
    )

    def make_environ(self) -> dict[str, Any]:
        """Return what WSGI says of a request, with the headers as they have arrived."""
        return {**super().make_environ(), headers.MESSAGE: self.headers}

    def run_wsgi(self) -> None:
        """Answer a request; one whose address cannot be read is an error of the client."""
        try:
            urlsplit(self.path)
        except ValueError:
            self.path = "/"  # which the log reads once more
            self.send_error(HTTPStatus.BAD_REQUEST, "The target of the request is not a path.")
        else:
            super().run_wsgi()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request unless it went well."""
        if not str(code).isdigit() or int(code) >= _FIRST_ERROR:
            super().log_request(code, size)


def application(state: State, owner: Credentials, boot: str) -> WsgiApp:
    """Return moto's application behind the gate, whose key is that of `owner`.

    Beside AWS it tells which world is served, by which code, for which no key is needed, with a proof that it has the
    key itself, and what is due.
    """
    moto = Replay(DomainDispatcherApplication(create_backend_app))
    this = {"state": str(state.root), "boot": boot, "code": health.code_version(), "pid": os.getpid()}

    def proof(environ: dict[str, Any]) -> str:
        nonce = parse_qs(environ["QUERY_STRING"]).get(health.NONCE, [""])[0]
        return health.proof(owner.secret_key, int(environ["SERVER_PORT"]), nonce)

    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        health.PATH: lambda environ: {**this, "proof": proof(environ)},
        aws.DUE_PATH: lambda _: {arn: due.isoformat() for arn, due in schedules.upcoming().items()},
    }

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in answers and not execution.is_of_role(environ):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(answers[path](environ)).encode()]
        if path.startswith("/moto-api"):  # can reset the world, and AWS has nothing like it
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not part of AWS\n"]
        return moto(environ, start_response)

    return Gate(serve, owner, unsigned={health.PATH})


def serve(state: State, listener: socket.socket, owner: Credentials) -> None:
    """Serve the world in `state` on `listener` until SIGTERM or SIGINT, or until its folder is gone."""
    with listener:  # the server has a descriptor of its own
        port = listener.getsockname()[1]
        app = application(state, owner, uuid.uuid4().hex)
        server = make_server(HOST, port, app, threaded=True, request_handler=RequestHandler, fd=listener.fileno())
    session_policies.install()
    s3.install(state)
    glue.install(state, f"http://{HOST}:{port}")
    events.install(state)
    crawlers.install()
    athena.install()
    redshift.install(databases.of_redshift(state))
    schedules.start()
    alarms.start()
    _stop_on_signals(server)
    watch = FolderWatch(state)
    watch.start(server.shutdown)
    _LOG.info("serving %s on port %d, process %d", state.root, port, os.getpid())
    try:
        server.serve_forever()
    finally:
        _LOG.info("stopping")
        alarms.stop()
        schedules.stop()
        crawlers.stop_all()
        glue.shutdown()
        server.server_close()
        watch.close()
        _LOG.info("stopped")


def _stop_on_signals(server: BaseWSGIServer) -> None:
    def stop(_signal: int, _frame: object) -> None:
        threading.Thread(target=server.shutdown, name="shutdown").start()  # it waits for the loop that this interrupts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def main(argv: list[str]) -> int:
    """Serve the world that the arguments name; refuse, with exit status 1, when another process serves it."""
    parser = argparse.ArgumentParser(prog="python -m ops.sandbox.endpoint")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket to serve on")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state = State(arguments.state.resolve())
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # the caller's account has no business here
    try:
        settings = Settings.load(state)
        os.environ.update(settings.aws_environment())
        with processes.locked(health.lock_file(state)):
            listener = socket.socket(fileno=arguments.listener)
            serve(state, listener, Credentials(settings.access_key, settings.secret_key))
    except WorldError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except processes.LockHeldError as error:
        sys.stderr.write(f"Process {error.pid} already serves the world in {state.root}; stop it with: totelake down\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
