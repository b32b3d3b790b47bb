"""Header normalization: the gate, werkzeug and moto must interpret the headers of a request alike.

Source: RFC 9110, section 5, and RFC 9112, sections 5 and 6.
"""

import re
from email import errors

from werkzeug.http import parse_options_header

from local_aws.gate.errors import MalformedRequestError
from local_aws.wsgi import Environ

MESSAGE = "totelake.headers"
"""The key in `environ` of the raw headers, an `HTTPMessage`: WSGI joins, drops and unfolds some."""

FIELDS = "application/x-www-form-urlencoded"
FORM = "multipart/form-data"

_NOT_A_HEADER = (
    errors.FirstHeaderLineIsContinuationDefect,
    errors.InvalidHeaderDefect,
    errors.MisplacedEnvelopeHeaderDefect,
    errors.MissingHeaderBodySeparatorDefect,
)
_NAME = re.compile(r"x-amz-meta-[!#$%&'*+.^_`|~0-9a-z-]+|[!#$%&'*+.^`|~0-9a-z-]+", re.IGNORECASE)
"""A header name. WSGI maps `_` to `-`; moto distinguishes them in metadata only."""

_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_ONCE = ("Content-Length", "Content-Type")
"""Headers of which WSGI keeps the last; it joins others with commas, as they are signed."""


def normalize(environ: Environ) -> None:
    """Strip the headers of surrounding blanks; raise `MalformedRequestError` for an ambiguous or invalid one."""
    message = environ.pop(MESSAGE)
    if any(isinstance(defect, _NOT_A_HEADER) for defect in message.defects):
        raise MalformedRequestError("A line among the headers is not a header.")
    for name, value in message.raw_items():
        check(name, value)
    for name in _ONCE:
        if len(message.get_all(name, [])) > 1:
            raise MalformedRequestError(f"The request has the header {name} twice.")
    for key in [key for key in environ if key.startswith(("HTTP_", "CONTENT_"))]:
        environ[key] = environ[key].strip(" \t")


def check(name: str, value: str) -> None:
    """Raise `MalformedRequestError` unless name and value are those of a valid header."""
    if not _NAME.fullmatch(name):
        raise MalformedRequestError(f"The header name {name!r} has other characters than letters, digits and hyphens.")
    if not is_value(value):
        raise MalformedRequestError(f"The value of the header {name} has control characters or several lines.")


def is_value(text: str) -> bool:
    """Return whether a text is a valid header value, in a request or a response."""
    return bool(_VALUE.fullmatch(text))


def media_type(environ: Environ) -> str:
    """Return the media type of a body, as werkzeug and thus moto parse it."""
    return str(parse_options_header(environ.get("CONTENT_TYPE"))[0]).lower()
