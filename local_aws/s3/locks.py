"""Object Lock: parsing and checking of retention and legal hold."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from moto.s3.exceptions import InvalidArgumentError, MalformedXML
from moto.s3.models import FakeBucket, FakeKey

from local_aws.s3.records import Record

_MODES = {"GOVERNANCE", "COMPLIANCE"}
_HOLDS = {"ON", "OFF"}
_HEADER = "x-amz-object-lock-"
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
"""An ISO 8601 date and time with time zone, as in XML Schema."""


def from_headers(headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Return legal hold, retention mode and end of retention of a write; raises InvalidArgumentError."""
    hold, mode, until = (headers.get(_HEADER + name) for name in ("legal-hold", "mode", "retain-until-date"))
    if hold is not None and hold not in _HOLDS:
        raise InvalidArgumentError("Legal Hold must be either of 'ON' or 'OFF'", f"{_HEADER}legal-hold", hold)
    if mode is None and until is None:
        return hold, None, None
    if mode is None or until is None:
        message = f"{_HEADER}retain-until-date and {_HEADER}mode must both be supplied"
        raise InvalidArgumentError(message, f"{_HEADER}mode", mode or "")
    if mode not in _MODES:
        raise InvalidArgumentError("Unknown wormMode directive.", f"{_HEADER}mode", mode)
    end = _date(until)
    if end is None:
        message = "The retain until date must be provided in ISO 8601 format"
        raise InvalidArgumentError(message, f"{_HEADER}retain-until-date", until)
    return hold, mode, _format_future(end)


def retention(body: bytes) -> tuple[str | None, str | None]:
    """Return mode and end of the retention in a PutObjectRetention request, both None when it removes one.

    Raises MalformedXML, and InvalidArgumentError for a date in the past.
    """
    texts = _texts(body, "Retention")
    if not texts:
        return None, None
    end = _date(texts.get("RetainUntilDate", ""))
    if set(texts) != {"Mode", "RetainUntilDate"} or texts["Mode"] not in _MODES or end is None:
        raise MalformedXML
    return texts["Mode"], _format_future(end)


def legal_hold(body: bytes) -> str:
    """Return the status in a PutObjectLegalHold request; raises MalformedXML."""
    texts = _texts(body, "LegalHold")
    if set(texts) != {"Status"} or texts["Status"] not in _HOLDS:
        raise MalformedXML
    return texts["Status"]


def object_retention(bucket: FakeBucket, mode: str | None, until: str | None) -> Record:
    """Return the retention of a write: the request's, else the bucket's default."""
    if mode is None and bucket.has_default_lock:
        mode, until = bucket.default_lock_mode, bucket.default_retention()
    return {"lock_mode": mode, "lock_until": until}


def is_weaker(key: FakeKey, mode: str | None, until: str | None) -> bool:
    """Return whether a new retention is shorter than an object's current one or has another mode."""
    if not key.lock_mode:
        return False
    current, new = _date(key.lock_until or ""), _date(until or "")
    return mode != key.lock_mode or current is None or new is None or new < current


def _date(text: str) -> datetime | None:
    """Parse a date and time in UTC; None when it is malformed or has no time zone."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _format_future(end: datetime) -> str:
    """Return a date as text; raises InvalidArgumentError for one in the past."""
    text = end.isoformat().replace("+00:00", "Z")
    if end <= datetime.now(UTC):
        raise InvalidArgumentError("The retain until date must be in the future!", "RetainUntilDate", text)
    return text


def _texts(body: bytes, name: str) -> dict[str, str]:
    """Return the texts of the child elements of the root element `name`; raises MalformedXML, also for duplicates."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - signed with a key of this world
    except (ET.ParseError, ValueError, LookupError) as error:
        raise MalformedXML from error
    texts = {each.tag.removeprefix(_NAMESPACE): each.text or "" for each in root if not len(each)}
    if root.tag.removeprefix(_NAMESPACE) != name or len(texts) != len(root):
        raise MalformedXML
    return texts
