"""Access to the dashboard: only by its own address, from its own pages, and with its key."""

import secrets

from starlette.datastructures import URL, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from local_aws.address import HOST
from ops.sandbox import health

KEY = "key"
"""The parameter of the address that opens the dashboard."""

HEALTH = "/_stcore/health"
"""The path that needs no key: it tells that the server answers, and proves to who has the key that it is ours."""

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


class AccessControl:
    """ASGI middleware in front of Streamlit, which itself asks nobody who they are.

    It refuses a request by another host name (DNS rebinding), one that another page makes (a foreign `Origin`, on which
    Streamlit would ask an outside address for the one of this machine), and one without the key. An address with the
    key sets a cookie and leads to the address without it.
    """

    def __init__(self, app: ASGIApp, port: int, key: str) -> None:
        """Guard `app`, which is served on `port` and opened by `key`."""
        self._app = app
        self._port = port
        self._key = key
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
            nonce = request.query_params.get(health.NONCE)
            return PlainTextResponse(health.proof(self._key, self._port, nonce)) if nonce else None
        if self._is_key(request.query_params.get(KEY)):
            return self._with_cookie(request.url)
        if self._is_key(request.cookies.get(self._cookie)):
            return None
        return _refusal("Open the dashboard with the address that `totelake dashboard` printed: it holds the key.")

    def _is_key(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self._key.encode())

    def _with_cookie(self, url: URL) -> Response:
        answer = RedirectResponse(url.remove_query_params(KEY), status_code=303)
        answer.set_cookie(self._cookie, self._key, httponly=True, samesite="lax")
        answer.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        return answer


def _refusal(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=403)


def _with_policy(send: Send, host: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY.format(host=host)
        await send(message)

    return sent
