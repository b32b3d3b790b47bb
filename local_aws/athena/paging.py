"""Pagination of Athena's list operations."""

from typing import Any

from moto.athena.responses import AthenaResponse

from local_aws.athena.errors import refused

_MAX_RESULTS = 50
_MAX_DIGITS = 18  # of a file offset


def token(response: AthenaResponse) -> int:
    """Return the start of the requested page; raise Athena's error for an invalid NextToken."""
    next_token = response._get_param("NextToken") or "0"  # noqa: SLF001 - moto's way
    if not next_token.isdecimal() or len(next_token) > _MAX_DIGITS:
        raise refused(f"NextToken {next_token} is invalid")
    return int(next_token)


def page(response: AthenaResponse, name: str, items: list[Any]) -> dict[str, Any]:
    """Return the requested page of `items` under `name`, and NextToken unless it is the last one."""
    start = token(response)
    limit = int(response._get_param("MaxResults") or _MAX_RESULTS)  # noqa: SLF001 - moto's way
    next_token = {"NextToken": str(start + limit)} if start + limit < len(items) else {}
    return {name: items[start : start + limit], **next_token}
