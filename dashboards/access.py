"""Access to the dashboard: only by its own address, from its own pages, and with its key."""

import secrets
from dataclasses import dataclass, field

from starlette.datastructures import URL, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from local_aws.address import HOST

KEY, SINGLE_USE_KEY = "key", "single_use_key"
"""The parameters of an address that opens the dashboard."""

HEALTH = "/_stcore/health"
"""The path that needs no key: it tells nothing but that the server answers."""

HOSTS = (HOST, "localhost")
"""The names by which a browser on this machine may call the dashboard."""

_HTTP_PORT = 80
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none';"
    " script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval';"  # of Streamlit's page, and of Graphviz
    " style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:;"
    " worker-src 'self' blob:; connect-src 'self' data: ws://{host}"
)
"""The content security policy: a page that shows hostile text loads nothing from another host, whatever the text is."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens a dashboard: a key that is good while it is served, and one that is good once.

    The second is for the address that a browser is started with, since other users see the arguments of a process.
    """

    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    single_use_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


class AccessControl:
    """ASGI middleware in front of Streamlit, which itself asks nobody who they are.

    It refuses a request by another host name (DNS rebinding), one that another page makes (a foreign `Origin`, on which
    Streamlit would ask an outside address for the one of this machine), and one without a key. An address with a key
    sets a cookie and leads to the address without it.
    """

    def __init__(self, app: ASGIApp, port: int, keys: Keys) -> None:
        """Guard `app`, which is served on `port`."""
        self._app = app
        self._port = port
        self._keys = keys
        self._single_use_key: str | None = keys.single_use_key
        self._cookie = f"totelake-dashboard-{port}"  # cookies of one host are shared by all its ports
        self._hosts = {f"{name}:{port}" for name in HOSTS} | (set(HOSTS) if port == _HTTP_PORT else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal or with the cookie."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        answer = self._answer(request)
        if answer is None:
            await self._app(scope, receive, _with_policy(send, request.headers.get("host", "")))
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await answer(scope, receive, send)

    def _answer(self, request: HTTPConnection) -> Response | None:
        """Return the answer to a request that is not passed on, None for one that is."""
        host, origin = request.headers.getlist("host"), request.headers.get("origin")
        if len(host) != 1 or host[0] not in self._hosts:
            return _refusal(f"The dashboard is at http://{HOST}:{self._port} and has no other name.")
        if origin is not None and origin != f"http://{host[0]}":
            return _refusal("The dashboard answers no page but its own.")
        if request.url.path == HEALTH:
            return None
        if self._opens(request):
            return self._with_cookie(request.url)
        if _same(request.cookies.get(self._cookie), self._keys.key):
            return None
        return _refusal("Open the dashboard with the address that `totelake dashboard` printed: it holds the key.")

    def _opens(self, request: HTTPConnection) -> bool:
        """Return whether the address of a request has a key that is good; one that is good once is not good again."""
        if _same(request.query_params.get(KEY), self._keys.key):
            return True
        is_good = _same(request.query_params.get(SINGLE_USE_KEY), self._single_use_key)
        if is_good:
            self._single_use_key = None
        return is_good

    def _with_cookie(self, url: URL) -> Response:
        answer = RedirectResponse(url.remove_query_params((KEY, SINGLE_USE_KEY)), status_code=303)
        answer.set_cookie(self._cookie, self._keys.key, httponly=True, samesite="lax")
        answer.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        return answer


def _same(given: str | None, expected: str | None) -> bool:
    return bool(given and expected) and secrets.compare_digest(str(given).encode(), str(expected).encode())


def _refusal(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=403)


def _with_policy(send: Send, host: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY.format(host=host)
        await send(message)

    return sent
