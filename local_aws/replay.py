"""Idempotent responses to SDK retries, keyed by invocation id."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from local_aws.wsgi import StartResponse, WsgiApp

type Invocation = tuple[str, ...]
type ReplayedResponse = tuple[str, list[Invocation], list[bytes]]

_MAX_RESPONSES = 512
_S3_CREDENTIAL = re.compile(r"Credential=[^,]*/s3/aws4_request")


class Replay:
    """WSGI middleware that repeats the response to a request that an SDK retries.

    An SDK retries a request whose connection broke, even if it was executed or is still being executed; a second
    execution would fail on the result of the first, as "already exists". Error responses (400 and above) are not
    stored, since their requests had no effect, nor are those of S3, which may be large.
    """

    def __init__(self, app: WsgiApp) -> None:
        """Wrap `app`."""
        self._app = app
        self._lock = threading.Lock()
        self._responses: OrderedDict[Invocation, Future[ReplayedResponse]] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, or repeat its response."""
        invocation_id, authorization = environ.get("HTTP_AMZ_SDK_INVOCATION_ID"), environ.get("HTTP_AUTHORIZATION", "")
        if not invocation_id or _S3_CREDENTIAL.search(authorization):
            return self._app(environ, start_response)
        # The key contains the whole request, so that a different request never gets its response.
        file = environ["wsgi.input"]
        content = hashlib.sha256(file.read()).hexdigest()
        file.seek(0)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        uri = environ["REQUEST_URI"]
        invocation = (invocation_id, authorization, environ["REQUEST_METHOD"], uri, target, content)
        new: Future[ReplayedResponse] = Future()
        with self._lock:
            future = self._responses.setdefault(invocation, new)
            if len(self._responses) > _MAX_RESPONSES:
                self._responses.popitem(last=False)
        if future is new:
            self._execute(environ, invocation, future)
        status, headers, body = future.result()
        start_response(status, headers)
        return body

    def _execute(self, environ: dict[str, Any], invocation: Invocation, future: "Future[ReplayedResponse]") -> None:
        try:
            response = self._call_app(environ)
        except BaseException as error:
            self._forget(invocation)
            future.set_exception(error)
            raise
        if response[0] >= "400":
            self._forget(invocation)
        future.set_result(response)

    def _call_app(self, environ: dict[str, Any]) -> ReplayedResponse:
        started: list[tuple[str, list[Invocation]]] = []
        body = list(self._app(environ, lambda status, headers, *_: started.append((status, headers))))
        status, headers = started[-1]
        return status, headers, body

    def _forget(self, invocation: Invocation) -> None:
        with self._lock:
            self._responses.pop(invocation, None)
