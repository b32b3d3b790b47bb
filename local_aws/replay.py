"""Requests that are sent again because their answer was lost on its way."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_REMEMBERED = 512


class Replay:
    """Gives a repeated request the answer that it had, where an SDK says by its invocation id that it repeats one.

    An SDK repeats a request whose connection broke, also when the work had been done: what it meets then is its own
    work, as "already exists". Answers that ask for a repetition (500 and above) are not kept, and S3's, which may be
    large, are not either: its requests have a path.
    """

    def __init__(self, app: WsgiApp) -> None:
        """Stand before `app`."""
        self._app = app
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[str, list[tuple[str, str]], list[bytes]]] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if not invocation or environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != "/":
            return self._app(environ, start_response)
        with self._lock:
            answer = self._answers.get(invocation)
        if answer is None:
            answer = self._ask(environ)
            if answer[0] < "500":
                self._remember(invocation, answer)
        status, headers, body = answer
        start_response(status, headers)
        return body

    def _ask(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], list[bytes]]:
        began: list[tuple[str, list[tuple[str, str]]]] = []
        body = list(self._app(environ, lambda status, headers, *_: began.append((status, headers))))
        status, headers = began[-1]
        return status, headers, body

    def _remember(self, invocation: str, answer: tuple[str, list[tuple[str, str]], list[bytes]]) -> None:
        with self._lock:
            self._answers[invocation] = answer
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
