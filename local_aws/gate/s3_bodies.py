"""The bodies of S3 requests on which authorization depends: the keys of DeleteObjects, and bucket policies."""

import json
from typing import Any
from xml.etree import ElementTree as ET

from local_aws.gate import bodies
from local_aws.gate.errors import MalformedRequestError
from local_aws.iam.conditions import as_list
from local_aws.iam.policies import VERSION_WITH_VARIABLES
from local_aws.wsgi import Environ

_DELETE_FIELDS = {"Key", "VersionId"}


def keys_to_delete(environ: Environ) -> list[tuple[str, str]]:
    """Return the keys and version ids of a DeleteObjects request; rewrite its body to contain only these."""
    malformed = MalformedRequestError("The XML you provided was not well-formed.", code="MalformedXML")
    try:
        root = ET.fromstring(bodies.peek(environ))  # noqa: S314 - signed with a key of this world
    except (ET.ParseError, ValueError, LookupError) as error:
        raise malformed from error
    namespace = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    keys, rewritten = [], ET.Element("Delete")
    for each in root:
        names = [child.tag.removeprefix(namespace) for child in each]
        texts = {name: child.text or "" for name, child in zip(names, each, strict=True) if not len(child)}
        tag = each.tag.removeprefix(namespace)
        if tag == "Quiet" and not names:
            continue
        if tag != "Object" or len(texts) != len(names) or not {"Key"} <= set(texts) <= _DELETE_FIELDS:
            raise malformed
        keys.append((texts["Key"], texts.get("VersionId", "")))
        element = ET.SubElement(rewritten, "Object")
        for name, text in zip(("Key", "VersionId"), keys[-1], strict=True):
            if text:
                ET.SubElement(element, name).text = text
    if root.tag.removeprefix(namespace) != "Delete" or not keys:
        raise malformed
    # XML parsers read an unescaped carriage return as a line feed.
    bodies.replace(environ, ET.tostring(rewritten, encoding="utf-8").replace(b"\r", b"&#13;"))
    return keys


def check_policy(body: bytes) -> None:
    """Raise `MalformedRequestError` for a bucket policy that cannot be evaluated."""
    try:
        policy = json.loads(body.decode())
        statements = as_list(policy["Statement"])
        is_policy = bool(statements) and all(map(_is_statement, statements))
        has_unsupported_variables = "${" in json.dumps(statements) and policy.get("Version") != VERSION_WITH_VARIABLES
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_policy = has_unsupported_variables = False
    if has_unsupported_variables:
        message = f"A policy with variables needs the Version {VERSION_WITH_VARIABLES}; older ones do not replace them."
        raise MalformedRequestError(message, code="MalformedPolicy")
    if not is_policy:
        message = "The policy must be JSON with statements that have Effect, Action and Resource."
        raise MalformedRequestError(message, code="MalformedPolicy")


def _is_statement(statement: Any) -> bool:
    """Return whether a statement of a bucket policy has all required elements, each of the right type."""
    conditions = statement.get("Condition", {}).values()
    actions, resources = (as_list(statement.get(name, statement.get(f"Not{name}"))) for name in ("Action", "Resource"))
    return (
        statement["Effect"] in {"Allow", "Deny"}
        and bool(actions and resources)
        and all(isinstance(text, str) for text in (*actions, *resources))
        and all(isinstance(tests, dict) for tests in conditions)
    )
