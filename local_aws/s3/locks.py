"""Object Lock: retention and legal hold, as a request or the bucket says, read in one way."""

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
"""A date of ISO 8601 with a time zone, in the form that XML has it in."""


def of_headers(headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Return legal hold, mode and end of the retention of an object that is written; raises InvalidArgumentError."""
    hold, mode, until = (headers.get(_HEADER + name) for name in ("legal-hold", "mode", "retain-until-date"))
    if hold is not None and hold not in _HOLDS:
        raise InvalidArgumentError("Legal Hold must be either of 'ON' or 'OFF'", f"{_HEADER}legal-hold", hold)
    if mode is None and until is None:
        return hold, None, None
    if mode is None or until is None:
        words = f"{_HEADER}retain-until-date and {_HEADER}mode must both be supplied"
        raise InvalidArgumentError(words, f"{_HEADER}mode", mode or "")
    if mode not in _MODES:
        raise InvalidArgumentError("Unknown wormMode directive.", f"{_HEADER}mode", mode)
    end = _date(until)
    if end is None:
        words = "The retain until date must be provided in ISO 8601 format"
        raise InvalidArgumentError(words, f"{_HEADER}retain-until-date", until)
    return hold, mode, _future(end)


def retention(body: bytes) -> tuple[str | None, str | None]:
    """Return mode and end of the retention that PutObjectRetention sets, both None where it takes one away.

    Raises MalformedXML, and InvalidArgumentError for a date in the past.
    """
    texts = _texts(body, "Retention")
    if not texts:
        return None, None
    end = _date(texts.get("RetainUntilDate", ""))
    if set(texts) != {"Mode", "RetainUntilDate"} or texts["Mode"] not in _MODES or end is None:
        raise MalformedXML
    return texts["Mode"], _future(end)


def legal_hold(body: bytes) -> str:
    """Return the status that PutObjectLegalHold sets; raises MalformedXML."""
    texts = _texts(body, "LegalHold")
    if set(texts) != {"Status"} or texts["Status"] not in _HOLDS:
        raise MalformedXML
    return texts["Status"]


def retained(bucket: FakeBucket, mode: str | None, until: str | None) -> Record:
    """Return the retention of an object that is written: as its request says, else as the bucket does."""
    if mode is None and bucket.has_default_lock:
        mode, until = bucket.default_lock_mode, bucket.default_retention()
    return {"lock_mode": mode, "lock_until": until}


def is_weaker(key: FakeKey, mode: str | None, until: str | None) -> bool:
    """Whether another retention would hold an object less, or not as long, as the one that it has."""
    if not key.lock_mode:
        return False
    now, then = _date(key.lock_until or ""), _date(until or "")
    return mode != key.lock_mode or now is None or then is None or then < now


def _date(text: str) -> datetime | None:
    """Return the time that a date means; None for what is no date with a time zone."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _future(end: datetime) -> str:
    """Return a date as it is kept; raises InvalidArgumentError for one in the past."""
    kept = end.isoformat().replace("+00:00", "Z")
    if end <= datetime.now(UTC):
        raise InvalidArgumentError("The retain until date must be in the future!", "RetainUntilDate", kept)
    return kept


def _texts(body: bytes, name: str) -> dict[str, str]:
    """Return the texts of the elements in the element `name`, none of them there twice; raises MalformedXML."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - signed with a key of this world
    except (ET.ParseError, ValueError, LookupError) as error:
        raise MalformedXML from error
    texts = {each.tag.removeprefix(_NAMESPACE): each.text or "" for each in root if not len(each)}
    if root.tag.removeprefix(_NAMESPACE) != name or len(texts) != len(root):
        raise MalformedXML
    return texts
