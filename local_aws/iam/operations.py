"""The actions and resources that each operation needs, from AWS's Service Authorization Reference.

Operations that are not declared here are denied to every role. S3's are in `s3_operations`.
"""

import re
from collections.abc import Callable

from moto.secretsmanager import secretsmanager_backends

from local_aws.iam import owners, s3_operations
from local_aws.iam.calls import Call, Need
from local_aws.iam.conditions import Context
from local_aws.iam.errors import MalformedCallError

type Resources = Callable[[Call], tuple[str, ...]]


def needs(call: Call) -> list[Need] | None:
    """Return the permissions that a call needs, which may be none; None when the operation is not declared."""
    if call.service == "s3":
        return s3_operations.needs(call)
    if (call.service, call.operation) == ("sts", "GetCallerIdentity"):
        return []  # needs no permission
    resources = _OPERATIONS.get(call.service, {}).get(call.operation)
    if resources is None:
        return None
    keys = _CONDITION_KEYS.get(str(call))
    permissions = [Need(str(call), resources(call), keys(call) if keys else {})]
    if resources is _workgroup:
        permissions.append(_database_login(call))
    return permissions


def _connection(call: Call) -> tuple[str, ...]:
    return call.arn("catalog"), call.arn(f"connection/{call['Name']}")


def _database(parameter: str) -> Resources:
    return lambda call: (call.arn("catalog"), call.arn(f"database/{call[parameter]}"))


def _table(name: Callable[[Call], str]) -> Resources:
    """Return the ARNs of a table, its database and its catalog: Glue requires a permission on all of them."""
    return lambda call: (
        *_database("DatabaseName")(call),
        call.arn(f"table/{call['DatabaseName']}/{name(call)}"),
    )


def _named_in_input(call: Call) -> str:
    table = call.parameters.get("TableInput")
    if not isinstance(table, dict):
        raise MalformedCallError(str(call), "TableInput", "an object")
    return call.text("TableInput.Name", table.get("Name"))


def _workflow(call: Call) -> tuple[str, ...]:
    return (call.arn(f"workflow/{call['Name']}"),)


def _secret(parameter: str) -> Resources:
    """Look up the ARN of a secret, which ends in six random characters."""

    def arn(call: Call) -> tuple[str, ...]:
        secrets = secretsmanager_backends[call.account][call.region].secrets
        return (str(secrets[call[parameter]].arn) if call[parameter] in secrets else call[parameter],)

    return arn


def _log_stream(call: Call) -> tuple[str, ...]:
    """Return the ARN of a log stream; the ARN of a log group ends in a stream without a name."""
    return (call.arn(f"log-group:{call['logGroupName']}:log-stream:{call['logStreamName']}"),)


def _queue(call: Call) -> tuple[str, ...]:
    """Return the ARN of the queue in QueueUrl; without one, nothing, though the request path may name a queue."""
    name = call["QueueUrl"].rpartition("/")[2]
    return (call.arn(name),) if name else ()


def _destinations(call: Call) -> tuple[str, ...]:
    """Return all destinations in a message's parameters; SNS decides between them."""
    return tuple(call[name] for name in ("TopicArn", "TargetArn", "PhoneNumber") if call[name])


