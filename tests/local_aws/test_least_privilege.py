"""Least privilege: removing any permission that Terraform grants makes a call of the role fail."""

import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import iam
from local_aws.iam.policies import PolicyDecision, verdict
from ops.deploy import build, terraform
from ops.sandbox import deployment
from ops.sandbox.settings import SandboxSettings
from tests import roles
from tests.local_aws.role_calls import CALLS, FORBIDDEN, PREFIX, RoleCall

pytestmark = pytest.mark.terraform

REGION = "eu-west-2"
NOTHING = {"Sid": "Nothing", "Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::none/none"]}
"""Replaces an empty list of statements, which IAM rejects."""

type Policy = dict[str, Any]


@dataclass(frozen=True)
class Permission:
    """One action on one resource, or one value of a condition, in a statement of a policy."""

    sid: str
    action: str
    resource: str = ""
    condition: tuple[str, str, str] | None = None

    def removed_from(self, policy: Policy) -> Policy:
        """Return the policy without this permission."""
        statements = []
        for statement in copy.deepcopy(policy["Statement"]):
            if statement["Sid"] != self.sid:
                statements.append(statement)
            elif self.condition:
                operator, key, value = self.condition
                statement["Condition"][operator][key].remove(value)
                statements.append(statement)
            else:
                others = [action for action in statement["Action"] if action != self.action]
                rest = [resource for resource in statement["Resource"] if resource != self.resource]
                statements.append(statement | {"Action": others})
                statements.append(statement | {"Sid": "Rest", "Action": [self.action], "Resource": rest})
        remaining = [each for each in statements if each["Action"] and each["Resource"]]
        return {**policy, "Statement": remaining or [NOTHING]}


def permissions(policy: Policy) -> Iterator[Permission]:
    """Yield every permission of a policy."""
    for statement in policy["Statement"]:
        for action in statement["Action"]:
            yield from (Permission(statement["Sid"], action, resource) for resource in statement["Resource"])
            for operator, tests in statement.get("Condition", {}).items():
                for key, values in tests.items():
                    if len(values) > 1:
                        conditions = ((operator, key, value) for value in values)
                        yield from (Permission(statement["Sid"], action, condition=each) for each in conditions)


@dataclass(frozen=True)
class Role:
    """A role of the deployed platform, with its credentials."""

    name: str
    admin: Any
    clients: dict[str, Any]

    def policy(self) -> Policy:
        """Return the only policy of the role."""
        (name,) = self.admin.list_role_policies(RoleName=self.name)["PolicyNames"]
        return dict(self.admin.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"])

    def put(self, policy: Policy) -> None:
        """Replace the policy of the role."""
        (name,) = self.admin.list_role_policies(RoleName=self.name)["PolicyNames"] or ["role"]
        self.admin.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=json.dumps(policy))

    def is_denied(self, call: RoleCall) -> bool:
        """Make a call, and return whether it was denied or its tables were filtered out; other errors do not count."""
        try:
            response = getattr(self.clients[call.service], call.method)(**call.parameters)
        except ClientError as error:
            return error.response["Error"]["Code"].startswith("AccessDenied")
        return response.get("TableList") == []


