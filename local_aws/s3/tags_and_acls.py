"""Checks of the tags and the ACL of a write before it: moto would write the object and then fail."""

from collections.abc import Callable
from typing import Any

from moto.s3.exceptions import BadRequest, InvalidArgumentError, InvalidTagError
from moto.utilities.tagging_service import TaggingService

_MAX_TAGS = 10
_RESERVED = "aws"


def check_tags(tagger: TaggingService, tags: dict[str, str]) -> None:
    """Raise moto's error for invalid tags, as `put_object_tagging` does."""
    if len(tags) > _MAX_TAGS:
        raise BadRequest(f"Object tags cannot be greater than {_MAX_TAGS}")
    if any(name.startswith(_RESERVED) for name in tags):
        raise InvalidTagError(f"Your TagKey cannot be prefixed with {_RESERVED}:")
    if error := tagger.validate_tags(tagger.convert_dict_to_tags_input(tags)):
        raise InvalidTagError(error)


def parse_acl(parse: Callable[[], Any], name: str, value: str) -> Any:
    """Return the ACL that moto's `parse` returns; raises InvalidArgumentError for one that it cannot parse."""
    try:
        return parse()
    except (AssertionError, AttributeError) as error:
        raise InvalidArgumentError("The ACL is neither a canned one nor a list of grantees.", name, value) from error
