"""No permission to spare: every one that Terraform grants is taken away in turn, and then something is refused."""

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
from local_aws.iam.policies import Verdict, verdict
from ops.deploy import build, terraform
from ops.sandbox import deployment
from ops.sandbox.settings import Settings
from tests import roles
from tests.local_aws.named_calls import CALLS, FORBIDDEN, PREFIX, Named

pytestmark = pytest.mark.terraform

REGION = "eu-west-2"
NOTHING = {"Sid": "Nothing", "Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::none/none"]}
"""A policy cannot be empty."""

type Policy = dict[str, Any]


@dataclass(frozen=True)
class Permission:
    """One action on one resource, or one value of a condition, in a statement of a policy."""

    sid: str
    action: str
    resource: str = ""
    condition: tuple[str, str, str] | None = None

    def taken_from(self, policy: Policy) -> Policy:
        """Return the policy without it."""
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
        kept = [each for each in statements if each["Action"] and each["Resource"]]
        return {**policy, "Statement": kept or [NOTHING]}


def permissions(policy: Policy) -> Iterator[Permission]:
    """Yield every permission of a policy."""
    for statement in policy["Statement"]:
        for action in statement["Action"]:
            yield from (Permission(statement["Sid"], action, resource) for resource in statement["Resource"])
            for operator, tests in statement.get("Condition", {}).items():
                for key, values in tests.items():
                    if len(values) > 1:
                        said = ((operator, key, value) for value in values)
                        yield from (Permission(statement["Sid"], action, condition=each) for each in said)


@dataclass(frozen=True)
class Role:
    """A role of the deployed platform, with its credentials."""

    name: str
    admin: Any
    clients: dict[str, Any]

    def policy(self) -> Policy:
        """Return what it may do; roles have this one policy."""
        (name,) = self.admin.list_role_policies(RoleName=self.name)["PolicyNames"]
        return dict(self.admin.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"])

    def put(self, policy: Policy) -> None:
        """Change what it may do."""
        (name,) = self.admin.list_role_policies(RoleName=self.name)["PolicyNames"] or ["role"]
        self.admin.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=json.dumps(policy))

    def is_refused(self, named: Named) -> bool:
        """Make a call; what it then says, but for a refusal or tables that are left out, does not matter."""
        try:
            answer = getattr(self.clients[named.service], named.method)(**named.parameters)
        except ClientError as error:
            return error.response["Error"]["Code"].startswith("AccessDenied")
        return answer.get("TableList") == []


