"""Pagination: the token of the next page is the last item of this one, so later additions shift nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_aws.glue.errors import InvalidInputError


def page[Item](
    items: Sequence[Item], name: Callable[[Item], str], request: Mapping[str, Any], default: int
) -> tuple[list[Item], dict[str, str]]:
    """Return the page of `items` that a request asks for, and `{"NextToken": …}` where another follows.

    Raises InvalidInputError for a token that no page ended with.
    """
    begin = 0
    token = request.get("NextToken")
    if token:
        places = [place for place, item in enumerate(items) if name(item) == token]
        if not places:
            raise InvalidInputError(f"NextToken {token} is not one that this operation returned.")
        begin = places[0] + 1
    end = begin + (request.get("MaxResults") or default)
    chosen = list(items[begin:end])
    return chosen, {"NextToken": name(chosen[-1])} if end < len(items) else {}
