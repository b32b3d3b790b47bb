"""How operations of Glue's API come in the place of moto's methods: each is a function from a request to an answer.

The operations themselves are in `job_operations`, `trigger_operations` and `workflow_operations`.
"""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from moto.core.responses import ActionResult
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse

from local_aws.glue import requests
from local_aws.glue.errors import EntityNotFoundError
from local_aws.glue.service import Glue

type Request = dict[str, Any]
type Answer = dict[str, Any]


def replace_methods(module: ModuleType, glue: Callable[[], Glue]) -> None:
    """Put every public function of a module in the place of moto's method of that name; `glue` is what it acts on."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            setattr(GlueResponse, name, _method(name, function, glue))


def _method(
    name: str, function: Callable[[Glue, Request], Answer], glue: Callable[[], Glue]
) -> Callable[[GlueResponse], ActionResult]:
    operation = "".join(word.title() for word in name.split("_"))

    def method(self: GlueResponse) -> ActionResult:
        request = self.parameters
        requests.validate(operation, request)
        return ActionResult(function(glue(), request))

    return method


def _arn(glue: Glue, kind: str, name: str) -> str:
    return f"arn:aws:glue:{glue.world.region}:{glue.world.account_id}:{kind}/{name}"


def tag(glue: Glue, kind: str, request: Request) -> None:
    """Keep the tags of something that was made: moto's own TagResource and GetTags go on with them."""
    backend = glue_backends[glue.world.account_id][glue.world.region]
    backend.tag_resource(_arn(glue, kind, request["Name"]), request.get("Tags") or {})


def tagged(glue: Glue, kind: str, names: list[str], tags: Mapping[str, str] | None) -> list[str]:
    """Return the names of those that have these tags."""
    if not tags:
        return names
    backend = glue_backends[glue.world.account_id][glue.world.region]
    return [name for name in names if tags.items() <= backend.get_tags(_arn(glue, kind, name)).items()]


def found[Item](names: list[str], find: Callable[[str], Item]) -> tuple[list[Item], list[str]]:
    """Return what `find` finds, and the names of which it knows nothing."""
    present, missing = [], []
    for name in names:
        try:
            present.append(find(name))
        except EntityNotFoundError:
            missing.append(name)
    return present, missing
