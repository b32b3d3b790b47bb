"""IAM roles for tests: with all rights, or with given statements."""

import json
from typing import Any

ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ACCOUNT = "123456789012"


def policy(*statements: dict[str, Any]) -> str:
    """Return a policy of these statements as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def create(
    iam: Any, name: str, *statements: dict[str, Any], service: str = "glue.amazonaws.com", source: str = "*"
) -> str:
    """Create or update a role and return its ARN; without statements it may do anything.

    `service` may assume it on behalf of a resource whose ARN matches the pattern `source`.
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
