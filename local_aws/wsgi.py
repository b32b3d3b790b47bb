"""The types of WSGI."""

from collections.abc import Callable, Iterable
from typing import Any

type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
