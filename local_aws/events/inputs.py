"""The input of a target: the event, a part of it, a constant text, or a filled template."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jsonpath_ng.ext.parser import parse

_TOKEN = re.compile(r'(\\.|"|<[\w.-]+>)')
_MISSING = object()


def render(target: Mapping[str, Any], event: Mapping[str, Any], rule: Any) -> str:
    """Return the text that `target` receives for `event`.

    A template need not be JSON: its text is delivered unchanged, including quotation marks, as on AWS.
    """
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        part = _value_at(target["InputPath"], event)
        return json.dumps(None if part is _MISSING else part)
    transformer = target.get("InputTransformer")
    if transformer is None:
        return json.dumps(event)
    paths = transformer.get("InputPathsMap") or {}
    values = {name: _value_at(path, event) for name, path in paths.items()} | _predefined(event, rule)
    return _fill(transformer["InputTemplate"], values)


def _value_at(path: str, event: Mapping[str, Any]) -> Any:
    matches = parse(path).find(event)
    return matches[0].value if matches else _MISSING


def _predefined(event: Mapping[str, Any], rule: Any) -> dict[str, Any]:
    return {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": dict(event),
    }


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """Replace each `<name>` by its value: as JSON, or within quotation marks as it is, without escapes.

    So a value with a quotation mark or a line break makes invalid a JSON template in which it is quoted, as on AWS. AWS
    documents only that a variable whose path is not in the event "isn't created": here it is empty within quotation
    marks and null outside them, so that a JSON template remains valid JSON. (Choice.)
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
    return json.dumps(None if value is _MISSING else value, ensure_ascii=False)


def _as_text(value: Any) -> str:
    if value is _MISSING:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