@pytest.fixture(scope="module")
def deployed(local_aws: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Apply the whole configuration, as a local world has it."""
    folder = tmp_path_factory.mktemp("terraform") / "configuration"
    package = tmp_path_factory.mktemp("package") / "totelake.zip"
    package.write_bytes(b"the package")
    variables = deployment.variables(Settings.new(1, 2)) | {"package": str(package)}
    terraform.copy(folder)
    terraform.init(folder)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": REGION}
    terraform.apply(folder, variables, environment={"AWS_ENDPOINT_URL": local_aws.url, **keys})
    glue = local_aws.client("glue")
    for trigger in glue.get_triggers()["Triggers"]:
        glue.delete_trigger(Name=trigger["Name"])  # a workflow that is started here runs nothing
    glue.create_table(DatabaseName="totesys_discovered", TableInput={"Name": "a-table"})  # which GetTables shows
    return local_aws


@pytest.fixture
def role(deployed: Any, request: pytest.FixtureRequest) -> Role:
    """Take the role that the test names, as its service does."""
    name = f"{PREFIX}-{request.param}"
    schedules = request.param.endswith("run")
    resource = "scheduler:{}:{}:schedule-group/default" if schedules else "glue:{}:{}:job/any"
    session = iam.assume(
        name,
        service="scheduler.amazonaws.com" if schedules else "glue.amazonaws.com",
        source_arn=f"arn:aws:{resource.format(REGION, roles.ACCOUNT)}",
        account=roles.ACCOUNT,
        region=REGION,
        name="a-test",
    )
    mine = boto3.session.Session(session.access_key, session.secret_key, session.token, REGION)
    once = Config(retries={"total_max_attempts": 1})
    services = {named.service for named in [*CALLS[request.param], *FORBIDDEN[request.param]]}
    clients = {name: mine.client(name, endpoint_url=deployed.url, config=once) for name in services}
    return Role(name, deployed.client("iam"), clients)


def test_every_role_of_the_platform_has_its_calls(deployed: Any) -> None:
    """A new role comes with the calls for which it is there."""
    found = {role["RoleName"] for role in deployed.client("iam").list_roles()["Roles"]}

    assert {name for name in found if name.startswith(PREFIX)} == {f"{PREFIX}-{name}" for name in CALLS}
    assert CALLS.keys() == FORBIDDEN.keys()


@pytest.mark.parametrize("role", CALLS, indirect=True)
def test_no_role_has_a_permission_to_spare(role: Role, request: pytest.FixtureRequest) -> None:
    """All calls of a role work, and without any one permission one of them does not."""
    calls = CALLS[request.node.callspec.params["role"]]
    policy = role.policy()
    assert [named for named in calls if role.is_refused(named)] == []

    spare = []
    for permission in permissions(policy):
        role.put(permission.taken_from(policy))
        if not any(role.is_refused(named) for named in calls if named.action == permission.action):
            spare.append(permission)
    role.put(policy)

    assert spare == []


@pytest.mark.parametrize("role", FORBIDDEN, indirect=True)
def test_a_role_that_tries_what_it_should_not_is_refused(role: Role, request: pytest.FixtureRequest) -> None:
    """Delete a data file, write a commit record anew, read another's secret, publish elsewhere, and more."""
    calls = FORBIDDEN[request.node.callspec.params["role"]]

    assert [named for named in calls if not role.is_refused(named)] == []


NETWORK = f"arn:aws:ec2:{REGION}:{roles.ACCOUNT}"
LOGS = f"arn:aws:logs:{REGION}:{roles.ACCOUNT}:log-group:/aws-glue/jobs/mine-role/mine"
KEY = f"arn:aws:kms:{REGION}:{roles.ACCOUNT}:key/mine"
BY_AWS: list[tuple[str, str, dict[str, Any]]] = [
    # Glue plugs each worker of a job into the VPC of its connection, with the job's role.
    *(
        (f"ec2:Describe{what}", "*", {"aws:requestedregion": REGION})
        for what in ("NetworkInterfaces", "RouteTables", "SecurityGroups", "Subnets", "VpcAttribute", "VpcEndpoints")
    ),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:network-interface/eni-1", {}),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:subnet/subnet-1", {}),
    ("ec2:CreateNetworkInterface", f"{NETWORK}:security-group/sg-1", {}),
    ("ec2:CreateTags", f"{NETWORK}:network-interface/eni-1", {"aws:tagkeys": ["aws-glue-service-resource"]}),
    ("ec2:DeleteTags", f"{NETWORK}:network-interface/eni-1", {"aws:tagkeys": ["aws-glue-service-resource"]}),
    ("ec2:DeleteNetworkInterface", f"{NETWORK}:network-interface/eni-1", {"ec2:subnet": f"{NETWORK}:subnet/subnet-1"}),
    # With a security configuration, Glue asks how to encrypt, and ties its key to the log groups of the job.
    ("glue:GetSecurityConfiguration", "*", {"aws:requestedregion": REGION}),
    *(("logs:AssociateKmsKey", f"{LOGS}/{group}", {}) for group in ("output", "error", "output:*", "error:*")),
    # Glue, S3 and Secrets Manager use the platform's key on behalf of who reads and writes.
    ("kms:Decrypt", KEY, {"kms:viaservice": f"s3.{REGION}.amazonaws.com"}),
    ("kms:Decrypt", KEY, {"kms:viaservice": f"glue.{REGION}.amazonaws.com"}),
    ("kms:Decrypt", KEY, {"kms:viaservice": f"secretsmanager.{REGION}.amazonaws.com"}),
    ("kms:GenerateDataKey", KEY, {"kms:viaservice": f"s3.{REGION}.amazonaws.com"}),
]
"""What only AWS itself can do with a role, in a network and with a key that no local world has."""


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory, deployed: Any) -> Policy:
    """Plan a job that has a place in a VPC and a key, and return what its role may do."""
    folder = tmp_path_factory.mktemp("equipped")
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


def test_what_only_aws_can_do_with_a_role_has_no_permission_to_spare(equipped: Policy) -> None:
    """The verdict is asked for, since there is nothing here to call."""

    def not_allowed(policy: Policy) -> list[Any]:
        text = json.dumps(policy)
        return [each for each in BY_AWS if verdict([text], *each) is not Verdict.ALLOWED]

    assert not_allowed(equipped) == []
    actions = {action for action, _, _ in BY_AWS}
    by_aws = [each for each in permissions(equipped) if each.action in actions]
    elsewhere = {named.action for calls in CALLS.values() for named in calls}
    assert {each.action for each in permissions(equipped)} - elsewhere == actions
    assert [each for each in by_aws if not not_allowed(each.taken_from(equipped))] == []
