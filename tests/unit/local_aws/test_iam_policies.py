"""Evaluation of IAM policies by the local endpoint."""

import json
from typing import Any

import pytest

from local_aws.iam.errors import UnsupportedPolicyError
from local_aws.iam.policies import PolicyDecision, trusts, verdict
from tests.roles import policy

KEY = "arn:aws:s3:::lake/log/1.json"


def statement(action: str = "s3:GetObject", resource: str = KEY, effect: str = "Allow", **rest: Any) -> dict[str, Any]:
    """Return a statement."""
    return {"Effect": effect, "Action": action, "Resource": resource, **rest}


def verdict_of(
    *statements: dict[str, Any], action: str = "s3:GetObject", resource: str = KEY, **context: Any
) -> PolicyDecision:
    """Return the verdict of a policy of these statements on the action; context keys are written `aws__key`."""
    keys = {name.replace("__", ":").lower(): value for name, value in context.items()}
    return verdict([policy(*statements)], action, resource, keys)


def test_action_is_denied_by_default_and_a_deny_takes_precedence():
    """In any order of the statements."""
    assert verdict_of() is PolicyDecision.NOT_ALLOWED
    assert verdict_of(statement()) is PolicyDecision.ALLOWED
    assert verdict_of(statement(effect="Deny"), statement()) is PolicyDecision.DENIED
    assert verdict_of(statement(), statement(effect="Deny")) is PolicyDecision.DENIED
    assert verdict_of(statement(), statement(effect="deny")) is PolicyDecision.DENIED


@pytest.mark.parametrize(
    ("action", "resource", "matches"),
    [
        ("S3:getobject", KEY, True),  # AWS ignores the case of actions
        ("s3:Get*", KEY, True),
        ("s3:GetObjec?", KEY, True),
        ("s3:PutObject", KEY, False),
        ("s3:GetObject", "arn:aws:s3:::lake/*", True),
        ("s3:GetObject", "arn:aws:s3:::lake/log/?.json", True),
        ("s3:GetObject", "arn:aws:s3:::lake/LOG/*", False),
        ("s3:GetObject", "arn:aws:s3:::lake/log", False),
        ("s3:GetObject", "*", True),
    ],
)
def test_actions_and_resources_are_patterns(action: str, resource: str, matches: bool):
    """Resources are case-sensitive, actions are not."""
    assert (verdict_of(statement(action, resource)) is PolicyDecision.ALLOWED) == matches


def test_not_action_and_not_resource_match_all_others():
    """An element that is listed does not match."""
    others = {"Effect": "Allow", "NotAction": "s3:Delete*", "NotResource": "arn:aws:s3:::lake/tables/*"}

    assert verdict_of(others) is PolicyDecision.ALLOWED
    assert verdict_of(others, action="s3:DeleteObject") is PolicyDecision.NOT_ALLOWED
    assert verdict_of(others, resource="arn:aws:s3:::lake/tables/1") is PolicyDecision.NOT_ALLOWED


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"cloudwatch:namespace": ["Glue", "Mine"]}}, {"cloudwatch__namespace": "Mine"}, True),
        ({"StringEquals": {"cloudwatch:namespace": ["Glue", "Mine"]}}, {"cloudwatch__namespace": "mine"}, False),
        ({"StringEquals": {"cloudwatch:namespace": "Mine"}}, {"cloudwatch__namespace": None}, False),
        ({"StringEqualsIfExists": {"cloudwatch:namespace": "Mine"}}, {"cloudwatch__namespace": None}, True),
        ({"StringNotEquals": {"a:b": ["x", "y"]}}, {"a__b": "y"}, False),
        ({"StringNotEquals": {"a:b": "x"}}, {"a__b": None}, True),
        ({"StringLike": {"a:b": "x*"}}, {"a__b": "xyz"}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws__SecureTransport": "true"}, True),
        ({"Null": {"s3:if-none-match": "true"}}, {"s3__if-none-match": None}, True),
        ({"Null": {"s3:if-none-match": "true"}}, {"s3__if-none-match": "*"}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:glue:*:1:*"}}, {"aws__SourceArn": "arn:aws:glue:r:1:job/x"}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:glue:*:1:*"}}, {"aws__SourceArn": "arn:aws:glue:r:2:job/x:1:y"}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ["x", "y"]}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x", "y"]}}, {"aws__TagKeys": ["x"]}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": None}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ["x", "y"]}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": None}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": [""]}}, {"aws__TagKeys": ""}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": None}, True),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ["x", "y"]}, True),
        ({"ForAnyValue:StringNotLike": {"aws:TagKeys": ["x*"]}}, {"aws__TagKeys": ["x", "xy"]}, False),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": None}, False),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ["x", "y"]}, False),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": None}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ""}, True),
        ({"StringNotEquals": {"aws:TagKeys": ["x"]}}, {"aws__TagKeys": ["x", "y"]}, False),
        ({"StringEquals": {"a:b": "x", "a:c": "y"}}, {"a__b": "x", "a__c": None}, False),
        ({"StringEquals": {"a:b": "${aws:userid}"}}, {"a__b": "AROA:me", "aws__userid": "AROA:me"}, True),
        ({"StringEquals": {"a:b": "${aws:userid}"}}, {"a__b": "AROA:me", "aws__userid": "AROA:you"}, False),
    ],
)
def test_conditions_are_evaluated_as_in_aws(condition: dict[str, Any], context: dict[str, Any], holds: bool):
    """A key that is missing in the request fails an operator, except a negation or IfExists."""
    assert (verdict_of(statement(Condition=condition), **context) is PolicyDecision.ALLOWED) == holds


