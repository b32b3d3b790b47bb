"""The policies of the roles against what they are for: deployments, plans, and the limits of both.

Nothing here needs an account: see `permissions`.
"""

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_aws.iam.conditions import Context, as_list
from local_aws.iam.policies import statements

from . import permissions
from .permissions import ACCOUNT, REGION, Environment, Permission

READERS = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/readers"]
EXISTING = {"vpc-0a1", "subnet-0a1", "subnet-0a2", "rtb-0a1", "vpc-0b1", "rtb-0b1"}
PEER = {"vpc_id": "vpc-0b1", "cidr_block": "10.9.0.0/16", "route_table_ids": ["rtb-0b1"]}
IN_EXISTING_NETWORK = {"vpc_id": "vpc-0a1", "subnet_ids": ["subnet-0a1", "subnet-0a2"], "route_table_ids": ["rtb-0a1"]}
BOUNDARY_CONTEXT = {
    "aws:requestedregion": REGION,
    "aws:resourcetag/aws:rds:primarydbinstancearn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:totelake-prod-warehouse",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "dev": {"network": IN_EXISTING_NETWORK},
    "prod": {"warehouse_kind": "postgres", "network": {"peer": PEER}, "quicksight": {"readers": READERS}},
    "prod on Redshift": {"warehouse_kind": "redshift", "network": {}},
}
ADMINISTRATOR = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
IAM = f"arn:aws:iam::{ACCOUNT}"
WITH_ADMINISTRATOR_POLICY: Context = {"iam:policyarn": "arn:aws:iam::aws:policy/AdministratorAccess"}
PASSED_TO_GLUE: Context = {"iam:passedtoservice": "glue.amazonaws.com"}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mock"


@pytest.fixture(scope="module")
def environments(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """Return each environment of `VARIANTS`."""

    def read(name: str) -> Environment:
        folder = tmp_path_factory.mktemp("permissions") / "terraform"
        shutil.copytree(configuration, folder, symlinks=True)
        for shared in ("crawlers", "dashboards"):
            shutil.copytree(configuration.parent / shared, folder.parent / shared)
        environment = name.partition(" ")[0]
        return permissions.read(folder, environment, f"totelake-{environment}", VARIANTS[name], EXISTING)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(VARIANTS, pool.map(read, VARIANTS), strict=True))


@pytest.fixture(params=VARIANTS)
def environment(request: pytest.FixtureRequest, environments: dict[str, Environment]) -> Environment:
    """Return each environment in turn."""
    return environments[request.param]


def test_deploy_role_may_create_read_change_and_delete_every_resource(environment: Environment):
    """With the provider's calls, on each of the resources that AWS checks for them."""
    assert permissions.missing(permissions.needed(environment), environment.deploy) == []


def test_plan_role_may_read_every_data_source(environment: Environment):
    """A plan that does not refresh reads nothing else."""
    assert permissions.missing(permissions.needed_to_plan(environment), environment.plan) == []


def test_every_role_has_the_boundary_and_the_path(environment: Environment):
    """Else the deployment could not create it."""
    roles = {role.address: (role.values["path"], role.values["permissions_boundary"]) for role in environment.roles}

    assert roles == dict.fromkeys(roles, (f"/{environment.prefix}/", environment.boundary_arn))


