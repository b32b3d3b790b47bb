"""The local AWS as one object, used by the product and the tests alike."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from moto.moto_api._internal import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local_aws import alarms, athena, events, glue, redshift, s3, schedules
from local_aws.address import HOST, REGION
from local_aws.gate import Gate, execution, headers
from local_aws.glue import crawlers
from local_aws.iam import session_policies
from local_aws.replay import Replay
from local_aws.state import State

type WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
type Page = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Called with the WSGI environment of a request; returns the response, which is sent as JSON."""

_LOG = logging.getLogger(__name__)
_FIRST_ERROR = 400
_NO_PAGES: Mapping[str, Page] = MappingProxyType({})


class RequestHandler(MotoRequestHandler):  # type: ignore[misc] # moto is not typed
    """Logs failed requests only; invalid HTTP gets an error response in XML."""

    path: str
    requestline: str
    timeout = 60  # seconds to wait for more data of a request
    error_content_type = "application/xml"
    error_message_format = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>InvalidRequest</Code><Message>%(message)s</Message></Error>"
    )

    def make_environ(self) -> dict[str, Any]:
        """Return the WSGI environment of a request, with its raw headers."""
        return {**super().make_environ(), headers.MESSAGE: self.headers}

    def run_wsgi(self) -> None:
        """Serve a request; an invalid target is an error of the client."""
        try:
            urlsplit(self.path)
        except ValueError:
            self.path = "/"  # the log parses it again
            self.send_error(HTTPStatus.BAD_REQUEST, "The target of the request is not a path.")
        else:
            super().run_wsgi()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request as it was sent, without colours, if it failed."""
        if not str(code).isdigit() or int(code) >= _FIRST_ERROR:
            self.log("info", '"%s" %s %s', self.requestline, str(code), size)


class LocalAws:
    """A local AWS: moto's server, with real execution of what moto only simulates, behind a gate.

    As a context manager it serves in a thread; `serve` serves in the caller's. A process can have one at a time, since
    moto keeps its resources in modules: a new one starts without any, except the objects in its state folder.
    """

    def __init__(
        self,
        state: State,
        owner: Credentials,
        *,
        listener: socket.socket | None = None,
        pages: Mapping[str, Page] = _NO_PAGES,
        unsigned: Collection[str] = (),
        redshift_database: Callable[[str, str], str] | None = None,
        seconds_per_minute: float = 60.0,
        started: datetime | None = None,
    ) -> None:
        """Prepare to serve the state folder `state` on `listener`, which is closed, or on a free port of 127.0.0.1.

        Requests must be signed with the key of `owner`, of a role or of an IAM user. `pages` are paths that are not
        part of AWS, `unsigned` those of them that need no signature. `redshift_database` returns the URL of the
        Postgres database in place of a Redshift database, by warehouse and name; without it there is no Redshift.
        `seconds_per_minute` is the length of a minute of a job's timeout. Requests signed before `started`, by default
        now, are refused.
        """
        self.state = state
        self.owner = owner
        self.moto: WsgiApp = Replay(DomainDispatcherApplication(create_backend_app))
        """The application without the gate, for tests that show the effect of the gate."""
        self._pages = pages
        self._redshift_database = redshift_database
        self._seconds_per_minute = seconds_per_minute
        self._thread: threading.Thread | None = None
        moto_api_backend.reset()
        with listener or socket.create_server((HOST, 0)) as socket_:  # the server duplicates the descriptor
            self.port = int(socket_.getsockname()[1])
            """The port of the server."""
            self._server = make_server(
                HOST,
                self.port,
                Gate(self._route, owner, unsigned=unsigned, started=started),
                threaded=True,
                request_handler=RequestHandler,
                fd=socket_.fileno(),
            )
        self._start_services()

    @property
    def url(self) -> str:
        """The endpoint URL of every service."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which an AWS client uses this endpoint as its owner."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.owner.access_key,
            "AWS_SECRET_ACCESS_KEY": self.owner.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, key: Credentials | None = None) -> Any:
        """Return a boto3 client of a service for the owner, or for another `key`; it does not retry."""
        key = key or self.owner
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            aws_session_token=key.token,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=40, proxies={}),
        )

    def serve(self) -> None:
        """Serve until `shutdown` is called, then stop running jobs and crawls."""
        try:
            self._server.serve_forever()
        finally:
            _LOG.info("stopping")
            alarms.stop()
            schedules.stop()
            crawlers.stop_all()
            glue.shutdown()
            self._server.server_close()
            _LOG.info("stopped")

    def shutdown(self) -> None:
        """End `serve`; returns when no more requests are accepted."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        """Start serving in a thread."""
        self._thread = threading.Thread(target=self.serve, name="local-aws", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving, and wait for the end of running jobs and crawls."""
        self.shutdown()
        if self._thread:
            self._thread.join()

    def _start_services(self) -> None:
        session_policies.install()
        s3.install(self.state)
        glue.install(self.state, self.url, seconds_per_minute=self._seconds_per_minute)
        events.install(self.state)
        crawlers.install()
        athena.install()
        if self._redshift_database:
            redshift.install(self._redshift_database)
        schedules.start(self.url)
        alarms.start()

    def _route(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in self._pages and not execution.is_of_role(environ):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._pages[path](environ)).encode()]
        if path.startswith("/moto-api"):  # can reset everything, and is not part of AWS
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not part of AWS\n"]
        return self.moto(environ, start_response)
