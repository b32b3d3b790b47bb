"""The origin of a request: programs on this machine are served, web pages are not.

A page that a developer visits can make the browser send requests to 127.0.0.1. The browser then sets `Origin` and
`Sec-Fetch-Site`; after DNS rebinding, `Host` is the name of the page's site.
"""

from local_aws.address import HOST
from local_aws.gate.errors import ForeignRequestError
from local_aws.wsgi import Environ

_OWN_SITES = {"none", "same-origin"}
"""The values of `Sec-Fetch-Site` for an address that the user typed and for a page of this endpoint."""


def check(environ: Environ) -> None:
    """Raise `ForeignRequestError` for a request to another host name or from a page of another site."""
    hosts = {f"{name}:{environ['SERVER_PORT']}" for name in (HOST, "localhost")}
    host = environ.get("HTTP_HOST", "")
    if host not in hosts:
        raise ForeignRequestError("Host", host)
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin not in {f"http://{name}" for name in hosts}:
        raise ForeignRequestError("Origin", origin)
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None and site not in _OWN_SITES:
        raise ForeignRequestError("Sec-Fetch-Site", site)
