"""A role that asks in an unusual way is judged by what it would get, and by what its policies really say."""

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
from local_aws.glue import catalog, crawlers
from local_aws.iam import session_policies
from tests import roles
from tests.security.conftest import BUCKET, SCRIPT, Target

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
def acting(target: Target):
    """Return a function that gives the credentials of a role that may do what these statements say."""

    def act(*statements: dict[str, Any], role: str = "a-role", name: str = "session") -> Credentials:
        roles.create(target.client("iam"), role, *statements)
        source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
        taken = iam.assume(
            role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name=name
        )
        return Credentials(taken.access_key, taken.secret_key, taken.token)

    return act


@pytest.fixture
def send(target: Target) -> Send:
    """Return a function that signs and sends a request, whatever is in it; it returns the status and the answer."""

    def to_target(
        key: Credentials, service: str, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, str]:
        request = AWSRequest(method, f"http://127.0.0.1:{target.port}{path}", data=body)
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        return answer.status_code, answer.text

    return to_target


@pytest.fixture
def ask(send: Send) -> Callable[..., str]:
    """Return a function that sends an operation with its parameters in JSON, whatever their form."""

    def with_json(key: Credentials, target: str, **parameters: Any) -> str:
        service = {"AWSEvents": "events", "AWSGlue": "glue"}[target.partition(".")[0]]
        headers = {"X_Amz_Target": target, "Content_Type": "application/x-amz-json-1.1"}
        return send(key, service, "POST", "/", json.dumps(parameters).encode(), **headers)[1]

    return with_json