def _buses(call: Call) -> tuple[str, ...]:
    entries = call.parameters.get("Entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MalformedCallError(str(call), "Entries", "a list of objects")
    return tuple(_bus(call, call.text("EventBusName", entry.get("EventBusName"))) for entry in entries)


def _bus(call: Call, name: str) -> str:
    """Return the ARN of an event bus of this region and account, by name or ARN; without a name, the default bus."""
    arns = call.arn("event-bus/")
    short = name.removeprefix(arns) or "default"
    if not re.fullmatch(r"[A-Za-z0-9._-]+", short):
        raise MalformedCallError(str(call), "EventBusName", f"the name of an event bus, or its ARN, {arns}<name>")
    return arns + short


def _workgroup(call: Call) -> tuple[str, ...]:
    """Return the ARN of a workgroup, with its name in place of the id that AWS has, or else of a cluster."""
    if not call["WorkgroupName"]:
        return (call.arn(f"cluster:{call['ClusterIdentifier']}", "redshift"),)
    return (call.arn(f"workgroup/{call['WorkgroupName']}", "redshift-serverless"),)


def _database_login(call: Call) -> Need:
    """Return the permission that the Data API needs to log in to a database for the caller."""
    if call["SecretArn"]:
        return Need("secretsmanager:GetSecretValue", _secret("SecretArn")(call))
    if call["WorkgroupName"]:
        return Need("redshift-serverless:GetCredentials", _workgroup(call))
    cluster, database, user = call["ClusterIdentifier"], call["Database"], call["DbUser"]
    databases = (call.arn(f"dbname:{cluster}/{database}", "redshift"),)
    if not user:
        return Need("redshift:GetClusterCredentialsWithIAM", databases, {"redshift:dbname": database})
    users = (call.arn(f"dbuser:{cluster}/{user}", "redshift"),)
    keys = {"redshift:dbname": database, "redshift:dbuser": user}
    return Need("redshift:GetClusterCredentials", users + databases, keys)


def _everything(_call: Call) -> tuple[str, ...]:
    return ("*",)


def _namespace(call: Call) -> Context:
    return {"cloudwatch:namespace": call["Namespace"] or None}


def _statement_owner(call: Call) -> Context:
    return {"redshift-data:statement-owner-iam-userid": owners.of_statement(call["Id"])}


_IN_TABLE = _table(lambda call: call["TableName"])

_OPERATIONS: dict[str, dict[str, Resources]] = {
    "glue": {
        "GetConnection": _connection,
        "GetDatabase": _database("Name"),
        "GetTable": _table(lambda call: call["Name"]),
        "GetTables": _database("DatabaseName"),  # the tables are filtered: see local_aws/glue/operations/tables.py
        "CreateTable": _table(_named_in_input),
        "UpdateTable": _table(_named_in_input),
        "DeleteTable": _table(lambda call: call["Name"]),
        "GetPartition": _IN_TABLE,
        "GetPartitions": _IN_TABLE,
        "BatchGetPartition": _IN_TABLE,
        "CreatePartition": _IN_TABLE,
        "BatchCreatePartition": _IN_TABLE,
        "UpdatePartition": _IN_TABLE,
        "BatchUpdatePartition": _IN_TABLE,
        "DeletePartition": _IN_TABLE,
        "BatchDeletePartition": _IN_TABLE,
        "GetCrawler": lambda call: (call.arn(f"crawler/{call['Name']}"),),
        "StartJobRun": lambda call: (call.arn(f"job/{call['JobName']}"),),
        "StartWorkflowRun": _workflow,
        "GetWorkflowRunProperties": _workflow,
        "PutWorkflowRunProperties": _workflow,
    },
    "secretsmanager": dict.fromkeys(("GetSecretValue", "DescribeSecret", "PutSecretValue"), _secret("SecretId")),
    "redshift-data": {
        "ExecuteStatement": _workgroup,
        "BatchExecuteStatement": _workgroup,
        # A statement has no ARN; its owner is a condition key.
        "DescribeStatement": _everything,
        "GetStatementResult": _everything,
        "CancelStatement": _everything,
        "ListStatements": _everything,
    },
    "cloudwatch": {"PutMetricData": _everything},
    "logs": {"CreateLogGroup": _log_stream, "CreateLogStream": _log_stream, "PutLogEvents": _log_stream},
    "sns": {"Publish": _destinations},
    "sqs": {"SendMessage": _queue},
    "events": {"PutEvents": _buses},
}

_CONDITION_KEYS: dict[str, Callable[[Call], Context]] = {
    "cloudwatch:PutMetricData": _namespace,
    "redshift-data:DescribeStatement": _statement_owner,
    "redshift-data:GetStatementResult": _statement_owner,
    "redshift-data:CancelStatement": _statement_owner,
}
"""The condition keys that a service sets for an action, beside those of every request."""
