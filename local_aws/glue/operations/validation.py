"""Validation of requests against the service's model: required members, enumerations, lengths and ranges."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session

from local_aws.glue.errors import InvalidInputError


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("glue")


def validate(operation: str, parameters: dict[str, Any]) -> None:
    """Raise InvalidInputError, naming every member of `parameters` that the model of `operation` does not allow."""
    problems = list(_problems(_model().operation_model(operation).input_shape, parameters, ""))
    if problems:
        plural = "s" if len(problems) > 1 else ""
        raise InvalidInputError(f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}")


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield from _structure_problems(shape, value, path)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}.{index + 1}.member")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _problems(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _string_problems(shape, value, path)
    elif shape.type_name in ("integer", "long", "double", "float"):
        yield from _range_problems(shape, value, value, path, "value")


def _structure_problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"Value at '{path}' failed to satisfy constraint: Member must be a structure"
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        if item is not None and name in shape.members:
            yield from _problems(shape.members[name], item, _join(path, name))


def _string_problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        prefix = f"Value '{value}' at '{path}' failed to satisfy constraint"
        yield f"{prefix}: Member must satisfy enum value set: [{', '.join(allowed)}]"
    yield from _range_problems(shape, len(str(value)), value, path, "length")


def _range_problems(shape: Any, size: float, value: Any, path: str, quantity: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    prefix = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have {quantity}"
    if low is not None and size < low:
        yield f"{prefix} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"{prefix} less than or equal to {high}"


def _join(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member
