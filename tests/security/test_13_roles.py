"""Authorization of unusual requests: by the resources that they reach, conditions, sessions and statement owners."""

import io
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws import iam, redshift
from local_aws.address import REGION
from tests import roles
from tests.security.conftest import BUCKET, SCRIPT, AttackTarget
from tests.security.signed_requests import error_code

KEY = f"arn:aws:s3:::{BUCKET}/{SCRIPT}"
BUSES = f"arn:aws:events:{REGION}:{roles.ACCOUNT}:event-bus"

type Send = Callable[..., tuple[int, str]]


def allow(action: str, *resources: str, **rest: Any) -> dict[str, Any]:
    """Return a statement that allows an action."""
    return {"Effect": "Allow", "Action": action, "Resource": list(resources or "*"), **rest}


def deny(action: str, *resources: str, **rest: Any) -> dict[str, Any]:
    """Return a statement that denies an action."""
    return allow(action, *resources, **rest) | {"Effect": "Deny"}


@pytest.fixture
def assume_role_with(target: AttackTarget):
    """Return a function that assumes a role with the given statements and returns its credentials."""

    def assume_role(*statements: dict[str, Any], role: str = "a-role", name: str = "session") -> Credentials:
        roles.create(target.client("iam"), role, *statements)
        source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
        session = iam.assume(
            role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name=name
        )
        return Credentials(session.access_key, session.secret_key, session.token)

    return assume_role


@pytest.fixture
def send(target: AttackTarget) -> Send:
    """Return a function that signs and sends any request, and returns the status and the body of the response."""

    def send_signed(
        key: Credentials, service: str, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, str]:
        request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
        response = URLLib3Session().send(request.prepare())
        return response.status_code, response.text

    return send_signed


@pytest.fixture
def call_json(send: Send) -> Callable[..., str]:
    """Return a function that sends an operation with any JSON parameters, and returns the body of the response."""

    def call(key: Credentials, target: str, **parameters: Any) -> str:
        service = {"AWSEvents": "events", "AWSGlue": "glue"}[target.partition(".")[0]]
        headers = {"X_Amz_Target": target, "Content_Type": "application/x-amz-json-1.1"}
        return send(key, service, "POST", "/", json.dumps(parameters).encode(), **headers)[1]

    return call


def test_message_is_published_only_if_every_destination_is_allowed(target: AttackTarget, assume_role_with):
    """SNS would deliver to TargetArn or PhoneNumber beside an allowed TopicArn."""
    owner = target.client("sns")
    mine, other = (owner.create_topic(Name=name)["TopicArn"] for name in ("mine", "other"))
    publish = target.client("sns", assume_role_with(allow("sns:Publish", mine))).publish

    assert error_code(publish, Message="m", TopicArn=mine) == ""
    assert error_code(publish, Message="m", TargetArn=mine) == ""
    assert error_code(publish, Message="m", TopicArn=mine, TargetArn=other) == "AccessDenied"
    assert error_code(publish, Message="m", TopicArn=mine, PhoneNumber="+447700900000") == "AccessDenied"


def test_queue_named_only_by_the_path_gets_no_message(target: AttackTarget, assume_role_with, send: Send):
    """Without QueueUrl, no queue was authorized, but the queue of the path would get the message."""
    url = target.client("sqs").create_queue(QueueName="other")["QueueUrl"]
    other = f"arn:aws:sqs:{REGION}:{roles.ACCOUNT}:other"
    key = assume_role_with(allow("sqs:SendMessage"), deny("sqs:SendMessage", other))
    kind = {"X_Amz_Target": "AmazonSQS.SendMessage", "Content_Type": "application/x-amz-json-1.0"}

    send(key, "sqs", "POST", f"/{roles.ACCOUNT}/other", b'{"MessageBody": "m"}', **kind)
    assert "Messages" not in target.client("sqs").receive_message(QueueUrl=url)


