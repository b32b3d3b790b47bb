"""Which actions on which resources an operation needs: what AWS's Service Authorization Reference says of it.

An operation that is not here is denied to every role. S3's are in `s3_operations`.
"""

from collections.abc import Callable
from typing import Any

from moto.secretsmanager import secretsmanager_backends

from local_aws.iam import s3_operations
from local_aws.iam.calls import Call, Need

type Resources = Callable[[Call], tuple[str, ...]]


def needs(call: Call) -> list[Need] | None:
    """Return what a call needs, which may be nothing; None when the operation is not known here."""
    if call.service == "s3":
        return s3_operations.needs(call)
    if (call.service, call.operation) == ("sts", "GetCallerIdentity"):
        return []  # everybody may ask who they are
    resources = _OPERATIONS.get(call.service, {}).get(call.operation)
    if resources is None:
        return None
    context = _CONTEXTS[call.service](call) if call.service in _CONTEXTS else {}
    found = [Need(str(call), resources(call), context)]
    if call["SecretArn"]:  # Redshift's Data API logs in by it, in the name of the caller
        found.append(Need("secretsmanager:GetSecretValue", (call["SecretArn"],)))
    return found


def _connection(call: Call) -> tuple[str, ...]:
    return call.arn("catalog"), call.arn(f"connection/{call['Name']}")


def _database(parameter: str) -> Resources:
    return lambda call: (call.arn("catalog"), call.arn(f"database/{call[parameter]}"))


def _table(name: Callable[[Call], str]) -> Resources:
    """Name a table and what it is in: Glue wants a permission on all of them."""
    return lambda call: (
        *_database("DatabaseName")(call),
        call.arn(f"table/{call['DatabaseName']}/{name(call)}"),
    )


def _named_in_input(call: Call) -> str:
    return str(call.parameters.get("TableInput", {}).get("Name", ""))


def _workflow(call: Call) -> tuple[str, ...]:
    return (call.arn(f"workflow/{call['Name']}"),)


def _secret(call: Call) -> tuple[str, ...]:
    """Find the ARN of a secret, which ends in six letters that its name does not tell."""
    known = secretsmanager_backends[call.account][call.region].secrets
    return (str(known[call["SecretId"]].arn) if call["SecretId"] in known else call["SecretId"],)


def _log_stream(call: Call) -> tuple[str, ...]:
    """Name a stream of a log group; to AWS, a group by itself is a stream without a name."""
    return (call.arn(f"log-group:{call['logGroupName']}:log-stream:{call['logStreamName']}"),)


def _queue(call: Call) -> tuple[str, ...]:
    return (call.arn(call["QueueUrl"].rpartition("/")[2]),)


def _buses(call: Call) -> tuple[str, ...]:
    names = (str(entry.get("EventBusName", "default")) for entry in call.parameters.get("Entries", ()))
    return tuple(name if name.startswith("arn:") else call.arn(f"event-bus/{name}") for name in names)


def _workgroup(call: Call) -> tuple[str, ...]:
    """Name a workgroup; its ARN on AWS ends in an id, in whose place its name stands here."""
    return (call.arn(f"workgroup/{call['WorkgroupName']}", "redshift-serverless"),)


def _everything(_call: Call) -> tuple[str, ...]:
    return ("*",)


def _namespace(call: Call) -> dict[str, Any]:
    return {"cloudwatch:namespace": call["Namespace"]} if call["Namespace"] else {}


_IN_TABLE = _table(lambda call: call["TableName"])

_OPERATIONS: dict[str, dict[str, Resources]] = {
    "glue": {
        "GetConnection": _connection,
        "GetDatabase": _database("Name"),
        "GetTable": _table(lambda call: call["Name"]),
        "GetTables": _table(lambda _: "*"),
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
    "secretsmanager": {"GetSecretValue": _secret, "DescribeSecret": _secret, "PutSecretValue": _secret},
    "redshift-data": {
        "ExecuteStatement": _workgroup,
        "BatchExecuteStatement": _workgroup,
        # Of a statement, which has no ARN, AWS also knows who ran it.
        "DescribeStatement": _everything,
        "GetStatementResult": _everything,
        "CancelStatement": _everything,
        "ListStatements": _everything,
    },
    "cloudwatch": {"PutMetricData": _everything},
    "logs": {"CreateLogGroup": _log_stream, "CreateLogStream": _log_stream, "PutLogEvents": _log_stream},
    "sns": {"Publish": lambda call: (call["TopicArn"],)},
    "sqs": {"SendMessage": _queue},
    "events": {"PutEvents": _buses},
}

_CONTEXTS: dict[str, Callable[[Call], dict[str, Any]]] = {"cloudwatch": _namespace}
"""Condition keys that a service takes from a request."""
