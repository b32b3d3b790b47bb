"""The conditions of a policy's statement, held against what is known of a request.

Operators, condition keys and policy variables that are not known here raise, so that nothing is allowed that AWS might
not allow.
"""

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any

from local_aws.iam.errors import UnjudgeableError

type Context = Mapping[str, str | list[str] | None]
"""The condition keys that are known of a request, in lower case; one that the request does not have is None."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLES = {"aws:principalaccount", "aws:userid"}
"""The condition keys that can stand in a policy as variables."""


def require_known(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> None:
    """Raise UnjudgeableError for a condition on a key that `context` does not have, not even as None."""
    for operator, tests in conditions.items():
        for key in tests:
            if key.lower() not in context:
                raise UnjudgeableError(f"The condition {operator} of {key}")


def resolved(text: str, context: Context) -> str:
    """Return a resource or a value of a policy with its variables replaced; raises UnjudgeableError for other ones."""

    def value(variable: re.Match[str]) -> str:
        key = variable[1].lower()
        found = context.get(key) if key in _VARIABLES else None
        if not isinstance(found, str) or not variable[0].endswith("}") or set(found) & set("*?"):
            raise UnjudgeableError(f"The policy variable {variable[0]}")
        return found

    return _VARIABLE.sub(value, text)


def fulfilled(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether all conditions hold; raises UnjudgeableError for an operator or a value that is not known here."""
    return all(
        _holds(operator, key, [resolved(str(value), context) for value in listed(values)], context)
        for operator, tests in conditions.items()
        for key, values in tests.items()
    )


def like(value: str, pattern: str) -> bool:
    """Whether `value` matches a pattern with `*` and `?`; square brackets mean themselves."""
    return _compiled(pattern).fullmatch(value) is not None


def listed(value: Any) -> list[Any]:
    """Return what may stand alone or in a list as a list; nothing is an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _holds(operator: str, key: str, expected: list[str], context: Context) -> bool:
    quantifier = next((each for each in _QUANTIFIERS if operator.startswith(each)), "")
    plain = operator.removeprefix(quantifier)
    name = plain.removesuffix("IfExists")
    actual = context.get(key.lower())
    if operator == "Null":
        return str(actual is None).lower() in [value.lower() for value in expected]
    if name not in _OPERATORS:
        raise UnjudgeableError(f"The condition {operator} of {key}")
    if actual is None and plain != name:
        return True
    # To a quantifier, an empty text is no value; without one it is.
    values = [value for value in listed(actual) if value or not quantifier]
    negated = name in _NEGATED
    matches = [any(_OPERATORS[name](value, wanted) for wanted in expected) != negated for value in values]
    every = quantifier == "ForAllValues:" or (negated and not quantifier)
    return all(matches) if every else any(matches)


def _same(actual: str, wanted: str) -> bool:
    return actual == wanted


def _same_but_for_case(actual: str, wanted: str) -> bool:
    return actual.lower() == wanted.lower()


def _same_arn(actual: str, wanted: str) -> bool:
    """Compare the six parts of an ARN one by one: a `*` does not reach over a colon, but in the last part."""
    parts, patterns = actual.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) and all(map(like, parts, patterns))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": _same_arn,
    "ArnLike": _same_arn,
    "ArnNotEquals": _same_arn,
    "ArnNotLike": _same_arn,
    "Bool": _same_but_for_case,
    "StringEquals": _same,
    "StringEqualsIgnoreCase": _same_but_for_case,
    "StringLike": like,
    "StringNotEquals": _same,
    "StringNotEqualsIgnoreCase": _same_but_for_case,
    "StringNotLike": like,
}
_NEGATED = {name for name in _OPERATORS if "Not" in name}
_QUANTIFIERS = ("ForAllValues:", "ForAnyValue:")


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))