@pytest.mark.parametrize("entries", [[], None])
def test_put_events_without_entries_is_denied(assume_role_with, call_json: Callable[..., str], entries: Any):
    """Even to a role with all permissions, since there is no resource to authorize."""
    assert "AccessDenied" in call_json(assume_role_with(roles.ANYTHING), "AWSEvents.PutEvents", Entries=entries)


@pytest.mark.parametrize("bus", [None, "", "mine/default", f"{BUSES}/mine/default"])
def test_denied_bus_cannot_be_reached_by_another_spelling(
    assume_role_with, call_json: Callable[..., str], bus: str | None
):
    """An empty name is the default bus, and a prefix before a slash would be ignored."""
    key = assume_role_with(allow("events:PutEvents"), deny("events:PutEvents", f"{BUSES}/default"))
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": bus}

    assert "AccessDenied" in call_json(key, "AWSEvents.PutEvents", Entries=[entry])
    assert "AccessDenied" not in call_json(key, "AWSEvents.PutEvents", Entries=[entry | {"EventBusName": "mine"}])


def test_bus_of_another_region_or_account_is_denied(assume_role_with, call_json: Callable[..., str]):
    """Otherwise the local bus of the same name would be used."""
    key = assume_role_with(roles.ANYTHING)
    for arn in (BUSES.replace(REGION, "us-east-1"), BUSES.replace(roles.ACCOUNT, "999999999999")):
        entry = {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": f"{arn}/default"}
        assert "AccessDenied" in call_json(key, "AWSEvents.PutEvents", Entries=[entry])


EVENT = {"DetailType": "Glue Job State Change", "Detail": "{}"}


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        *(("AWSEvents.PutEvents", {"Entries": entries}) for entries in (5, "x", ["x"], {"EventBusName": "mine"})),
        ("AWSEvents.PutEvents", {"Entries": [EVENT | {"Source": "a", "EventBusName": 5}]}),
        ("AWSEvents.PutEvents", {"Entries": [EVENT | {"Source": ["aws.glue"]}]}),
        ("AWSEvents.PutEvents", {"Entries": [EVENT | {"Source": {"aws.glue": None}}]}),
        ("AWSGlue.CreateTable", {"DatabaseName": "d", "TableInput": "x"}),
        ("AWSGlue.UpdateTable", {"DatabaseName": "d", "TableInput": {"Name": ["x"]}}),
        ("AWSGlue.GetTable", {"DatabaseName": ["d"], "Name": {}}),
        ("AWSGlue.StartJobRun", {"JobName": 5}),
    ],
    ids=str,
)
def test_parameters_of_a_wrong_type_are_rejected(
    assume_role_with, call_json: Callable[..., str], operation: str, parameters: dict[str, Any]
):
    """For example, a list with one source is not authorized as that source, but a rule would match it."""
    assert "SerializationException" in call_json(assume_role_with(roles.ANYTHING), operation, **parameters)


def test_null_parameter_counts_as_missing(assume_role_with, call_json: Callable[..., str]):
    """So the request does not name a table to authorize."""
    text = call_json(assume_role_with(roles.ANYTHING), "AWSGlue.CreateTable", DatabaseName="d", TableInput=None)

    assert "AccessDenied" in text
    assert "does not name a resource" in text


@pytest.mark.parametrize(
    "statements",
    [
        [allow("s3:PutObject", KEY, Condition={"StringNotEquals": {"s3:x-amz-storage-class": "GLACIER"}})],
        [allow("s3:*"), deny("s3:PutObject", Condition={"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}})],
        [allow("s3:*"), deny("s3:PutObject", Condition={"Null": {"s3:if-none-match": "true"}})],
        [allow("s3:PutObject", KEY, Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})],
        [allow("s3:PutObject", KEY, Condition={"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}})],
        [allow("s3:PutObject", KEY, Condition={"Null": {"aws:SourceVpc": "true"}})],
        [allow("s3:PutObject", KEY, Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "x"}})],
        [allow("s3:*"), deny("s3:PutObject", Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}})],
    ],
    ids=lambda statements: json.dumps(statements[-1]["Condition"]),
)
def test_condition_on_the_request_or_an_unknown_key_denies(
    target: AttackTarget, assume_role_with, statements: list[dict[str, Any]]
):
    """A condition key that the endpoint does not support is not treated as absent."""
    s3 = target.client("s3", assume_role_with(*statements))

    assert error_code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"x", StorageClass="GLACIER") == "AccessDenied"
    assert target.script == b"the script"


