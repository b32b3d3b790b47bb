"""The one seam to moto: a service is a subclass of moto's backend and one of its response, mounted in moto's registry.

moto has one registry of backends for each service and process, so a process serves one local AWS at a time.
`unmount_all` gives moto's own classes back. No class, function or module of moto is changed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType, SimpleNamespace
from typing import Any, override

from flask import Flask
from moto.backends import get_backend
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.base_backend import BackendDict, BaseBackend
from moto.moto_api._internal import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

type Handler = Callable[..., Any]
type AppFactory = Callable[[str], Flask]


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted service: its registry in moto, moto's own backend, and our subclasses of moto's classes."""

    service: str
    registry: BackendDict[Any]
    moto_backend: type
    subclasses: tuple[type, ...]


_mounts: dict[str, Mount] = {}
"""What is mounted in moto's registries, by service; like these, one for each process."""


def mounts() -> Mapping[str, Mount]:
    """Return what is mounted now, by service."""
    return MappingProxyType(_mounts)


def mount(
    service: str,
    *,
    backend: type | None = None,
    response: type | None = None,
    models: Iterable[type] = (),
    **attributes: Any,
) -> None:
    """Serve a service by our subclasses of moto's backend and response, from the next request on and without resources.

    `attributes` are class attributes of the mounted backend: what all accounts and regions share. `models` are the
    subclasses of moto's models that the backend creates. A mounted service is replaced.
    """
    registry = get_backend(service)
    moto_backend = _mounts[service].moto_backend if service in _mounts else registry.backend
    base = backend or moto_backend
    # Under the name of moto's module, by which a backend finds the URLs of its service.
    namespace = {"__module__": moto_backend.__module__, "_response_class": response, **attributes}
    registry.clear()
    registry.backend = type(base.__name__, (_Routed, base), namespace)
    subclasses = tuple(each for each in (backend, response, *models) if each is not None)
    _mounts[service] = Mount(service, registry, moto_backend, subclasses)


def unmount_all() -> None:
    """Give moto's registries their own backends back, and forget every resource."""
    for mounted in _mounts.values():
        mounted.registry.clear()
        mounted.registry.backend = mounted.moto_backend
    _mounts.clear()
    moto_api_backend.reset()


def specialized[Model](model: Any, subclass: type[Model]) -> Model:
    """Return a model that moto has created as an instance of `subclass`, a subclass of the model's class.

    moto's backends name the classes of their models within their methods, and offer no other place to choose one.
    """
    model.__class__ = subclass
    specialized_: Model = model
    return specialized_


def application(checked: type[ActionAuthenticatorMixin], unchecked: Callable[[Handler], Handler]) -> Any:
    """Return the WSGI application of all services, whose responses are also instances of `checked`.

    `checked` overrides the authorization of an operation, which moto has in a base class of all responses. A handler
    that is no method of a response is replaced by what `unchecked` makes of it.
    """
    return _Dispatcher(partial(_app, checked=checked, unchecked=unchecked))


class _Dispatcher(DomainDispatcherApplication):  # type: ignore[misc] # moto is not typed
    """The application that passes a request on to its service; hosts are few, and the lookup of one lists folders."""

    def __init__(self, create_app: AppFactory) -> None:
        """Create the application of a service by `create_app` when it is first called."""
        super().__init__(create_app)
        self.get_backend_for_host = lru_cache(maxsize=256)(super().get_backend_for_host)


def _app(service: str, *, checked: type, unchecked: Callable[[Handler], Handler]) -> Flask:
    app: Flask = create_backend_app(service)
    views: Iterable[Any] = app.view_functions.values()  # moto's own objects, which have a `callback`
    for view in views:
        view.callback = _of_subclass(view.callback, checked) or unchecked(view.callback)
    return app


def _of_subclass(handler: Handler, mixin: type) -> Handler | None:
    """Return the handler of a class that inherits from `mixin` as well; None for one of no response class."""
    owner = getattr(handler, "__self__", None)
    if not isinstance(owner, type) or not issubclass(owner, ActionAuthenticatorMixin):
        return None
    subclass = type(owner.__name__, (mixin, owner), {"__module__": owner.__module__})
    bound: Handler = getattr(subclass, handler.__name__)
    return bound


class _Routed(BaseBackend):  # type: ignore[misc] # moto is not typed
    """A backend whose URLs lead to our subclass of the response."""

    _response_class: type | None

    @property
    @override
    def _url_module(self) -> Any:
        moto = super()._url_module
        paths = {path: self._routed(handler) for path, handler in moto.url_paths.items()}
        return SimpleNamespace(url_bases=moto.url_bases, url_paths=paths)

    def _routed(self, handler: Handler) -> Handler:
        owner = getattr(handler, "__self__", None)
        if self._response_class and isinstance(owner, type) and issubclass(self._response_class, owner):
            bound: Handler = getattr(self._response_class, handler.__name__)
            return bound
        return handler