def code(call: Callable[..., Any], **parameters: Any) -> str:
    """Return the code of the error of a call, or nothing where there is none."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_message_is_published_only_where_every_destination_is_allowed(target: Target, acting):
    """SNS delivers to TargetArn or PhoneNumber when they come with the TopicArn that a policy allows."""
    owner = target.client("sns")
    mine, other = (owner.create_topic(Name=name)["TopicArn"] for name in ("mine", "other"))
    publish = target.client("sns", acting(allow("sns:Publish", mine))).publish

    assert code(publish, Message="m", TopicArn=mine) == ""
    assert code(publish, Message="m", TargetArn=mine) == ""
    assert code(publish, Message="m", TopicArn=mine, TargetArn=other) == "AccessDenied"
    assert code(publish, Message="m", TopicArn=mine, PhoneNumber="+447700900000") == "AccessDenied"


def test_a_queue_that_only_the_address_names_is_not_written_to(target: Target, acting, send: Send):
    """The queue of the path would get the message, and a policy was asked about none."""
    url = target.client("sqs").create_queue(QueueName="other")["QueueUrl"]
    other = f"arn:aws:sqs:{REGION}:{roles.ACCOUNT}:other"
    key = acting(allow("sqs:SendMessage"), deny("sqs:SendMessage", other))
    kind = {"X_Amz_Target": "AmazonSQS.SendMessage", "Content_Type": "application/x-amz-json-1.0"}

    send(key, "sqs", "POST", f"/{roles.ACCOUNT}/other", b'{"MessageBody": "m"}', **kind)
    assert "Messages" not in target.client("sqs").receive_message(QueueUrl=url)


@pytest.mark.parametrize("entries", [[], None])
def test_events_that_name_no_bus_are_denied(acting, ask: Callable[..., str], entries: Any):
    """Also to a role that may do everything: there is nothing that its policies could be asked about."""
    assert "AccessDenied" in ask(acting(roles.ANYTHING), "AWSEvents.PutEvents", Entries=entries)


@pytest.mark.parametrize("bus", [None, "", "mine/default", f"{BUSES}/mine/default"])
def test_a_bus_that_is_denied_is_not_reached_by_another_spelling(acting, ask: Callable[..., str], bus: str | None):
    """Nothing means the default bus, and what is before a slash would not count."""
    key = acting(allow("events:PutEvents"), deny("events:PutEvents", f"{BUSES}/default"))
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": bus}

    assert "AccessDenied" in ask(key, "AWSEvents.PutEvents", Entries=[entry])
    assert "AccessDenied" not in ask(key, "AWSEvents.PutEvents", Entries=[entry | {"EventBusName": "mine"}])


def test_the_bus_of_another_region_is_denied(acting, ask: Callable[..., str]):
    """It would be reached by its name, here."""
    key = acting(roles.ANYTHING)
    for arn in (BUSES.replace(REGION, "us-east-1"), BUSES.replace(roles.ACCOUNT, "999999999999")):
        entry = {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": f"{arn}/default"}
        assert "AccessDenied" in ask(key, "AWSEvents.PutEvents", Entries=[entry])


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
def test_parameters_of_another_type_are_refused(
    acting, ask: Callable[..., str], operation: str, parameters: dict[str, Any]
):
    """What is judged has to be what is done: a list with one source in it is not that source, but a rule matches it."""
    assert "SerializationException" in ask(acting(roles.ANYTHING), operation, **parameters)


def test_a_parameter_that_is_null_is_not_there(acting, ask: Callable[..., str]):
    """No table is named that could be judged."""
    text = ask(acting(roles.ANYTHING), "AWSGlue.CreateTable", DatabaseName="d", TableInput=None)

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
def test_a_condition_is_judged_by_the_request_or_denies(target: Target, acting, statements: list[dict[str, Any]]):
    """A key that the endpoint does not know is not one that the request does not have."""
    s3 = target.client("s3", acting(*statements))

    assert code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"x", StorageClass="GLACIER") == "AccessDenied"
    assert target.script == b"the script"


def test_what_a_request_says_fulfils_a_condition(target: Target, acting):
    """Storage class, version, and what it demands of the object that is there."""
    put = allow("s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-storage-class": "GLACIER"}})
    overwrite = deny("s3:PutObject", KEY, Condition={"Null": {"s3:if-none-match": "true"}})
    own_region = {"aws:RequestedRegion": REGION, "aws:PrincipalAccount": roles.ACCOUNT}
    read = allow("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}, "StringEquals": own_region})
    s3 = target.client("s3", acting(put, overwrite, read))

    assert code(s3.put_object, Bucket=BUCKET, Key="new", Body=b"") == ""
    assert code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    assert code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == ""


@pytest.mark.parametrize("variable", ["${aws:PrincipalAccount}", "${aws:PrincipalTag/team}", "${aws:username}", "${"])
def test_a_variable_in_a_resource_is_replaced_or_denies(target: Target, acting, variable: str):
    """It does not stand for itself."""
    target.client("s3").put_object(Bucket=BUCKET, Key=f"{roles.ACCOUNT}/secret", Body=b"")
    s3 = target.client("s3", acting(allow("s3:*"), deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/{variable}/*")))

    assert code(s3.get_object, Bucket=BUCKET, Key=f"{roles.ACCOUNT}/secret") == "AccessDenied"


@pytest.mark.parametrize(
    "header", ["x_amz_acl", "x_amz_grant_read", "x_amz_grant_full_control", "x_amz_grant_write_acp"]
)
def test_rights_on_an_object_take_the_permission_for_its_acl(acting, send: Send, header: str):
    """By whatever header they are given away."""
    value = "public-read" if header == "x_amz_acl" else 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'

    def put(key: Credentials) -> int:
        return send(key, "s3", "PUT", f"/{BUCKET}/shared", b"x", **{header: value})[0]

    assert put(acting(allow("s3:PutObject"))) == 403
    assert put(acting(allow("s3:PutObject"), allow("s3:PutObjectAcl"))) == 200


def test_retention_is_bypassed_only_on_keys_for_which_that_is_allowed(target: Target, acting):
    """Each of several keys is asked about, not the bucket that they are in."""
    s3 = target.client("s3", acting(allow("s3:*"), deny("s3:BypassGovernanceRetention", KEY)))
    both = {"Objects": [{"Key": "other"}, {"Key": SCRIPT}]}

    refused = code(s3.delete_objects, Bucket=BUCKET, Delete=both, BypassGovernanceRetention=True)
    assert refused == "AccessDenied"
    assert target.script == b"the script"


@pytest.fixture
def crawled(target: Target, acting) -> Callable[..., str]:
    """Return a function that crawls files as a role to which one thing is denied; it returns the error of the crawl."""

    def crawl(name: str, denied: dict[str, Any], *files: str) -> str:
        crawlers.install()
        acting(roles.ANYTHING, denied, role=name)
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


def test_a_crawl_reads_no_object_that_is_denied(crawled):
    """Each is asked about whose columns and rows are looked at; the crawl fails, and names the first that is denied."""
    denied = deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/crawled/secret*")
    assert f"s3:GetObject on resource: arn:aws:s3:::{BUCKET}/crawled/secret" in crawled(
        "crawled", denied, "open", "secret"
    )


def test_a_crawl_lists_no_folder_that_is_denied(crawled):
    """By the prefix that a policy's condition names."""
    denied = deny("s3:ListBucket", "*", Condition={"StringLike": {"s3:prefix": "walked/secret/*"}})
    assert f"s3:ListBucket on resource: arn:aws:s3:::{BUCKET}" in crawled("walked", denied, "secret/a")


