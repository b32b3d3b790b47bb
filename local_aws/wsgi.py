"""The types of WSGI."""

from collections.abc import Callable, Iterable
from typing import Any

type Environ = dict[str, Any]
type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
