"""Pagination of Athena's list operations."""

from typing import Any

from moto.athena.responses import AthenaResponse

from local_aws import offsets
from local_aws.athena.errors import refused

_MAX_RESULTS = 50


def token(response: AthenaResponse) -> int:
    """Return the start of the requested page; raise Athena's error for an invalid NextToken."""
    try:
        return offsets.parse(response._get_param("NextToken"))  # noqa: SLF001 - moto's way
    except ValueError as error:
        raise refused(str(error)) from error


def page(response: AthenaResponse, name: str, items: list[Any]) -> dict[str, Any]:
    """Return the requested page of `items` under `name`, and NextToken unless it is the last one."""
    start = token(response)
    limit = int(response._get_param("MaxResults") or _MAX_RESULTS)  # noqa: SLF001 - moto's way
    next_token = {"NextToken": str(start + limit)} if start + limit < len(items) else {}
    return {name: items[start : start + limit], **next_token}
