"""Access control of the dashboard: by host name, origin and key."""

import secrets

from starlette.datastructures import URL, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from local_aws.address import HOST
from ops.sandbox import health

KEY = "key"
"""The query parameter with the key."""

HEALTH = "/_stcore/health"
"""The path of the health check, which needs no key; its response proves that the server has the key."""

HOSTS = (HOST, "localhost")
"""The host names that requests may use."""

_HTTP_PORT = 80
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none';"
    " script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval';"  # for Streamlit's page and for Graphviz
    " style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:;"
    " worker-src 'self' blob:; connect-src 'self' data: ws://{host}"
)
"""The content security policy, so that hostile text in a page cannot load anything from another host."""


class AccessControl:
    """ASGI middleware in front of Streamlit, which has no authentication.

    It refuses requests with another host name (DNS rebinding), from another page (a foreign `Origin`, for which
    Streamlit would look up this machine's address at an external service), and without the key. A URL with the key sets
    a cookie and redirects to the URL without it.
    """

    def __init__(self, app: ASGIApp, port: int, key: str) -> None:
        """Protect `app`, served on `port`, with `key`."""
        self._app = app
        self._port = port
        self._key = key
        self._cookie = f"totelake-dashboard-{port}"  # named for the port, since all ports of a host share cookies
        self._hosts = {f"{name}:{port}" for name in HOSTS} | (set(HOSTS) if port == _HTTP_PORT else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request to the app, or respond with a refusal or a redirect that sets the cookie."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        response = self._own_response(request)
        if response is None:
            await self._app(scope, receive, _with_policy(send, request.headers.get("host", "")))
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await response(scope, receive, send)

    def _own_response(self, request: HTTPConnection) -> Response | None:
        """Return the response to a request that is not forwarded, or None for one that is."""
        host, origin = request.headers.getlist("host"), request.headers.get("origin")
        if len(host) != 1 or host[0] not in self._hosts:
            return _refusal(f"Open the dashboard at http://{HOST}:{self._port}; other host names are refused.")
        if origin is not None and origin != f"http://{host[0]}":
            return _refusal("Requests from other pages are refused.")
        if request.scope["path"] == HEALTH:  # as routed: parsing a URL removes tabs and line feeds
            nonce = request.query_params.get(health.NONCE)
            return PlainTextResponse(health.proof(self._key, self._port, nonce)) if nonce else None
        if self._is_key(request.query_params.get(KEY)):
            return self._with_cookie(request.url)
        if self._is_key(request.cookies.get(self._cookie)):
            return None
        return _refusal("Open the dashboard with the URL that `totelake dashboard` printed, which contains the key.")

    def _is_key(self, value: str | None) -> bool:
        return value is not None and secrets.compare_digest(value.encode(), self._key.encode())

    def _with_cookie(self, url: URL) -> Response:
        response = RedirectResponse(url.remove_query_params(KEY), status_code=303)
        response.set_cookie(self._cookie, self._key, httponly=True, samesite="lax")
        response.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        return response


def _refusal(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=403)


def _with_policy(send: Send, host: str) -> Send:
    async def send_with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY.format(host=host)
        await send(message)

    return send_with_policy
