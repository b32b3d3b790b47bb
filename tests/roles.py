"""Roles for tests that are about something else, and for those that are about roles."""

import json
from typing import Any

ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ACCOUNT = "123456789012"


def policy(*statements: dict[str, Any]) -> str:
    """Return the policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def create(
    iam: Any, name: str, *statements: dict[str, Any], service: str = "glue.amazonaws.com", source: str = "*"
) -> str:
    """Make a role that `service` may take on behalf of `source`, who may do what the statements say; return its ARN.

    Where there are no statements, it may do anything.
    """
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "StringLike": {"aws:SourceArn": source}},
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(*(statements or (ANYTHING,))))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"