def test_conditions_use_the_values_of_the_request(target: AttackTarget, assume_role_with):
    """Storage class, `If-None-Match`, region, account and transport."""
    put = allow("s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-storage-class": "GLACIER"}})
    overwrite = deny("s3:PutObject", KEY, Condition={"Null": {"s3:if-none-match": "true"}})
    own_region = {"aws:RequestedRegion": REGION, "aws:PrincipalAccount": roles.ACCOUNT}
    read = allow("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}, "StringEquals": own_region})
    s3 = target.client("s3", assume_role_with(put, overwrite, read))

    assert error_code(s3.put_object, Bucket=BUCKET, Key="new", Body=b"") == ""
    assert error_code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    assert error_code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == ""


@pytest.mark.parametrize("variable", ["${aws:PrincipalAccount}", "${aws:PrincipalTag/team}", "${aws:username}", "${"])
def test_policy_variable_in_a_resource_is_replaced_or_denies(target: AttackTarget, assume_role_with, variable: str):
    """It is not used literally."""
    target.client("s3").put_object(Bucket=BUCKET, Key=f"{roles.ACCOUNT}/secret", Body=b"")
    s3 = target.client(
        "s3", assume_role_with(allow("s3:*"), deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/{variable}/*"))
    )

    assert error_code(s3.get_object, Bucket=BUCKET, Key=f"{roles.ACCOUNT}/secret") == "AccessDenied"


@pytest.mark.parametrize(
    "header", ["x_amz_acl", "x_amz_grant_read", "x_amz_grant_full_control", "x_amz_grant_write_acp"]
)
def test_acl_headers_require_put_object_acl(assume_role_with, send: Send, header: str):
    """Every header that grants permissions."""
    value = "public-read" if header == "x_amz_acl" else 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'

    def put(key: Credentials) -> int:
        return send(key, "s3", "PUT", f"/{BUCKET}/shared", b"x", **{header: value})[0]

    assert put(assume_role_with(allow("s3:PutObject"))) == 403
    assert put(assume_role_with(allow("s3:PutObject"), allow("s3:PutObjectAcl"))) == 200


def test_bypass_of_retention_is_authorized_for_each_key(target: AttackTarget, assume_role_with):
    """Not for the bucket of the keys."""
    s3 = target.client("s3", assume_role_with(allow("s3:*"), deny("s3:BypassGovernanceRetention", KEY)))
    both = {"Objects": [{"Key": "other"}, {"Key": SCRIPT}]}

    error = error_code(s3.delete_objects, Bucket=BUCKET, Delete=both, BypassGovernanceRetention=True)
    assert error == "AccessDenied"
    assert target.script == b"the script"


@pytest.fixture
def crawled(target: AttackTarget, assume_role_with) -> Callable[..., str]:
    """Return a function that crawls files with a role that has one denial, and returns the crawl's error."""

    def crawl(name: str, denied: dict[str, Any], *files: str) -> str:
        assume_role_with(roles.ANYTHING, denied, role=name)
        for file in files:
            content = io.BytesIO()
            pq.write_table(pa.table({"salary": [1]}), content)
            target.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/{file}.parquet", Body=content.getvalue())
        glue = target.client("glue")
        glue.create_database(DatabaseInput={"Name": name})
        targets = {"S3Targets": [{"Path": f"s3://{BUCKET}/{name}/"}]}
        glue.create_crawler(Name=name, Role=name, DatabaseName=name, Targets=targets)
        glue.start_crawler(Name=name)
        while (crawler := glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
            time.sleep(0.05)
        assert glue.get_tables(DatabaseName=name)["TableList"] == []
        return str(crawler["LastCrawl"]["ErrorMessage"])

    return crawl


def test_crawl_fails_at_a_denied_object(crawled):
    """Each object is authorized before it is read; the error names the first denied one."""
    denied = deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/crawled/secret*")
    assert f"s3:GetObject on resource: arn:aws:s3:::{BUCKET}/crawled/secret" in crawled(
        "crawled", denied, "open", "secret"
    )


def test_crawl_fails_at_a_denied_prefix(crawled):
    """The prefix is in a condition on `s3:prefix`."""
    denied = deny("s3:ListBucket", "*", Condition={"StringLike": {"s3:prefix": "walked/secret/*"}})
    assert f"s3:ListBucket on resource: arn:aws:s3:::{BUCKET}" in crawled("walked", denied, "secret/a")


@pytest.fixture
def assume_limited(target: AttackTarget, send: Send) -> Callable[..., tuple[Credentials | None, str]]:
    """Return a function that assumes a role with all permissions, and returns credentials and error code."""

    def assume(operation: str = "AssumeRole", **members: str) -> tuple[Credentials | None, str]:
        arn = roles.create(target.client("iam"), "full")
        fields = {"Action": operation, "Version": "2011-06-15", "RoleArn": arn, "RoleSessionName": "session", **members}
        kind = "application/x-www-form-urlencoded"
        status, text = send(target.key, "sts", "POST", "/", urlencode(fields).encode(), Content_Type=kind)

        def element(name: str) -> str:
            return text.partition(f"<{name}>")[2].partition("<")[0]

        if status != 200:
            return None, element("Code")
        return Credentials(element("AccessKeyId"), element("SecretAccessKey"), element("SessionToken")), ""

    return assume


UNKNOWN = {"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}
OPERATIONS = ["AssumeRole", "AssumeRoleWithWebIdentity"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("limit", [allow("s3:GetObject", KEY), deny("s3:List*"), allow("s3:*", Condition=UNKNOWN)])
def test_session_has_only_permissions_of_both_its_role_and_its_session_policy(
    target: AttackTarget, assume_limited, operation: str, limit: dict[str, Any]
):
    """A session policy limits the role's policy, and grants nothing itself."""
    policy = roles.policy(limit)
    s3 = target.client("s3", assume_limited(operation, Policy=policy)[0])

    assert error_code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"") == "AccessDenied"
    assert error_code(s3.list_buckets) == "AccessDenied"
    assert error_code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == ("" if "GetObject" in policy else "AccessDenied")
    roles.create(target.client("iam"), "full", allow("s3:List*"))
    assert error_code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == "AccessDenied"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_session_with_managed_session_policies_is_denied_everything(
    target: AttackTarget, assume_limited, operation: str
):
    """They would limit the role's policies, and are not evaluated locally."""
    arn = {"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/AWSDenyAll"}

    assert error_code(target.client("s3", assume_limited(operation, **arn)[0]).list_buckets) == "AccessDenied"
    assert error_code(target.client("s3", assume_limited(operation)[0]).list_buckets) == ""


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("policy", ["x", "{}", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'])
def test_invalid_session_policy_is_rejected(assume_limited, operation: str, policy: str):
    """When the role is assumed."""
    assert assume_limited(operation, Policy=policy) == (None, "MalformedPolicyDocument")


@pytest.mark.parametrize("fixture", ["assume_role_with", "assume_limited"])
def test_session_is_invalid_after_its_role_is_deleted(
    target: AttackTarget, request: pytest.FixtureRequest, fixture: str
):
    """Also if a role with the same name is created, since it has another id."""
    assume = request.getfixturevalue(fixture)
    key = assume(roles.ANYTHING, role="full") if fixture == "assume_role_with" else assume()[0]
    iam_client = target.client("iam")
    assert error_code(target.client("s3", key).list_buckets) == ""

    iam_client.delete_role_policy(RoleName="full", PolicyName="all")
    iam_client.delete_role(RoleName="full")
    assert error_code(target.client("s3", key).list_buckets) == "AccessDenied"
    roles.create(iam_client, "full")
    assert error_code(target.client("s3", key).list_buckets) == "AccessDenied"


def test_session_of_a_missing_role_is_invalid(target: AttackTarget):
    """Also if a role with that name is created later."""
    arn = f"arn:aws:iam::{roles.ACCOUNT}:role/later"
    issued = target.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    roles.create(target.client("iam"), "later")

    key = Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    assert error_code(target.client("s3", key).list_buckets) == "InvalidClientTokenId"


def test_get_tables_returns_only_the_allowed_tables(target: AttackTarget, assume_role_with):
    """Without a permission on any table of the database, it returns none."""
    owner = target.client("glue")
    owner.create_database(DatabaseInput={"Name": "shop"})
    for name in ("orders", "staff"):
        owner.create_table(DatabaseName="shop", TableInput={"Name": name})
    arn = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}"
    above = [f"{arn}:catalog", f"{arn}:database/shop"]

    def shown(*statements: dict[str, Any]) -> set[str]:
        response = target.client("glue", assume_role_with(*statements)).get_tables(DatabaseName="shop")
        return {table["Name"] for table in response["TableList"]}

    here = {"StringEquals": {"aws:RequestedRegion": REGION}}
    assert shown(allow("glue:GetTables", *above, f"{arn}:table/shop/orders")) == {"orders"}
    assert shown(allow("glue:*"), deny("glue:GetTables", f"{arn}:table/shop/staff")) == {"orders"}
    assert shown(allow("glue:*", Condition=here)) == {"orders", "staff"}
    assert shown(allow("glue:GetTables", *above), allow("glue:GetTable")) == set()
    assert {table["Name"] for table in owner.get_tables(DatabaseName="shop")["TableList"]} == {"orders", "staff"}
    for resources in (above[:1], above[1:]):
        with pytest.raises(ClientError, match="AccessDenied"):
            shown(allow("glue:GetTables", *resources, f"{arn}:table/*"))


OWN = {"StringEquals": {"redshift-data:statement-owner-iam-userid": ["${aws:userid}"]}}
LOG_IN = allow("redshift-serverless:GetCredentials")
WAREHOUSE = {"WorkgroupName": "warehouse", "Database": "warehouse", "Sql": "SELECT 1"}


@pytest.fixture
def api(target: AttackTarget, assume_role_with):
    """Return a function that returns a Data API client of a session that may access its own statements only."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    own_actions = [f"redshift-data:{name}Statement" for name in ("Describe", "Cancel")] + [
        "redshift-data:GetStatementResult"
    ]

    def client(name: str, role: str = "warehouse") -> Any:
        statements = [allow("redshift-data:ExecuteStatement"), allow("redshift-data:ListStatements"), LOG_IN]
        own = [allow(action, Condition=OWN) for action in own_actions]
        return target.client("redshift-data", assume_role_with(*statements, *own, role=role, name=name))

    return client


def test_role_can_access_only_its_own_statements(target: AttackTarget, api):
    """Statements have no ARN, so the policy has a condition on their owner."""
    mine, other = api("mine"), api("mine", role="another")
    identifier = mine.execute_statement(**WAREHOUSE)["Id"]
    owners = target.client("redshift-data").execute_statement(**WAREHOUSE)["Id"]

    assert error_code(mine.describe_statement, Id=identifier) == ""
    assert error_code(mine.describe_statement, Id=f"{identifier}:1") == ""
    for call in (other.describe_statement, other.get_statement_result, other.cancel_statement):
        assert error_code(call, Id=identifier) == "AccessDeniedException"
        assert error_code(call, Id=owners) == "AccessDeniedException"
    assert error_code(api("mine2").describe_statement, Id=identifier) == "AccessDeniedException"
    assert error_code(target.client("redshift-data").describe_statement, Id=identifier) == ""


def test_role_lists_only_its_own_statements(api):
    """Of all its sessions, or of the current one with RoleLevel false."""
    submitted = {name: api(name).execute_statement(**WAREHOUSE)["Id"] for name in ("mine", "mine2")}

    def listed(client: Any, **members: Any) -> set[str]:
        ids = {each["Id"] for each in client.list_statements(Status="ALL", **members)["Statements"]}
        return {name for name, identifier in submitted.items() if identifier in ids}

    assert listed(api("mine")) == {"mine", "mine2"}
    assert listed(api("mine"), RoleLevel=False) == {"mine"}
    assert listed(api("mine", role="another")) == set()


def test_client_token_is_specific_to_its_caller(api):
    """Another caller with the same token gets a new statement."""
    once = WAREHOUSE | {"ClientToken": "the same"}
    first = api("mine").execute_statement(**once)["Id"]

    assert api("mine").execute_statement(**once)["Id"] == first
    assert api("mine", role="another").execute_statement(**once)["Id"] != first


def test_permission_on_all_workgroups_does_not_include_clusters(target: AttackTarget, assume_role_with):
    """A statement without a workgroup goes to the named cluster."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    workgroups = f"arn:aws:redshift-serverless:{REGION}:{roles.ACCOUNT}:workgroup/*"
    api = target.client("redshift-data", assume_role_with(allow("redshift-data:ExecuteStatement", workgroups)))

    where = {"ClusterIdentifier": "warehouse", "Database": "warehouse", "Sql": "SELECT 1"}
    assert error_code(api.execute_statement, **where) == "AccessDeniedException"


PLACE = f"{REGION}:{roles.ACCOUNT}"
CLUSTER = {"ClusterIdentifier": "dwh", "Database": "sales", "Sql": "SELECT 1"}
AS_IAM = allow("redshift:GetClusterCredentialsWithIAM", f"arn:aws:redshift:{PLACE}:dbname:dwh/sales")
USERS = f"arn:aws:redshift:{PLACE}:dbname:dwh/*", f"arn:aws:redshift:{PLACE}:dbuser:dwh/me"
AS_USER = allow("redshift:GetClusterCredentials", *USERS)
WORKGROUPS = f"arn:aws:redshift-serverless:{PLACE}:workgroup"


@pytest.mark.parametrize(
    ("statement", "where", "logs_in"),
    [
        (allow("redshift-data:*"), WAREHOUSE, False),
        (allow("redshift-serverless:GetCredentials", f"{WORKGROUPS}/warehouse"), WAREHOUSE, True),
        (allow("redshift-serverless:GetCredentials", f"{WORKGROUPS}/other"), WAREHOUSE, False),
        (allow("redshift-serverless:GetCredentials"), CLUSTER, False),
        (AS_IAM, CLUSTER, True),
        (AS_IAM, CLUSTER | {"Database": "other"}, False),
        (AS_IAM, CLUSTER | {"DbUser": "me"}, False),
        (AS_USER, CLUSTER | {"DbUser": "me"}, True),
        (AS_USER, CLUSTER | {"DbUser": "admin"}, False),
        (AS_USER, CLUSTER, False),
        (AS_USER | {"Condition": {"StringEquals": {"redshift:DbUser": "you"}}}, CLUSTER | {"DbUser": "me"}, False),
    ],
)  # fmt: skip
def test_login_without_a_secret_requires_permission_for_temporary_credentials(
    target: AttackTarget, assume_role_with, statement: dict[str, Any], where: dict[str, str], *, logs_in: bool
):
    """Of the workgroup, or of the cluster's database, as the IAM identity or as a database user."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    api = target.client("redshift-data", assume_role_with(allow("redshift-data:ExecuteStatement"), statement))

    assert error_code(api.execute_statement, **where) == ("" if logs_in else "AccessDeniedException")


def test_denied_secret_cannot_be_used_by_its_name(target: AttackTarget, assume_role_with):
    """SecretArn also accepts a name or a partial ARN."""
    redshift.mount(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    arn = target.client("secretsmanager").create_secret(Name="denied", SecretString="{}")["ARN"]
    statements = allow("redshift-data:*"), allow("secretsmanager:*"), deny("secretsmanager:GetSecretValue", arn)
    api = target.client("redshift-data", assume_role_with(*statements))

    for secret in (arn, arn[:-7], "denied"):
        assert error_code(api.execute_statement, **WAREHOUSE, SecretArn=secret) == "AccessDeniedException"
