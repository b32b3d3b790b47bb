"""What is listed, page by page."""

from typing import Any

from moto.athena.responses import AthenaResponse

from local_aws.athena.errors import refused

_MOST = 50


def token(response: AthenaResponse) -> int:
    """Return the place at which the page that is asked for begins; raise Athena's error when it is no such token."""
    given = response._get_param("NextToken") or "0"  # noqa: SLF001 - moto's way
    if not given.isdecimal():
        raise refused(f"NextToken {given} is not one that was given out")
    return int(given)


def page(response: AthenaResponse, name: str, found: list[Any]) -> dict[str, Any]:
    """Return the page that is asked for of what was `found`, under its `name`."""
    start = token(response)
    limit = int(response._get_param("MaxResults") or _MOST)  # noqa: SLF001 - moto's way
    following = {"NextToken": str(start + limit)} if start + limit < len(found) else {}
    return {name: found[start : start + limit], **following}