@pytest.fixture(scope="module")
def deployed(local_aws: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Apply the whole Terraform configuration, as for a local environment."""
    folder = tmp_path_factory.mktemp("terraform") / "configuration"
    package = tmp_path_factory.mktemp("package") / "totelake.zip"
    package.write_bytes(b"the package")
    variables = deployment.variables(SandboxSettings.new(1, 2)) | {"package": str(package)}
    terraform.copy(folder)
    terraform.init(folder)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": REGION}
    terraform.apply(folder, variables, environment={"AWS_ENDPOINT_URL": local_aws.url, **keys})
    glue = local_aws.client("glue")
    for trigger in glue.get_triggers()["Triggers"]:
        glue.delete_trigger(Name=trigger["Name"])  # so that a started workflow runs no job
    glue.create_table(DatabaseName="totesys_discovered", TableInput={"Name": "a-table"})  # for GetTables
    return local_aws


@pytest.fixture
def role(deployed: Any, request: pytest.FixtureRequest) -> Role:
    """Assume the role that the test names, as its service does."""
    name = f"{PREFIX}-{request.param}"
    service, resource = "glue", "job/any"
    if request.param == "alerts":
        service, resource = "events", f"rule/{PREFIX}-job-failed"
    elif request.param.endswith("run"):
        service, resource = "scheduler", "schedule-group/default"
    session = iam.assume(
        name,
        service=f"{service}.amazonaws.com",
        source_arn=f"arn:aws:{service}:{REGION}:{roles.ACCOUNT}:{resource}",
        account=roles.ACCOUNT,
        region=REGION,
        name="a-test",
    )
    role_session = boto3.session.Session(session.access_key, session.secret_key, session.token, REGION)
    no_retries = Config(retries={"total_max_attempts": 1})
    services = {call.service for call in [*CALLS[request.param], *FORBIDDEN[request.param]]}
    clients = {name: role_session.client(name, endpoint_url=deployed.url, config=no_retries) for name in services}
    return Role(name, deployed.client("iam"), clients)


def test_every_role_of_the_platform_has_a_list_of_calls(deployed: Any) -> None:
    """A new role has to be added to `CALLS` and `FORBIDDEN`."""
    names = {role["RoleName"] for role in deployed.client("iam").list_roles()["Roles"]}

    assert {name for name in names if name.startswith(PREFIX)} == {f"{PREFIX}-{name}" for name in CALLS}
    assert CALLS.keys() == FORBIDDEN.keys()


@pytest.mark.parametrize("role", CALLS, indirect=True)
def test_no_role_has_an_unnecessary_permission(role: Role, request: pytest.FixtureRequest) -> None:
    """All calls of a role succeed, and without any one permission at least one fails."""
    calls = CALLS[request.node.callspec.params["role"]]
    policy = role.policy()
    assert [call for call in calls if role.is_denied(call)] == []

    unnecessary = []
    for permission in permissions(policy):
        role.put(permission.removed_from(policy))
        if not any(role.is_denied(call) for call in calls if call.action == permission.action):
            unnecessary.append(permission)
    role.put(policy)

    assert unnecessary == []


@pytest.mark.parametrize("role", FORBIDDEN, indirect=True)
def test_forbidden_calls_are_denied(role: Role, request: pytest.FixtureRequest) -> None:
    """Such as deleting data files, overwriting commit records and reading other secrets."""
    calls = FORBIDDEN[request.node.callspec.params["role"]]

    assert [call for call in calls if not role.is_denied(call)] == []


NETWORK = f"arn:aws:ec2:{REGION}:{roles.ACCOUNT}"
LOGS = f"arn:aws:logs:{REGION}:{roles.ACCOUNT}:log-group:/aws-glue/jobs/mine-role/mine"
KEY = f"arn:aws:kms:{REGION}:{roles.ACCOUNT}:key/mine"
BY_AWS: list[tuple[str, str, dict[str, Any]]] = [
    # Glue attaches each worker of a job to the VPC of its connection, with the job's role.
    *(
        (f"ec2:Describe{kind}", "*", {"aws:requestedregion": REGION})
        for kind in ("NetworkInterfaces", "RouteTables", "SecurityGroups", "Subnets", "VpcAttribute", "VpcEndpoints")
    ),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:network-interface/eni-1", {}),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:subnet/subnet-1", {}),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:security-group/sg-1", {}),
    ("ec2:CreateTags", f"{NETWORK}:network-interface/eni-1", {"aws:tagkeys": ["aws-glue-service-resource"]}),
    ("ec2:DeleteTags", f"{NETWORK}:network-interface/eni-1", {"aws:tagkeys": ["aws-glue-service-resource"]}),
    ("ec2:DeleteNetworkInterface", f"{NETWORK}:network-interface/eni-1", {"ec2:subnet": f"{NETWORK}:subnet/subnet-1"}),
    # With a security configuration, Glue reads its settings and associates the key with the job's log groups.
    ("glue:GetSecurityConfiguration", "*", {"aws:requestedregion": REGION}),
    *(("logs:AssociateKmsKey", f"{LOGS}/{group}", {}) for group in ("output", "error", "output:*", "error:*")),
    # Glue, S3 and Secrets Manager use the platform's key on behalf of the role.
    ("kms:Decrypt", KEY, {"kms:viaservice": f"s3.{REGION}.amazonaws.com"}),
    ("kms:Decrypt", KEY, {"kms:viaservice": f"glue.{REGION}.amazonaws.com"}),
    ("kms:Decrypt", KEY, {"kms:viaservice": f"secretsmanager.{REGION}.amazonaws.com"}),
    ("kms:GenerateDataKey", KEY, {"kms:viaservice": f"s3.{REGION}.amazonaws.com"}),
    # An encrypted catalog encrypts the metadata that the role writes.
    *(
        (f"kms:{action}", KEY, {"kms:viaservice": f"glue.{REGION}.amazonaws.com"})
        for action in ("CreateGrant", "DescribeKey", "Encrypt", "GenerateDataKey")
    ),
]
"""Permissions that only AWS services use, with a VPC and a KMS key that no local environment has."""


@pytest.fixture(scope="module")
def vpc_job_policy(tmp_path_factory: pytest.TempPathFactory, deployed: Any) -> Policy:
    """Plan a job with a VPC connection and a KMS key, and return the policy of its role."""
    folder = tmp_path_factory.mktemp("vpc-job")
    grant = {
        "name": "totesys",
        "arn": f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:connection/totesys",
        "secret_arn": f"arn:aws:secretsmanager:{REGION}:{roles.ACCOUNT}:secret:totesys",
        "placement": {"availability_zone": "a", "subnet_id": "subnet-1", "security_group_ids": ["sg-1"]},
    }
    job = {
        "source": os.path.relpath(build.ROOT / "terraform/modules/glue_job", folder),
        **dict.fromkeys(("name", "description", "script", "package", "artifacts", "code_version"), "mine"),
        "python_modules": [],
        "arguments": {},
        "reads": [],
        "connections": [grant],
        "kms_key_arn": KEY,
        "security_configuration": "mine",
    }
    (folder / "main.tf.json").write_text(json.dumps({"module": {"job": job}, "provider": {"aws": {"region": REGION}}}))
    terraform.init(folder)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL": deployed.url}
    terraform.run(folder, "plan", "-input=false", "-out=plan", environment=keys)
    plan = json.loads(terraform.run(folder, "show", "-json", "plan", environment=keys))
    (policy,) = (
        json.loads(each["change"]["after"]["policy"])
        for each in plan["resource_changes"]
        if each["type"] == "aws_iam_role_policy"
    )
    return dict(policy)


def test_permissions_for_vpc_and_kms_are_necessary_and_sufficient(vpc_job_policy: Policy) -> None:
    """The policy is evaluated, since there is no local VPC or KMS to call."""

    def not_allowed(policy: Policy) -> list[Any]:
        text = json.dumps(policy)
        return [each for each in BY_AWS if verdict([text], *each) is not PolicyDecision.ALLOWED]

    assert not_allowed(vpc_job_policy) == []
    actions = {action for action, _, _ in BY_AWS}
    by_aws = [each for each in permissions(vpc_job_policy) if each.action in actions]
    called = {call.action for calls in CALLS.values() for call in calls}
    assert {each.action for each in permissions(vpc_job_policy)} - called == actions
    assert [each for each in by_aws if not not_allowed(each.removed_from(vpc_job_policy))] == []
