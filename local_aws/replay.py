"""Requests that are sent again because their answer was lost on its way."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
type Invocation = tuple[str, ...]
type Answer = tuple[str, list[Invocation], list[bytes]]

_REMEMBERED = 512
_FOR_S3 = re.compile(r"Credential=[^,]*/s3/aws4_request")


class Replay:
    """Gives a repeated request the answer that it had, where an SDK says by its invocation id that it repeats one.

    An SDK repeats a request whose connection broke, also when the work has been done, or is still being done: what it
    meets then is its own work, as "already exists". Refusals (400 and above) are not kept, since nothing was done that
    could be done twice, and S3's answers, which may be large, are not either.
    """

    def __init__(self, app: WsgiApp) -> None:
        """Stand before `app`."""
        self._app = app
        self._lock = threading.Lock()
        self._answers: OrderedDict[Invocation, Future[Answer]] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        named, signed = environ.get("HTTP_AMZ_SDK_INVOCATION_ID"), environ.get("HTTP_AUTHORIZATION", "")
        if not named or _FOR_S3.search(signed):
            return self._app(environ, start_response)
        # All that makes up the request, so that nobody gets the answer to another one.
        file = environ["wsgi.input"]
        content = hashlib.sha256(file.read()).hexdigest()
        file.seek(0)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        invocation = (named, signed, environ["REQUEST_METHOD"], environ["REQUEST_URI"], target, content)
        first: Future[Answer] = Future()
        with self._lock:
            answer = self._answers.setdefault(invocation, first)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        if answer is first:
            self._work(environ, invocation, answer)
        status, headers, body = answer.result()
        start_response(status, headers)
        return body

    def _work(self, environ: dict[str, Any], invocation: Invocation, answer: "Future[Answer]") -> None:
        try:
            found = self._ask(environ)
        except BaseException as error:
            self._forget(invocation)
            answer.set_exception(error)
            raise
        if found[0] >= "400":
            self._forget(invocation)
        answer.set_result(found)

    def _ask(self, environ: dict[str, Any]) -> Answer:
        began: list[tuple[str, list[Invocation]]] = []
        body = list(self._app(environ, lambda status, headers, *_: began.append((status, headers))))
        status, headers = began[-1]
        return status, headers, body

    def _forget(self, invocation: Invocation) -> None:
        with self._lock:
            self._answers.pop(invocation, None)
