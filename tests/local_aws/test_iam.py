"""Roles that are enforced: what a client, a job, a crawler and a schedule get to hear when theirs says no."""

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
from local_aws.schedules.clock import SystemClock
from local_aws.schedules.invocation import Target, invoke
from tests import roles

REGION = "eu-west-2"

type Acting = Callable[..., Callable[[str], Any]]


def clients(url: str, session: iam.Session) -> Callable[[str], Any]:
    """Return a function that makes clients with the credentials of a session."""
    return lambda service: boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=session.access_key,
        aws_secret_access_key=session.secret_key,
        aws_session_token=session.token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def taken(role: str) -> iam.Session:
    """Take a role as Glue does for a job."""
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
    return iam.assume(
        role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name="session"
    )


@pytest.fixture
def acting(world: Any) -> Acting:
    """Return a function that gives clients to a new role, who may do what these statements say."""

    def act(*statements: dict[str, Any]) -> Callable[[str], Any]:
        name = f"role-{uuid.uuid4().hex[:8]}"
        roles.create(world.aws.client("iam"), name, *statements)
        return clients(world.aws.url, taken(name))

    return act


def allow(action: str, *resources: str, **rest: Any) -> dict[str, Any]:
    """Return a statement that allows an action."""
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **rest}


def refused(call: Callable[..., Any], **parameters: Any) -> dict[str, str]:
    """Return the error of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return dict(caught.value.response["Error"])


def test_a_refusal_says_who_may_not_do_what_to_what(acting: Acting):
    """In AWS's words, under the code of the service."""
    mine = acting(allow("s3:GetObject", "arn:aws:s3:::glue-tests/mine/*"))

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


def test_a_role_does_what_it_may(acting: Acting, world: Any):
    """The object is there, with the right bytes, however large the request that was refused before."""
    mine = acting(allow("s3:*Object", "arn:aws:s3:::glue-tests/mine/*"))("s3")

    assert refused(mine.put_object, Bucket=world.bucket, Key="yours/1", Body=bytes(3_000_000))["Code"] == "AccessDenied"
    mine.put_object(Bucket=world.bucket, Key="mine/1", Body=b"abc")
    assert mine.get_object(Bucket=world.bucket, Key="mine/1")["Body"].read() == b"abc"
    assert refused(world.s3.head_object, Bucket=world.bucket, Key="yours/1")["Code"] == "404"


def test_who_may_not_list_is_not_told_what_is_missing(acting: Acting, world: Any):
    """S3 answers 403 and not 404 without the right to list the bucket."""
    reading = allow("s3:GetObject", "arn:aws:s3:::glue-tests/*")
    blind = acting(reading)("s3")
    seeing = acting(reading, allow("s3:ListBucket", "arn:aws:s3:::glue-tests"))("s3")

    assert refused(blind.head_object, Bucket=world.bucket, Key="none")["Code"] == "403"
    assert "s3:ListBucket" in refused(blind.get_object, Bucket=world.bucket, Key="none")["Message"]
    assert refused(seeing.head_object, Bucket=world.bucket, Key="none")["Code"] == "404"
    assert refused(seeing.get_object, Bucket=world.bucket, Key="none")["Code"] == "NoSuchKey"


def test_several_objects_are_deleted_only_if_each_may_be(acting: Acting, world: Any):
    """A choice: AWS deletes those that may be, and names the others in its answer."""
    mine = acting(allow("s3:*Object", "arn:aws:s3:::glue-tests/mine/*"))("s3")
    mine.put_object(Bucket=world.bucket, Key="mine/2", Body=b"")

    both = {"Objects": [{"Key": "mine/2"}, {"Key": "yours/2"}]}
    assert (
        "s3:DeleteObject on resource: arn:aws:s3:::glue-tests/yours/2"
        in (refused(mine.delete_objects, Bucket=world.bucket, Delete=both)["Message"])
    )
    assert mine.delete_objects(Bucket=world.bucket, Delete={"Objects": [{"Key": "mine/2"}]})["Deleted"]