@pytest.fixture
def limited(target: Target, send: Send) -> Callable[..., tuple[Credentials | None, str]]:
    """Return a function that takes a role that may do anything; it returns the credentials, or the error's code."""
    session_policies.install()

    def take(operation: str = "AssumeRole", **members: str) -> tuple[Credentials | None, str]:
        arn = roles.create(target.client("iam"), "full")
        fields = {"Action": operation, "Version": "2011-06-15", "RoleArn": arn, "RoleSessionName": "session", **members}
        kind = "application/x-www-form-urlencoded"
        status, text = send(target.key, "sts", "POST", "/", urlencode(fields).encode(), Content_Type=kind)

        def part(name: str) -> str:
            return text.partition(f"<{name}>")[2].partition("<")[0]

        if status != 200:
            return None, part("Code")
        return Credentials(part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken")), ""

    return take


UNKNOWN = {"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}
OPERATIONS = ["AssumeRole", "AssumeRoleWithWebIdentity"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("limit", [allow("s3:GetObject", KEY), deny("s3:List*"), allow("s3:*", Condition=UNKNOWN)])
def test_a_session_may_do_what_both_its_role_and_its_own_policy_allow(
    target: Target, limited, operation: str, limit: dict[str, Any]
):
    """The policy that comes with the request limits that of the role, and gives nothing."""
    policy = roles.policy(limit)
    s3 = target.client("s3", limited(operation, Policy=policy)[0])

    assert code(s3.put_object, Bucket=BUCKET, Key=SCRIPT, Body=b"") == "AccessDenied"
    assert code(s3.list_buckets) == "AccessDenied"
    assert code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == ("" if "GetObject" in policy else "AccessDenied")
    roles.create(target.client("iam"), "full", allow("s3:List*"))
    assert code(s3.get_object, Bucket=BUCKET, Key=SCRIPT) == "AccessDenied"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_session_with_managed_policies_of_its_own_may_do_nothing(target: Target, limited, operation: str):
    """They limit the role's policies, and cannot be judged here."""
    arn = {"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/AWSDenyAll"}

    assert code(target.client("s3", limited(operation, **arn)[0]).list_buckets) == "AccessDenied"
    assert code(target.client("s3", limited(operation)[0]).list_buckets) == ""


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("policy", ["x", "{}", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'])
def test_no_session_has_a_policy_that_is_none(limited, operation: str, policy: str):
    """It is refused when the role is taken."""
    assert limited(operation, Policy=policy) == (None, "MalformedPolicyDocument")


@pytest.mark.parametrize("taken", ["acting", "limited"])
def test_a_session_does_not_outlive_its_role(target: Target, request: pytest.FixtureRequest, taken: str):
    """Another role of the same name has another id, and sessions of its own."""
    take = request.getfixturevalue(taken)
    key = take(roles.ANYTHING, role="full") if taken == "acting" else take()[0]
    iam_client = target.client("iam")
    assert code(target.client("s3", key).list_buckets) == ""

    iam_client.delete_role_policy(RoleName="full", PolicyName="all")
    iam_client.delete_role(RoleName="full")
    assert code(target.client("s3", key).list_buckets) == "AccessDenied"
    roles.create(iam_client, "full")
    assert code(target.client("s3", key).list_buckets) == "AccessDenied"


def test_a_session_of_a_role_that_was_not_there_opens_nothing(target: Target):
    """Also when a role of that name is created."""
    session_policies.install()
    arn = f"arn:aws:iam::{roles.ACCOUNT}:role/later"
    given = target.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    roles.create(target.client("iam"), "later")

    key = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert code(target.client("s3", key).list_buckets) == "InvalidClientTokenId"


def test_a_role_is_shown_the_tables_that_it_may_see(target: Target, acting):
    """GetTables leaves out the others; a right on no table of a database shows none."""
    catalog.install()
    owner = target.client("glue")
    owner.create_database(DatabaseInput={"Name": "shop"})
    for name in ("orders", "staff"):
        owner.create_table(DatabaseName="shop", TableInput={"Name": name})
    arn = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}"
    above = [f"{arn}:catalog", f"{arn}:database/shop"]

    def shown(*statements: dict[str, Any]) -> set[str]:
        told = target.client("glue", acting(*statements)).get_tables(DatabaseName="shop")
        return {table["Name"] for table in told["TableList"]}

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
def api(target: Target, acting):
    """Return a function that gives a client of the Data API to a session of a role that follows its own statements."""
    redshift.install(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    follow = [f"redshift-data:{name}Statement" for name in ("Describe", "Cancel")] + [
        "redshift-data:GetStatementResult"
    ]

    def client(name: str, role: str = "warehouse") -> Any:
        statements = [allow("redshift-data:ExecuteStatement"), allow("redshift-data:ListStatements"), LOG_IN]
        own = [allow(action, Condition=OWN) for action in follow]
        return target.client("redshift-data", acting(*statements, *own, role=role, name=name))

    return client


def test_a_role_follows_its_own_statements_and_no_other(target: Target, api):
    """A statement has no ARN: whose it is, is what the policy goes by."""
    mine, other = api("mine"), api("mine", role="another")
    identifier = mine.execute_statement(**WAREHOUSE)["Id"]
    owners = target.client("redshift-data").execute_statement(**WAREHOUSE)["Id"]

    assert code(mine.describe_statement, Id=identifier) == ""
    assert code(mine.describe_statement, Id=f"{identifier}:1") == ""
    for call in (other.describe_statement, other.get_statement_result, other.cancel_statement):
        assert code(call, Id=identifier) == "AccessDeniedException"
        assert code(call, Id=owners) == "AccessDeniedException"
    assert code(api("mine2").describe_statement, Id=identifier) == "AccessDeniedException"
    assert code(target.client("redshift-data").describe_statement, Id=identifier) == ""


def test_a_role_is_told_of_its_own_statements(api):
    """Of all sessions of it, or of the one session where that is asked for."""
    submitted = {name: api(name).execute_statement(**WAREHOUSE)["Id"] for name in ("mine", "mine2")}

    def told(client: Any, **members: Any) -> set[str]:
        found = {each["Id"] for each in client.list_statements(Status="ALL", **members)["Statements"]}
        return {name for name, identifier in submitted.items() if identifier in found}

    assert told(api("mine")) == {"mine", "mine2"}
    assert told(api("mine"), RoleLevel=False) == {"mine"}
    assert told(api("mine", role="another")) == set()


def test_a_client_token_is_that_of_one_caller(api):
    """Another one that guesses it gets a statement of its own, and not what the first has submitted."""
    once = WAREHOUSE | {"ClientToken": "the same"}
    first = api("mine").execute_statement(**once)["Id"]

    assert api("mine").execute_statement(**once)["Id"] == first
    assert api("mine", role="another").execute_statement(**once)["Id"] != first


def test_a_cluster_is_not_reached_through_the_right_on_all_workgroups(target: Target, acting):
    """Where no workgroup is named, the statement goes to the cluster that is."""
    redshift.install(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    workgroups = f"arn:aws:redshift-serverless:{REGION}:{roles.ACCOUNT}:workgroup/*"
    api = target.client("redshift-data", acting(allow("redshift-data:ExecuteStatement", workgroups)))

    where = {"ClusterIdentifier": "warehouse", "Database": "warehouse", "Sql": "SELECT 1"}
    assert code(api.execute_statement, **where) == "AccessDeniedException"


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
def test_who_logs_in_without_a_secret_has_the_right_to_credentials(
    target: Target, acting, statement: dict[str, Any], where: dict[str, str], *, logs_in: bool
):
    """Of the workgroup, or of the cluster's database as oneself or as one of its users."""
    redshift.install(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    api = target.client("redshift-data", acting(allow("redshift-data:ExecuteStatement"), statement))

    assert code(api.execute_statement, **where) == ("" if logs_in else "AccessDeniedException")


def test_a_secret_that_is_denied_does_not_log_in_by_its_name(target: Target, acting):
    """SecretArn takes the name of a secret as well."""
    redshift.install(lambda *_: "postgresql://127.0.0.1:1/nowhere")
    arn = target.client("secretsmanager").create_secret(Name="denied", SecretString="{}")["ARN"]
    statements = allow("redshift-data:*"), allow("secretsmanager:*"), deny("secretsmanager:GetSecretValue", arn)
    api = target.client("redshift-data", acting(*statements))

    for secret in (arn, arn[:-7], "denied"):
        assert code(api.execute_statement, **WAREHOUSE, SecretArn=secret) == "AccessDeniedException"
