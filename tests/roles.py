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
    """Make a role, or change it, and return its ARN; where there are no statements, it may do anything.

    `service` may take it on behalf of the resource `source`, a pattern.
    """
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "StringLike": {"aws:SourceArn": source}},
    }
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    except iam.exceptions.EntityAlreadyExistsException:  # moto outlives the endpoints of one process
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(*(statements or (ANYTHING,))))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"