def test_a_deny_says_so(acting: Acting):
    """It is another message than that of a permission that was forgotten."""
    mine = acting(allow("s3:*", "*"), {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"})("s3")

    error = refused(mine.delete_object, Bucket="glue-tests", Key="x")
    assert error["Message"].endswith("with an explicit deny in an identity-based policy")


def test_a_metric_goes_into_the_namespace_that_the_role_has(acting: Acting):
    """CloudWatch knows no resource, so its condition is the limit."""
    mine = {"StringEquals": {"cloudwatch:namespace": ["Mine"]}}
    cloudwatch = acting(allow("cloudwatch:PutMetricData", "*", Condition=mine))("cloudwatch")
    datum = [{"MetricName": "rows", "Value": 1.0}]

    cloudwatch.put_metric_data(Namespace="Mine", MetricData=datum)
    assert refused(cloudwatch.put_metric_data, Namespace="Yours", MetricData=datum)["Code"] == "AccessDeniedException"


def test_a_secret_is_known_by_its_name_and_by_its_arn(acting: Acting, world: Any):
    """A policy names the ARN, a connection the name."""
    secrets = world.aws.client("secretsmanager")
    arn = secrets.create_secret(Name=f"mine-{uuid.uuid4().hex}", SecretString="s")["ARN"]
    secrets.create_secret(Name="yours", SecretString="s")
    mine = acting(allow("secretsmanager:GetSecretValue", arn))("secretsmanager")

    name = secrets.describe_secret(SecretId=arn)["Name"]
    assert mine.get_secret_value(SecretId=name)["SecretString"] == "s"
    assert mine.get_secret_value(SecretId=arn)["SecretString"] == "s"
    assert "secret:yours-" in refused(mine.get_secret_value, SecretId="yours")["Message"]


def test_a_statement_takes_a_right_on_the_workgroup_and_on_the_secret(acting: Acting, world: Any):
    """The Data API logs in by the secret in the caller's name."""
    redshift.install(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    secret = world.aws.client("secretsmanager").create_secret(Name=f"s-{uuid.uuid4().hex}", SecretString="s")["ARN"]
    may_run = allow("redshift-data:BatchExecuteStatement", f"arn:aws:redshift-serverless:{REGION}:*:workgroup/mine")
    may_ask, may_log_in = allow("redshift-data:DescribeStatement", "*"), allow("secretsmanager:GetSecretValue", secret)
    asked = {"WorkgroupName": "mine", "Database": "warehouse", "SecretArn": secret, "Sqls": ["SELECT 1"]}

    mine = acting(may_run, may_ask, may_log_in)("redshift-data")
    assert mine.describe_statement(Id=mine.batch_execute_statement(**asked)["Id"])["Status"] != "FINISHED"
    assert "workgroup/yours" in refused(mine.batch_execute_statement, **asked | {"WorkgroupName": "yours"})["Message"]
    logged_out = acting(may_run, may_ask)("redshift-data")
    assert "secretsmanager:GetSecretValue" in refused(logged_out.batch_execute_statement, **asked)["Message"]


def test_what_nobody_has_declared_is_denied_to_every_role(acting: Acting):
    """Even to one that may do everything: the message says where to declare it."""
    mine = acting(roles.ANYTHING)

    for call in (mine("glue").get_jobs, mine("dynamodb").list_tables, mine("scheduler").list_schedules):
        assert "local_aws/iam/operations.py does not say" in refused(call)["Message"]


def test_credentials_that_nobody_was_given_open_nothing(world: Any):
    """Neither a key of no session, nor the token of another one, nor one that has expired."""
    roles.create(world.aws.client("iam"), "anything")
    good, other = taken("anything"), taken("anything")
    wrong = [
        {"access_key": "ASIAUNKNOWN000000000", "token": good.token},
        {"access_key": good.access_key, "token": other.token},
    ]
    clients(world.aws.url, good)("s3").list_buckets()

    for parts in wrong:
        session = iam.Session(good.account, good.role, good.name, secret_key=good.secret_key, **parts)
        assert refused(clients(world.aws.url, session)("s3").list_buckets)["Code"] == "InvalidClientTokenId"
    backend = sts_backends[roles.ACCOUNT]["aws"]
    backend.get_assumed_role_from_access_key(good.access_key).expiration = datetime.now(UTC) - timedelta(seconds=1)
    assert refused(clients(world.aws.url, good)("s3").list_buckets)["Code"] == "ExpiredToken"


def test_a_signed_url_can_do_what_its_signer_may(acting: Acting, world: Any):
    """The credentials are in the query."""
    mine = acting(allow("s3:GetObject", "arn:aws:s3:::glue-tests/mine/*"))("s3")
    for key in ("mine/3", "yours/3"):
        world.put(key, "abc")

    def fetch(key: str) -> bytes:
        url = mine.generate_presigned_url("get_object", Params={"Bucket": world.bucket, "Key": key})
        return bytes(urllib.request.urlopen(url).read())  # noqa: S310 - the endpoint's

    assert fetch("mine/3") == b"abc"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch("yours/3")


def test_a_boundary_that_cannot_be_judged_leaves_nothing(acting: Acting, world: Any):
    """Permissions boundaries are not read here, so a role that has one may do nothing."""
    mine = acting(roles.ANYTHING)
    role = mine("sts").get_caller_identity()["Arn"].split("/")[1]
    boundary = {"RoleName": role, "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    world.aws.client("iam").put_role_permissions_boundary(**boundary)

    assert "permissions boundary" in refused(mine("s3").list_buckets)["Message"]


ASKS = """
import boto3
boto3.client("s3").put_object(Bucket="glue-tests", Key="theirs/1", Body=b"")
"""


def test_a_job_that_tries_what_its_role_does_not_allow_fails_with_the_reason(world: Any):
    """Its own script is read with the role too."""
    iam_client = world.aws.client("iam")
    roles.create(iam_client, "reads", allow("s3:GetObject", "arn:aws:s3:::glue-tests/scripts/*"))
    world.job("tries", ASKS, Role="reads")

    run = world.ended("tries", world.start("tries"))
    assert run["JobRunState"] == "FAILED"
    assert "assumed-role/reads/GlueJobRunnerSession is not authorized to perform: s3:PutObject" in run["ErrorMessage"]

    roles.create(iam_client, "reads", allow("s3:GetObject", "arn:aws:s3:::glue-tests/other/*"))
    run = world.ended("tries", world.start("tries"))
    assert run["ErrorMessage"].startswith("Failed to download s3://glue-tests/scripts/tries.py: ")
    assert "s3:GetObject" in run["ErrorMessage"]


def test_a_job_whose_role_does_not_trust_glue_for_it_does_not_start(world: Any):
    """Another job's ARN, another service, or no role at all."""
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


def test_a_crawl_is_held_to_the_role_of_its_crawler(world: Any):
    """It fails with the permission that it lacks as its message."""
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


def test_a_schedule_starts_what_its_role_may_start_and_keeps_what_was_missed(world: Any):
    """The dead-letter queue says why, if the role may write to it."""
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
    begins = {
        "service": "scheduler.amazonaws.com",
        "source": arn.replace("schedule/", "schedule-group/")[: -len("/nightly")],
    }
    keep = allow("sqs:SendMessage", queue)
    start = allow("glue:StartWorkflowRun", f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:workflow/nightly")

    def missed(*statements: dict[str, Any]) -> list[str]:
        roles.create(world.aws.client("iam"), "starts", *statements, **begins)
        invoke(Target.of(arn, settings), datetime.now(UTC), SystemClock())
        found = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"] for message in found]

    (reason,) = missed(keep)
    assert "is not authorized to perform: glue:StartWorkflowRun on resource: " in reason
    assert missed(allow("s3:GetObject", "*")) == []  # it may not even keep that
    assert world.glue.get_workflow_runs(Name="nightly")["Runs"] == []
    assert missed(keep, start) == []
    assert len(world.glue.get_workflow_runs(Name="nightly")["Runs"]) == 1
