"""Enforcement of IAM roles: errors of clients, jobs, crawlers and schedules whose role lacks a permission."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.sts.models import sts_backends

from local_aws import iam, redshift
from local_aws.glue.jobs import mounts
from local_aws.schedules.clock import SystemClock
from local_aws.schedules.invocation import Target, invoke
from tests import roles

REGION = "eu-west-2"

type ClientsWithPolicy = Callable[..., Callable[[str], Any]]


def clients(url: str, session: iam.Session) -> Callable[[str], Any]:
    """Return a function that returns clients with the credentials of a session."""
    return lambda service: boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=session.access_key,
        aws_secret_access_key=session.secret_key,
        aws_session_token=session.token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def assume(role: str) -> iam.Session:
    """Assume a role as Glue does for a job."""
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
    return iam.assume(
        role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name="session"
    )


@pytest.fixture
def clients_with(world: Any) -> ClientsWithPolicy:
    """Return a function that creates a role with the given statements and returns its clients."""

    def create_role(*statements: dict[str, Any]) -> Callable[[str], Any]:
        name = f"role-{uuid.uuid4().hex[:8]}"
        roles.create(world.aws.client("iam"), name, *statements)
        return clients(world.aws.url, assume(name))

    return create_role


def allow(action: str, *resources: str, **rest: Any) -> dict[str, Any]:
    """Return a statement that allows an action."""
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **rest}


def refused(call: Callable[..., Any], **parameters: Any) -> dict[str, str]:
    """Return the error of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return dict(caught.value.response["Error"])


def test_denial_names_the_role_the_action_and_the_resource(clients_with: ClientsWithPolicy):
    """With AWS's message and the error code of the service."""
    mine = clients_with(allow("s3:GetObject", "arn:aws:s3:::glue-tests/mine/*"))

    error = refused(mine("glue").get_connection, Name="totesys")
    assert error["Code"] == "AccessDeniedException"
    who = mine("sts").get_caller_identity()["Arn"]
    assert error["Message"] == (
        f"User: {who} is not authorized to perform: glue:GetConnection on resource: "
        "arn:aws:glue:eu-west-2:123456789012:catalog because no identity-based policy allows the glue:GetConnection "
        "action"
    )
    error = refused(mine("s3").get_object, Bucket="glue-tests", Key="yours/1")
    assert error["Code"] == "AccessDenied"
    assert "s3:GetObject on resource: arn:aws:s3:::glue-tests/yours/1 because" in error["Message"]
    assert refused(mine("s3").head_object, Bucket="glue-tests", Key="yours/1")["Code"] == "403"
    assert refused(mine("sts").assume_role, RoleArn="arn:aws:iam::123456789012:role/role", RoleSessionName="xx")[
        "Code"
    ] == "AccessDenied"  # fmt: skip


def test_allowed_calls_succeed_and_denied_ones_have_no_effect(clients_with: ClientsWithPolicy, world: Any):
    """Even after a denied request with a large body."""
    mine = clients_with(allow("s3:*Object", "arn:aws:s3:::glue-tests/mine/*"))("s3")

    assert refused(mine.put_object, Bucket=world.bucket, Key="yours/1", Body=bytes(3_000_000))["Code"] == "AccessDenied"
    mine.put_object(Bucket=world.bucket, Key="mine/1", Body=b"abc")
    assert mine.get_object(Bucket=world.bucket, Key="mine/1")["Body"].read() == b"abc"
    assert refused(world.s3.head_object, Bucket=world.bucket, Key="yours/1")["Code"] == "404"


def test_missing_key_is_a_403_without_the_permission_to_list(clients_with: ClientsWithPolicy, world: Any):
    """With `s3:ListBucket` it is a 404."""
    reading = allow("s3:GetObject", "arn:aws:s3:::glue-tests/*")
    without_list = clients_with(reading)("s3")
    with_list = clients_with(reading, allow("s3:ListBucket", "arn:aws:s3:::glue-tests"))("s3")

    assert refused(without_list.head_object, Bucket=world.bucket, Key="none")["Code"] == "403"
    assert "s3:ListBucket" in refused(without_list.get_object, Bucket=world.bucket, Key="none")["Message"]
    assert refused(with_list.head_object, Bucket=world.bucket, Key="none")["Code"] == "404"
    assert refused(with_list.get_object, Bucket=world.bucket, Key="none")["Code"] == "NoSuchKey"


