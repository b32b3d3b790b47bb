"""What a target gets to read of an event: all of it, a part, a constant text, or a template filled in."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jsonpath_ng.ext.parser import parse

_TOKEN = re.compile(r'(\\.|"|<[\w.-]+>)')
_MISSING = object()


def render(target: Mapping[str, Any], event: Mapping[str, Any], rule: Any) -> str:
    """Give the text that `target` receives for `event`.

    A template is not required to be JSON: what stands in it arrives as it stands, quotation marks included, as on AWS.
    """
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        part = _find(target["InputPath"], event)
        return json.dumps(None if part is _MISSING else part)
    transformer = target.get("InputTransformer")
    if transformer is None:
        return json.dumps(event)
    paths = transformer.get("InputPathsMap") or {}
    values = {name: _find(path, event) for name, path in paths.items()} | _predefined(event, rule)
    return _fill(transformer["InputTemplate"], values)


def _find(path: str, event: Mapping[str, Any]) -> Any:
    found = parse(path).find(event)
    return found[0].value if found else _MISSING


def _predefined(event: Mapping[str, Any], rule: Any) -> dict[str, Any]:
    return {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": dict(event),
    }


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """Put values in the place of their `<name>`, as JSON, or as text where the name stands within quotation marks.

    AWS says only that a variable whose path is not in the event "isn't created": here it is nothing within quotation
    marks and null outside them, so that a JSON template stays JSON. (Choice.)
    """
    quoted = False
    filled = []
    for piece in _TOKEN.split(template):
        name = piece[1:-1]
        if piece == '"':
            quoted = not quoted
        if piece.startswith("<") and name in values:
            filled.append(_as_text(values[name]) if quoted else _as_json(values[name]))
        else:
            filled.append(piece)
    return "".join(filled)


def _as_json(value: Any) -> str:
    return json.dumps(None if value is _MISSING else value)


def _as_text(value: Any) -> str:
    if value is _MISSING:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]
