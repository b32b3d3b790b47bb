"""Evaluation of IAM policies for one action on one resource: explicit deny, allow, or neither."""

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from local_aws.iam.conditions import (
    Context,
    are_met,
    as_list,
    matches_pattern,
    require_known_keys,
    substitute_variables,
)
from local_aws.iam.errors import UnsupportedPolicyError

type PolicyStatement = Mapping[str, Any]


VERSION_WITH_VARIABLES = "2012-10-17"
"""The version of the policy language with policy variables."""


class PolicyDecision(Enum):
    """The result of a policy evaluation; NOT_ALLOWED is an implicit deny."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


@lru_cache(maxsize=256)
def statements(document: str) -> tuple[PolicyStatement, ...]:
    """Return the statements of a policy document; cached by its text."""
    return tuple(as_list(json.loads(document).get("Statement")))


def verdict(documents: Iterable[str], action: str, resource: str, context: Context) -> PolicyDecision:
    """Return the verdict of the policies: a deny overrides every allow.

    Raises UnsupportedPolicyError when a statement on that action has an unsupported condition or variable.
    """
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _statements_with_variables(document)
        if matches_element(statement, "Action", action)
        and covers_resource(statement, resource, context)
        and _conditions_met(statement, context)
    }
    if effects - {"Allow"}:  # an unknown effect denies too
        return PolicyDecision.DENIED
    return PolicyDecision.ALLOWED if "Allow" in effects else PolicyDecision.NOT_ALLOWED


def trusts(document: str, service: str, context: Context) -> bool:
    """Return whether a trust policy allows `service` to assume the role; a Deny counts unless it is only for others."""
    effects = {
        statement["Effect"]
        for statement in statements(document)
        if matches_element(statement, "Action", "sts:AssumeRole")
        and _applies_to(statement, service)
        and _conditions_met(statement, context)
    }
    return effects == {"Allow"}


def matches_element(statement: PolicyStatement, element: str, value: str) -> bool:
    """Return whether a statement's Action or Resource (or NotAction, NotResource) covers `value`."""
    if element == "Action":  # case-insensitive
        value = value.lower()
        patterns = [str(each).lower() for each in as_list(statement.get("Action", statement.get("NotAction")))]
    else:
        patterns = as_list(statement.get(element, statement.get(f"Not{element}")))
    matches = any(matches_pattern(value, pattern) for pattern in patterns)
    return matches != (f"Not{element}" in statement)


def covers_resource(statement: PolicyStatement, resource: str, context: Context) -> bool:
    """Return whether a statement covers `resource`; raises UnsupportedPolicyError for an unsupported variable."""
    patterns = {
        element: [substitute_variables(str(pattern), context) for pattern in as_list(statement[element])]
        for element in ("Resource", "NotResource")
        if element in statement
    }
    return matches_element(patterns, "Resource", resource)


@lru_cache(maxsize=256)
def _statements_with_variables(document: str) -> tuple[PolicyStatement, ...]:
    """Return the statements of a policy; raises UnsupportedPolicyError for variables in a version without them."""
    if "${" in json.dumps(statements(document)) and json.loads(document).get("Version") != VERSION_WITH_VARIABLES:
        raise UnsupportedPolicyError(f"A policy with variables whose Version is not {VERSION_WITH_VARIABLES}")
    return statements(document)


def _conditions_met(statement: PolicyStatement, context: Context) -> bool:
    conditions = statement.get("Condition", {})
    require_known_keys(conditions, context)
    return are_met(conditions, context)


def _applies_to(statement: PolicyStatement, service: str) -> bool:
    """Return whether a trust policy statement applies to a service: an Allow only by name, a Deny also by `*`."""
    principal = statement.get("Principal")
    principals = principal if isinstance(principal, dict) else {}
    if service in as_list(principals.get("Service")):
        return True
    if statement["Effect"] == "Allow":
        return False
    if "NotPrincipal" in statement:
        excluded = statement["NotPrincipal"]
        return not isinstance(excluded, dict) or service not in as_list(excluded.get("Service"))
    return not principals or any("*" in as_list(each) for each in principals.values())