def test_batch_deletion_is_denied_unless_every_object_may_be_deleted(clients_with: ClientsWithPolicy, world: Any):
    """A choice: AWS deletes the allowed objects and reports the others."""
    mine = clients_with(allow("s3:*Object", "arn:aws:s3:::glue-tests/mine/*"))("s3")
    mine.put_object(Bucket=world.bucket, Key="mine/2", Body=b"")

    both = {"Objects": [{"Key": "mine/2"}, {"Key": "yours/2"}]}
    assert (
        "s3:DeleteObject on resource: arn:aws:s3:::glue-tests/yours/2"
        in (refused(mine.delete_objects, Bucket=world.bucket, Delete=both)["Message"])
    )
    assert mine.delete_objects(Bucket=world.bucket, Delete={"Objects": [{"Key": "mine/2"}]})["Deleted"]


def test_explicit_deny_has_its_own_message(clients_with: ClientsWithPolicy):
    """It differs from that of a missing permission."""
    mine = clients_with(allow("s3:*", "*"), {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"})("s3")

    error = refused(mine.delete_object, Bucket="glue-tests", Key="x")
    assert error["Message"].endswith("with an explicit deny in an identity-based policy")


def test_metric_can_be_published_only_to_the_namespace_of_the_policy(clients_with: ClientsWithPolicy):
    """PutMetricData has no resource, so a condition limits it."""
    mine = {"StringEquals": {"cloudwatch:namespace": ["Mine"]}}
    cloudwatch = clients_with(allow("cloudwatch:PutMetricData", "*", Condition=mine))("cloudwatch")
    datum = [{"MetricName": "rows", "Value": 1.0}]

    cloudwatch.put_metric_data(Namespace="Mine", MetricData=datum)
    assert refused(cloudwatch.put_metric_data, Namespace="Yours", MetricData=datum)["Code"] == "AccessDeniedException"


def test_secret_is_authorized_by_name_and_by_arn(clients_with: ClientsWithPolicy, world: Any):
    """Policies have the ARN, connections the name."""
    secrets = world.aws.client("secretsmanager")
    arn = secrets.create_secret(Name=f"mine-{uuid.uuid4().hex}", SecretString="s")["ARN"]
    secrets.create_secret(Name="yours", SecretString="s")
    mine = clients_with(allow("secretsmanager:GetSecretValue", arn))("secretsmanager")

    name = secrets.describe_secret(SecretId=arn)["Name"]
    assert mine.get_secret_value(SecretId=name)["SecretString"] == "s"
    assert mine.get_secret_value(SecretId=arn)["SecretString"] == "s"
    assert "secret:yours-" in refused(mine.get_secret_value, SecretId="yours")["Message"]


def test_redshift_statement_requires_permissions_on_workgroup_and_secret(clients_with: ClientsWithPolicy, world: Any):
    """The Data API reads the secret with the caller's permissions."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    secret = world.aws.client("secretsmanager").create_secret(Name=f"s-{uuid.uuid4().hex}", SecretString="s")["ARN"]
    may_run = allow("redshift-data:BatchExecuteStatement", f"arn:aws:redshift-serverless:{REGION}:*:workgroup/mine")
    may_ask, may_log_in = allow("redshift-data:DescribeStatement", "*"), allow("secretsmanager:GetSecretValue", secret)
    request = {"WorkgroupName": "mine", "Database": "warehouse", "SecretArn": secret, "Sqls": ["SELECT 1"]}

    mine = clients_with(may_run, may_ask, may_log_in)("redshift-data")
    assert mine.describe_statement(Id=mine.batch_execute_statement(**request)["Id"])["Status"] != "FINISHED"
    assert "workgroup/yours" in refused(mine.batch_execute_statement, **request | {"WorkgroupName": "yours"})["Message"]
    without_secret = clients_with(may_run, may_ask)("redshift-data")
    assert "secretsmanager:GetSecretValue" in refused(without_secret.batch_execute_statement, **request)["Message"]


def test_undeclared_operation_is_denied_to_every_role(clients_with: ClientsWithPolicy):
    """Even to one with all permissions; the message names the file to declare it in."""
    mine = clients_with(roles.ANYTHING)

    for call in (mine("glue").get_jobs, mine("dynamodb").list_tables, mine("scheduler").list_schedules):
        assert "local_aws/iam/operations.py does not declare" in refused(call)["Message"]


def test_unknown_mismatched_and_expired_credentials_are_rejected(world: Any):
    """An unknown key, the token of another session, and an expired session."""
    roles.create(world.aws.client("iam"), "anything")
    valid, other = assume("anything"), assume("anything")
    mismatched = [
        {"access_key": "ASIAUNKNOWN000000000", "token": valid.token},
        {"access_key": valid.access_key, "token": other.token},
    ]
    clients(world.aws.url, valid)("s3").list_buckets()

    for parts in mismatched:
        session = iam.Session(valid.account, valid.role, valid.name, secret_key=valid.secret_key, **parts)
        assert refused(clients(world.aws.url, session)("s3").list_buckets)["Code"] == "InvalidClientTokenId"
    backend = sts_backends[roles.ACCOUNT]["aws"]
    backend.get_assumed_role_from_access_key(valid.access_key).expiration = datetime.now(UTC) - timedelta(seconds=1)
    assert refused(clients(world.aws.url, valid)("s3").list_buckets)["Code"] == "ExpiredToken"


def test_presigned_url_has_the_permissions_of_its_signer(clients_with: ClientsWithPolicy, world: Any):
    """The credentials are in the query."""
    mine = clients_with(allow("s3:GetObject", "arn:aws:s3:::glue-tests/mine/*"))("s3")
    for key in ("mine/3", "yours/3"):
        world.put(key, "abc")

    def fetch(key: str) -> bytes:
        url = mine.generate_presigned_url("get_object", Params={"Bucket": world.bucket, "Key": key})
        return bytes(urllib.request.urlopen(url).read())  # noqa: S310 - the endpoint's

    assert fetch("mine/3") == b"abc"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch("yours/3")


def test_permissions_boundary_limits_a_role(clients_with: ClientsWithPolicy, world: Any):
    """Its policies have effect only within the boundary; without the boundary's policy it has no permissions."""
    mine = clients_with(roles.ANYTHING)
    role = mine("sts").get_caller_identity()["Arn"].split("/")[1]
    iam_client = world.aws.client("iam")
    document = {"Version": "2012-10-17", "Statement": [allow("s3:ListAllMyBuckets", "*")]}
    boundary = iam_client.create_policy(PolicyName=f"{role}-boundary", PolicyDocument=json.dumps(document))["Policy"]
    iam_client.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary["Arn"])

    assert mine("s3").list_buckets()["Buckets"]
    assert "no permissions boundary allows" in refused(mine("glue").get_connection, Name="totesys")["Message"]

    iam_client.delete_policy(PolicyArn=boundary["Arn"])
    assert "does not exist" in refused(mine("s3").list_buckets)["Message"]


def test_folders_outside_a_permissions_boundary_are_not_mounted(world: Any):
    """Spark reads folders directly, so the mounts of a job follow the boundary too."""
    role, iam_client = f"role-{uuid.uuid4().hex[:8]}", world.aws.client("iam")
    roles.create(iam_client, role, allow("s3:GetObject", f"arn:aws:s3:::{world.bucket}/*"))
    assert list(mounts.folders(assume(role), world.bucket)) == [""]

    document = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", f"arn:aws:s3:::{world.bucket}/mine/*")]}
    boundary = iam_client.create_policy(PolicyName=f"{role}-boundary", PolicyDocument=json.dumps(document))["Policy"]
    iam_client.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary["Arn"])
    assert list(mounts.folders(assume(role), world.bucket)) == ["mine"]


WRITES_AN_OBJECT = """
import boto3
boto3.client("s3").put_object(Bucket="glue-tests", Key="theirs/1", Body=b"")
"""


def test_job_without_a_permission_fails_with_the_denial(world: Any):
    """Its script is also downloaded with the role."""
    iam_client = world.aws.client("iam")
    roles.create(iam_client, "reads", allow("s3:GetObject", "arn:aws:s3:::glue-tests/scripts/*"))
    world.job("tries", WRITES_AN_OBJECT, Role="reads")

    run = world.ended("tries", world.start("tries"))
    assert run["JobRunState"] == "FAILED"
    assert "assumed-role/reads/GlueJobRunnerSession is not authorized to perform: s3:PutObject" in run["ErrorMessage"]

    roles.create(iam_client, "reads", allow("s3:GetObject", "arn:aws:s3:::glue-tests/other/*"))
    run = world.ended("tries", world.start("tries"))
    assert run["ErrorMessage"].startswith("Failed to download s3://glue-tests/scripts/tries.py: ")
    assert "s3:GetObject" in run["ErrorMessage"]


def test_job_fails_when_its_role_does_not_trust_glue(world: Any):
    """The role trusts another job or another service, or does not exist."""
    iam_client = world.aws.client("iam")
    roles.create(iam_client, "strange", source=f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/another")
    roles.create(iam_client, "foreign", service="lambda.amazonaws.com")

    for role in ("strange", "foreign", "missing"):
        name = world.job(f"untrusted-{role}", "print('ran')", Role=role)
        run_id = world.start(name)
        run = world.ended(name, run_id)
        assert run["JobRunState"] == "FAILED"
        expected = f"Role arn:aws:iam::{roles.ACCOUNT}:role/{role} should be given assume role permissions for Glue"
        assert run["ErrorMessage"].startswith(expected)
        assert world.output(run_id, "error") == [run["ErrorMessage"]]


def test_crawl_without_a_permission_fails_with_the_denial(world: Any):
    """The message names the missing permission."""
    world.glue.create_database(DatabaseInput={"Name": "held"})
    catalog = [f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:{name}" for name in ("catalog", "database/held", "table/held/*")]
    listing = allow("s3:ListBucket", "arn:aws:s3:::glue-tests")
    steps = [
        ((), "should be given assume role permissions for Glue Service"),
        ((listing,), "glue:GetDatabase"),
        ((listing, allow("glue:GetDatabase", *catalog)), "glue:GetTables"),
        ((allow("glue:Get*", *catalog),), "s3:ListBucket"),
    ]
    targets = {"S3Targets": [{"Path": f"s3://{world.bucket}/nothing/"}]}
    world.glue.create_crawler(Name="held", Role="crawls", DatabaseName="held", Targets=targets)

    def crawl() -> dict[str, Any]:
        world.glue.start_crawler(Name="held")
        world.wait(lambda: world.glue.get_crawler(Name="held")["Crawler"]["State"], lambda state: state == "READY")
        return dict(world.glue.get_crawler(Name="held")["Crawler"]["LastCrawl"])

    for statements, expected in steps:
        if statements:
            roles.create(world.aws.client("iam"), "crawls", *statements)
        last = crawl()
        assert last["Status"] == "FAILED"
        assert expected in last["ErrorMessage"]
    roles.create(world.aws.client("iam"), "crawls", listing, allow("glue:Get*", *catalog))
    assert crawl()["Status"] == "SUCCEEDED"


def test_schedule_without_a_permission_sends_its_event_to_the_dead_letter_queue(world: Any):
    """With the denial as error message, if the role may write to the queue."""
    sqs = world.aws.client("sqs")
    url = sqs.create_queue(QueueName="missed")["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{roles.ACCOUNT}:missed"
    arn = f"arn:aws:scheduler:{REGION}:{roles.ACCOUNT}:schedule/default/nightly"
    settings = {
        "Arn": "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun",
        "Input": json.dumps({"Name": "nightly"}),
        "RoleArn": f"arn:aws:iam::{roles.ACCOUNT}:role/starts",
        "DeadLetterConfig": {"Arn": queue},
    }
    world.glue.create_workflow(Name="nightly")
    trust = {
        "service": "scheduler.amazonaws.com",
        "source": arn.replace("schedule/", "schedule-group/")[: -len("/nightly")],
    }
    write_dead_letters = allow("sqs:SendMessage", queue)
    start = allow("glue:StartWorkflowRun", f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:workflow/nightly")

    def missed(*statements: dict[str, Any]) -> list[str]:
        roles.create(world.aws.client("iam"), "starts", *statements, **trust)
        invoke(Target.of(arn, settings), datetime.now(UTC), SystemClock())
        messages = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"] for message in messages]

    (reason,) = missed(write_dead_letters)
    assert "is not authorized to perform: glue:StartWorkflowRun on resource: " in reason
    assert missed(allow("s3:GetObject", "*")) == []  # the role may not write to the dead-letter queue
    assert world.glue.get_workflow_runs(Name="nightly")["Runs"] == []
    assert missed(write_dead_letters, start) == []
    assert len(world.glue.get_workflow_runs(Name="nightly")["Runs"]) == 1
