"""Policies of IAM and what they say to one action on one resource: an explicit deny, an allow, or nothing."""

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from local_aws.iam.conditions import Context, fulfilled, like, listed, require_known, resolved
from local_aws.iam.errors import UnjudgeableError

type Statement = Mapping[str, Any]


LANGUAGE = "2012-10-17"
"""The version of the policy language that has variables."""


class Verdict(Enum):
    """What policies say; what none of them allows is denied without a word."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


@lru_cache(maxsize=256)
def statements(document: str) -> tuple[Statement, ...]:
    """Return the statements of a policy; the same text is read once."""
    return tuple(listed(json.loads(document).get("Statement")))


def verdict(documents: Iterable[str], action: str, resource: str, context: Context) -> Verdict:
    """Return what the policies say: a deny wins over every allow.

    Raises UnjudgeableError where a statement on that action has a condition or a variable that is not known here.
    """
    found = {
        statement["Effect"]
        for document in documents
        for statement in _in_language(document)
        if names(statement, "Action", action) and is_about(statement, resource, context) and _holds(statement, context)
    }
    if found - {"Allow"}:  # also an effect that is written in another way
        return Verdict.DENIED
    return Verdict.ALLOWED if "Allow" in found else Verdict.NOT_ALLOWED


def trusts(document: str, service: str, context: Context) -> bool:
    """Whether a trust policy lets `service` take the role: a Deny counts unless it is for others alone."""
    found = {
        statement["Effect"]
        for statement in statements(document)
        if names(statement, "Action", "sts:AssumeRole") and _is_for(statement, service) and _holds(statement, context)
    }
    return found == {"Allow"}


def names(statement: Statement, element: str, value: str) -> bool:
    """Whether `value` is among what a statement's Action or Resource (or NotAction, NotResource) names."""
    if element == "Action":  # the only one in which case does not matter
        value = value.lower()
        patterns = [str(each).lower() for each in listed(statement.get("Action", statement.get("NotAction")))]
    else:
        patterns = listed(statement.get(element, statement.get(f"Not{element}")))
    named = any(like(value, pattern) for pattern in patterns)
    return named != (f"Not{element}" in statement)


def is_about(statement: Statement, resource: str, context: Context) -> bool:
    """Whether `resource` is among those of a statement; raises UnjudgeableError for a variable that is not known."""
    patterns = {
        element: [resolved(str(pattern), context) for pattern in listed(statement[element])]
        for element in ("Resource", "NotResource")
        if element in statement
    }
    return names(patterns, "Resource", resource)


@lru_cache(maxsize=256)
def _in_language(document: str) -> tuple[Statement, ...]:
    """Return the statements of a policy; raises UnjudgeableError for variables where its version has none."""
    if "${" in json.dumps(statements(document)) and json.loads(document).get("Version") != LANGUAGE:
        raise UnjudgeableError(f"A policy with variables whose Version is not {LANGUAGE}")
    return statements(document)


def _holds(statement: Statement, context: Context) -> bool:
    conditions = statement.get("Condition", {})
    require_known(conditions, context)
    return fulfilled(conditions, context)


def _is_for(statement: Statement, service: str) -> bool:
    """Whether a statement of a trust policy is for a service: an Allow by its name, a Deny also for everybody."""
    principal = statement.get("Principal")
    principals = principal if isinstance(principal, dict) else {}
    if service in listed(principals.get("Service")):
        return True
    if statement["Effect"] == "Allow":
        return False
    if "NotPrincipal" in statement:
        spared = statement["NotPrincipal"]
        return not isinstance(spared, dict) or service not in listed(spared.get("Service"))
    return not principals or any("*" in listed(some) for some in principals.values())