@pytest.mark.parametrize(
    "condition",
    [
        {"DateLessThan": {"a:b": "2030"}},
        {"StringLike": {"a:b": "${x}"}},
        {"StringLike": {"a:b": "${a:b}"}},
        {"StringLike": {"a:b": "${aws:userid, 'x'}"}},
        {"StringEquals": {"a:c": "x"}},
        {"StringNotEquals": {"a:c": "x"}},
        {"StringEqualsIfExists": {"a:c": "x"}},
        {"ForAllValues:StringEquals": {"a:c": "x"}},
        {"Null": {"a:c": "true"}},
        {"ForSomeValues:StringEquals": {"a:b": "x"}},
        {"ForAllValues:ForAnyValue:StringEquals": {"a:b": "x"}},
        {":StringEquals": {"a:b": "x"}},
        {"ForAllValues:Null": {"a:b": "false"}},
        {"NullIfExists": {"a:b": "false"}},
    ],
    ids=str,
)
def test_unknown_condition_raises(condition: dict[str, Any]):
    """Rather than allow what AWS might deny; in a statement on another action it is ignored."""
    known = {"a__b": "x", "aws__userid": "AROA:me"}
    with pytest.raises(UnsupportedPolicyError, match="is not supported"):
        verdict_of(statement(Condition=condition), **known)
    with pytest.raises(UnsupportedPolicyError, match="is not supported"):
        verdict_of(statement(Condition=condition, effect="Deny"), statement(), **known)
    assert verdict_of(statement(Condition=condition), action="s3:PutObject", **known) is PolicyDecision.NOT_ALLOWED


def test_variable_in_a_resource_is_replaced_by_its_value():
    """In the policy version with variables only; a value with a wildcard is rejected."""
    own = statement(resource="arn:aws:s3:::lake/${aws:userid}/*")
    all_others = {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::lake/${AWS:UserId}/*"}

    def of(owner: str, user_id: str | None = "AROA:me", version: str = "2012-10-17") -> PolicyDecision:
        document = json.dumps({"Version": version, "Statement": [own, all_others]})
        return verdict([document], "s3:GetObject", f"arn:aws:s3:::lake/{owner}/1", {"aws:userid": user_id})

    assert of("AROA:me") is PolicyDecision.ALLOWED
    assert of("AROA:you") is PolicyDecision.DENIED
    for arguments in ({"user_id": "AROA:*"}, {"user_id": None}, {"version": "2008-10-17"}):
        with pytest.raises(UnsupportedPolicyError, match="ariable"):
            of("AROA:me", **arguments)


def test_trust_policy_limits_service_account_and_resource():
    """This prevents the confused deputy problem."""
    trust = policy(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "glue.amazonaws.com"},
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "1"},
                "ArnLike": {"aws:SourceArn": "arn:aws:glue:r:1:*"},
            },
        }
    )
    own = {"aws:sourceaccount": "1", "aws:sourcearn": "arn:aws:glue:r:1:job/x"}

    assert trusts(trust, "glue.amazonaws.com", own)
    assert not trusts(trust, "lambda.amazonaws.com", own)
    assert not trusts(trust, "glue.amazonaws.com", own | {"aws:sourceaccount": "2"})
    assert not trusts(trust, "glue.amazonaws.com", own | {"aws:sourcearn": "arn:aws:glue:other:1:job/x"})
    with pytest.raises(UnsupportedPolicyError, match="aws:SourceArn"):
        trusts(trust, "glue.amazonaws.com", {"aws:sourceaccount": "1"})


@pytest.mark.parametrize(
    ("principals", "denied"),
    [
        ({"Principal": {"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]}}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["arn:aws:iam::1:root", "*"]}}, True),
        ({"Principal": {"Service": "*"}}, True),
        ({"NotPrincipal": {"AWS": "arn:aws:iam::1:root"}}, True),
        ({"NotPrincipal": {"Service": "lambda.amazonaws.com"}}, True),
        ({"NotPrincipal": {"Service": "glue.amazonaws.com"}}, False),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceAccount": "2"}}}, False),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceAccount": "2"}}}, True),
    ],
    ids=str,
)
def test_deny_in_a_trust_policy_counts_unless_it_names_others(principals: dict[str, Any], denied: bool):
    """For every way to name all principals."""
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "glue.amazonaws.com"}}
    trust = policy(allowed, {"Effect": "Deny", "Action": "sts:*", **principals})

    assert trusts(trust, "glue.amazonaws.com", {"aws:sourceaccount": "1"}) is not denied


@pytest.mark.parametrize(
    "principals", [{"Principal": "*"}, {"Principal": {"AWS": "*"}}, {"NotPrincipal": {"AWS": "1"}}]
)
def test_allow_in_a_trust_policy_counts_only_if_it_names_the_service(principals: dict[str, Any]):
    """An allow for everyone does not include services."""
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", **principals})

    assert not trusts(trust, "glue.amazonaws.com", {})
