"""The headers of a request: each is there in one reading, for the gate as for werkzeug and moto.

Source: RFC 9110, section 5, and RFC 9112, sections 5 and 6.
"""

import re
from email import errors

from werkzeug.http import parse_options_header

from local_aws.gate.errors import MalformedRequestError
from local_aws.gate.signatures import Environ

MESSAGE = "totelake.headers"
"""Where a server leaves the headers as they arrive, an `HTTPMessage`, of which WSGI joins, drops and unfolds some."""

FIELDS = "application/x-www-form-urlencoded"
FORM = "multipart/form-data"

_NOT_A_HEADER = (
    errors.FirstHeaderLineIsContinuationDefect,
    errors.InvalidHeaderDefect,
    errors.MisplacedEnvelopeHeaderDefect,
    errors.MissingHeaderBodySeparatorDefect,
)
_NAME = re.compile(r"x-amz-meta-[!#$%&'*+.^_`|~0-9a-z-]+|[!#$%&'*+.^`|~0-9a-z-]+", re.IGNORECASE)
"""A name, in which WSGI takes `_` for `-`; moto tells them apart in metadata, and there only."""

_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_ONCE = ("Content-Length", "Content-Type")
"""Of these WSGI keeps the last; of others it makes one value with commas, as they are signed."""


def settle(environ: Environ) -> None:
    """Leave each header without the blanks around it; raise `MalformedRequestError` for one with several readings."""
    message = environ.pop(MESSAGE)
    if any(isinstance(defect, _NOT_A_HEADER) for defect in message.defects):
        raise MalformedRequestError("A line among the headers is not a header.")
    for name, value in message.raw_items():
        check(name, value)
    for name in _ONCE:
        if len(message.get_all(name, [])) > 1:
            raise MalformedRequestError(f"The header {name} is there twice.")
    for key in [key for key in environ if key.startswith(("HTTP_", "CONTENT_"))]:
        environ[key] = environ[key].strip(" \t")


def check(name: str, value: str) -> None:
    """Raise `MalformedRequestError` unless name and value can be a header, wherever in the request they come from."""
    if not _NAME.fullmatch(name):
        raise MalformedRequestError(f"The name of the header {name!r} is not one of letters, digits and hyphens.")
    if not is_value(value):
        raise MalformedRequestError(f"The header {name} has a control character, or goes over several lines.")


def is_value(text: str) -> bool:
    """Whether a text can be the value of a header, in a request and in an answer."""
    return bool(_VALUE.fullmatch(text))


def media_type(environ: Environ) -> str:
    """Return the type of a body, by which werkzeug and so moto take it for a form or not."""
    return str(parse_options_header(environ.get("CONTENT_TYPE"))[0]).lower()
