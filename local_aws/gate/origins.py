"""From where a request comes: programs of this machine are answered, web pages are not.

A page that a developer visits can make the browser send requests to 127.0.0.1. The browser says so in `Origin` and
`Sec-Fetch-Site`; after DNS rebinding it says the name of the page's site in `Host`.
"""

from local_aws.address import HOST
from local_aws.gate.errors import ForeignRequestError
from local_aws.gate.signatures import Environ

_OWN_SITES = {"none", "same-origin"}
"""What `Sec-Fetch-Site` is when the user typed the address, and when a page of this endpoint asks."""


def check(environ: Environ) -> None:
    """Raise `ForeignRequestError` for a request to another name, or from a page of another site."""
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
