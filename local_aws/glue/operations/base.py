"""The base of the operations of Glue's API, each a function from a request to a result."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse

from local_aws.glue.errors import EntityNotFoundError
from local_aws.glue.operations import validation
from local_aws.glue.service import Glue

type ApiRequest = dict[str, Any]
type ApiResult = dict[str, Any]


class GlueOperations(GlueResponse):  # type: ignore[misc] # moto is not typed
    """A part of Glue's API, which acts on the local Glue that is mounted."""

    @property
    def glue(self) -> Glue:
        """The local Glue."""
        glue: Glue = self.glue_backend.glue
        return glue


def operation(function: Callable[[Any, ApiRequest], ApiResult]) -> Callable[[Any], ActionResult]:
    """Return the method of a response for a function from a request to a result; the request is validated first."""
    name = "".join(word.title() for word in function.__name__.split("_"))

    def handle(self: GlueResponse) -> ActionResult:
        request = self.parameters
        validation.validate(name, request)
        return ActionResult(function(self, request))

    handle.__name__, handle.__doc__ = function.__name__, function.__doc__
    return handle


def _arn(glue: Glue, kind: str, name: str) -> str:
    return f"arn:aws:glue:{glue.world.region}:{glue.world.account_id}:{kind}/{name}"


def tag(glue: Glue, kind: str, request: ApiRequest) -> None:
    """Store the tags of a new resource where moto's own TagResource and GetTags find them."""
    backend = glue_backends[glue.world.account_id][glue.world.region]
    backend.tag_resource(_arn(glue, kind, request["Name"]), request.get("Tags") or {})


def with_tags(glue: Glue, kind: str, names: list[str], tags: Mapping[str, str] | None) -> list[str]:
    """Return the names of the resources that have these tags."""
    if not tags:
        return names
    backend = glue_backends[glue.world.account_id][glue.world.region]
    return [name for name in names if tags.items() <= backend.get_tags(_arn(glue, kind, name)).items()]


def find_all[Item](names: list[str], find: Callable[[str], Item]) -> tuple[list[Item], list[str]]:
    """Return the items that `find` returns, and the names for which it raises EntityNotFoundError."""
    present, missing = [], []
    for name in names:
        try:
            present.append(find(name))
        except EntityNotFoundError:
            missing.append(name)
    return present, missing