def test_boundary_permits_what_the_roles_need(environment: Environment):
    """A permission beyond the boundary has no effect, so that a job would fail."""
    needed = [
        Permission(action, resource, BOUNDARY_CONTEXT, role.address)
        for role in environment.of_type("aws_iam_role_policy")
        for statement in statements(role.values["policy"])
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    named = [each for each in needed if "mock" not in each.arn and each.arn.startswith(("arn:", "*"))]
    permitted = [element for each in statements(environment.boundary) for element in as_list(each["Action"])]

    assert {each.action.partition(":")[0] for each in named} >= {"cloudwatch", "ec2", "glue", "logs", "s3"}
    assert permissions.missing(named, [environment.boundary]) == []
    # The mocked provider generates the other ARNs.
    assert {each.action for each in needed} - set(permitted) == set()


def test_roles_can_use_an_encrypted_catalog(environment: Environment):
    """Whoever reads or writes metadata needs the key: the first ingest would fail after its commit."""
    policies = {role.address: role.values["policy"] for role in environment.of_type("aws_iam_role_policy")}
    users = {name: text for name, text in policies.items() if re.search('"glue:(Get|BatchCreate)Partition', text)}
    through_glue: Context = {"kms:viaservice": f"glue.{REGION}.amazonaws.com"}
    actions = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")

    assert len(users) > 1
    for name, policy in users.items():
        needed = [Permission(action, KEY, through_glue, name) for action in actions]
        assert permissions.missing(needed, [policy]) == []
        assert permissions.missing(needed, [environment.boundary]) == []


def test_neither_deploy_role_nor_any_role_that_it_makes_can_become_administrator(environment: Environment):
    """Nor change its own role, the boundary, the key, or the state of bootstrap; an administrator can."""
    attempts = [
        *on_resources_of_others(environment),
        *on_own_roles(environment),
        *on_resources_of_bootstrap(environment),
    ]

    for policies in (environment.deploy, environment.plan, [environment.boundary]):
        assert permissions.granted(attempts, policies) == []
    assert permissions.granted(attempts, [ADMINISTRATOR]) == attempts


def on_resources_of_others(environment: Environment) -> Iterator[Permission]:
    """Yield the known ways to more privileges, and changes of networks that are not the environment's."""
    for action in permissions.known_escalations():
        for arn in permissions.foreign_arns(action):
            for context in (WITH_ADMINISTRATOR_POLICY, PASSED_TO_GLUE):
                yield Permission(action, arn, context, "on a resource of others")
    request_tags = {f"aws:requesttag/{name}": value for name, value in environment.tags.items()}
    tagging, rules = ("CreateTags", "DeleteTags"), ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress")
    changes = dict.fromkeys(("vpc", "subnet", "route-table"), tagging) | {"security-group": (*tagging, *rules)}
    for kind, actions in changes.items():
        for action in actions:
            arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/others"
            yield Permission(f"ec2:{action}", arn, request_tags, "on a network of others")


def on_own_roles(environment: Environment) -> Iterator[Permission]:
    """Yield ways to give a role of the environment more than the boundary permits."""
    role, with_boundary = f"{IAM}:role/{environment.prefix}/job", {"iam:permissionsboundary": environment.boundary_arn}
    with_another: Context = {"iam:permissionsboundary": f"{IAM}:policy/other"}
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
        yield Permission(action, role, {}, "without the boundary")
        yield Permission(action, role, with_another, "with another boundary")
    yield Permission("iam:PutRolePermissionsBoundary", role, with_another, "with another boundary")
    yield Permission("iam:AttachRolePolicy", role, {**with_boundary, **WITH_ADMINISTRATOR_POLICY}, "with the boundary")
    yield Permission("iam:DeleteRolePermissionsBoundary", role, with_boundary, "with the boundary")


def on_resources_of_bootstrap(environment: Environment) -> Iterator[Permission]:
    """Yield changes of the policies, roles, key and state of `make bootstrap`, and of locked data."""
    prefix = environment.prefix
    for name in ("boundary", "github-roles", "quicksight"):
        for action in ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy"):
            yield Permission(action, f"{IAM}:policy/{prefix}-{name}", {}, "policy of bootstrap")
    for name in ("deploy", "plan"):
        for action in ("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PassRole"):
            context = {"iam:permissionsboundary": environment.boundary_arn, **PASSED_TO_GLUE}
            yield Permission(action, f"{IAM}:role/{prefix}-github-{name}", context, "role of bootstrap")
    tags = {f"aws:resourcetag/{name}": value for name, value in environment.tags.items()}
    for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"):
        yield Permission(action, KEY, tags, "key of bootstrap")
    yield Permission("s3:PutObject", f"arn:aws:s3:::{prefix}-state/bootstrap.tfstate", {}, "state of bootstrap")
    yield Permission("s3:BypassGovernanceRetention", f"arn:aws:s3:::{prefix}-ingested/log/1", {}, "locked version")
