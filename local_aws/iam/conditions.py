"""Evaluation of the conditions of policy statements against the condition keys of a request.

Unsupported operators, condition keys and policy variables raise, so that nothing is allowed that AWS might deny.
"""

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any

from local_aws.iam.errors import UnsupportedPolicyError

type Context = Mapping[str, str | list[str] | None]
"""The supported condition keys of a request, in lower case; None for one that the request does not have."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLES = {"aws:principalaccount", "aws:userid"}
"""The condition keys that are supported as policy variables."""


def require_known_keys(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> None:
    """Raise UnsupportedPolicyError for a condition on a key that is not in `context`, not even as None."""
    for operator, tests in conditions.items():
        for key in tests:
            if key.lower() not in context:
                raise UnsupportedPolicyError(f"The condition {operator} of {key}")


def substitute_variables(text: str, context: Context) -> str:
    """Return `text` with its policy variables replaced; raises UnsupportedPolicyError for unsupported ones."""

    def value(variable: re.Match[str]) -> str:
        key = variable[1].lower()
        replacement = context.get(key) if key in _VARIABLES else None
        if not isinstance(replacement, str) or not variable[0].endswith("}") or set(replacement) & set("*?"):
            raise UnsupportedPolicyError(f"The policy variable {variable[0]}")
        return replacement

    return _VARIABLE.sub(value, text)


def are_met(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether all conditions are met; raises UnsupportedPolicyError for an unsupported operator or variable."""
    return all(
        _is_met(operator, key, [substitute_variables(str(value), context) for value in as_list(values)], context)
        for operator, tests in conditions.items()
        for key, values in tests.items()
    )


def matches_pattern(value: str, pattern: str) -> bool:
    """Return whether `value` matches a pattern with the wildcards `*` and `?`; square brackets are literal."""
    return _compile(pattern).fullmatch(value) is not None


def as_list(value: Any) -> list[Any]:
    """Return `value` as a list: a single value as a list of one, None as an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_met(operator: str, key: str, expected: list[str], context: Context) -> bool:
    quantifier = next((each for each in _QUANTIFIERS if operator.startswith(each)), "")
    plain = operator.removeprefix(quantifier)
    name = plain.removesuffix("IfExists")
    actual = context.get(key.lower())
    if operator == "Null":
        return str(actual is None).lower() in [value.lower() for value in expected]
    if name not in _OPERATORS:
        raise UnsupportedPolicyError(f"The condition {operator} of {key}")
    if actual is None and plain != name:
        return True
    # With a quantifier, an empty string does not count as a value.
    values = [value for value in as_list(actual) if value or not quantifier]
    negated = name in _NEGATED
    matches = [any(_OPERATORS[name](value, each) for each in expected) != negated for value in values]
    all_must_match = quantifier == "ForAllValues:" or (negated and not quantifier)
    return all(matches) if all_must_match else any(matches)


def _equals(actual: str, expected: str) -> bool:
    return actual == expected


def _equals_ignoring_case(actual: str, expected: str) -> bool:
    return actual.lower() == expected.lower()


def _matches_arn(actual: str, pattern: str) -> bool:
    """Compare the six parts of an ARN one by one: a `*` matches no colon, except in the last part."""
    parts, patterns = actual.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(matches_pattern, parts, patterns))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": _matches_arn,
    "ArnLike": _matches_arn,
    "ArnNotEquals": _matches_arn,
    "ArnNotLike": _matches_arn,
    "Bool": _equals_ignoring_case,
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": matches_pattern,
    "StringNotEquals": _equals,
    "StringNotEqualsIgnoreCase": _equals_ignoring_case,
    "StringNotLike": matches_pattern,
}
_NEGATED = {name for name in _OPERATORS if "Not" in name}
_QUANTIFIERS = ("ForAllValues:", "ForAnyValue:")


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))
