"""The local AWS as one object, used by the product and the tests alike."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, Any, Self, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import DechunkedInput, make_server

from local_aws import athena, events, glue, inbox, mounting, redshift, s3, schedules
from local_aws.address import HOST, REGION
from local_aws.alarms import Alarms, metrics
from local_aws.gate import Gate, execution, headers
from local_aws.glue import Glue, World
from local_aws.iam import session_policies
from local_aws.replay import Replay
from local_aws.schedules import Schedules
from local_aws.state import State

type ExtraPage = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Called with the WSGI environment of a request; returns the response, which is sent as JSON."""

_LOG = logging.getLogger(__name__)
_FIRST_ERROR = 400
_SECONDS_TO_SHUTDOWN = 0.05
_NO_PAGES: Mapping[str, ExtraPage] = MappingProxyType({})


class _WholeReads:
    """A stream of which a read returns as many bytes as requested, or raises `OSError` at its end.

    From a shorter read werkzeug's `DechunkedInput` would return memory behind its buffer, or crash the process.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Wrap `stream`."""
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Return `size` bytes."""
        data = self._stream.read(size)
        if len(data) < size:
            raise OSError("A chunk is incomplete")
        return data

    def readline(self, size: int) -> bytes:
        """Return a line of at most `size` bytes."""
        return self._stream.readline(size)


class RequestHandler(MotoRequestHandler):  # type: ignore[misc] # moto is not typed
    """Logs failed requests only; invalid HTTP gets an error response in XML."""

    path: str
    requestline: str
    rfile: IO[bytes]
    timeout = 60  # seconds to wait for more data of a request
    error_content_type = "application/xml"
    error_message_format = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>InvalidRequest</Code><Message>%(message)s</Message></Error>"
    )

    def make_environ(self) -> dict[str, Any]:
        """Return the WSGI environment of a request, with its raw headers."""
        environ = {**super().make_environ(), headers.MESSAGE: self.headers}
        if isinstance(environ["wsgi.input"], DechunkedInput):
            environ["wsgi.input"] = DechunkedInput(cast("IO[bytes]", _WholeReads(self.rfile)))
        return environ

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
        pages: Mapping[str, ExtraPage] = _NO_PAGES,
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
        self.moto = Replay(mounting.application(execution.CheckedResponse, execution.for_owner_only))
        """The application without the gate, for tests that show the effect of the gate."""
        self._pages = pages
        self._thread: threading.Thread | None = None
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
        self._mount(redshift_database, seconds_per_minute)

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
            self._server.serve_forever(poll_interval=_SECONDS_TO_SHUTDOWN)
        finally:
            _LOG.info("stopping")
            self.alarms.stop()
            self.schedules.stop()
            self.glue.close()
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

    def _mount(self, redshift_database: Callable[[str, str], str] | None, seconds_per_minute: float) -> None:
        """Mount the services, with nothing of those of an earlier local AWS, and start what runs by itself."""
        mounting.unmount_all()
        session_policies.mount()
        s3.mount(self.state)
        inbox.mount(self.state)
        self.glue = Glue(World(self.state, self.url, seconds_per_minute=seconds_per_minute))
        """The Glue that is served."""
        glue.mount(self.glue)
        events.mount({("glue", "workflow"): self.glue.receive_event}, schedules.check)
        athena.mount()
        if redshift_database:
            redshift.mount(redshift_database)
        schedules.mount(self.url)
        metrics.mount()
        sources = {"Glue triggers": self.glue.schedule_entries, "Glue crawlers": self.glue.crawls.entries}
        self.schedules = Schedules(sources)
        """The schedules, which fire."""
        self.schedules.start()
        self.alarms = Alarms()
        """The alarms, which are evaluated."""
        self.alarms.start()

    def _route(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in self._pages and not execution.is_of_role(environ):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._pages[path](environ)).encode()]
        if path.startswith("/moto-api"):  # can reset everything, and is not part of AWS
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not part of AWS\n"]
        return self.moto(environ, start_response)
