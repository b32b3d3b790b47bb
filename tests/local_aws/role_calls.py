"""The API calls that each role of the platform must be able to make, and those that it must not.

The tests make each call with the credentials of the role. A granted permission that no call here needs is reported as
unnecessary. `maker` is the component that makes the call, by default the code of the job.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PREFIX = "totelake-local"
INGESTED, PROCESSED, ARTIFACTS = (f"{PREFIX}-{name}" for name in ("ingested", "processed", "artifacts"))

CHECKPOINT = "checkpoints/0000/00000001.json"
NO_RUN = {"JobRunId": "none"}  # a run that does not exist, so none is repeated

SPARK = "Spark, which accesses the lake's folders directly when it runs locally"
COMMITTER = "Spark's output committer"
GLUE = "Glue itself: it starts the job, writes its log, publishes its metrics and stores temporary files"
CRAWLER = "the crawler, whose calls AWS does not document"
SCHEDULER = "EventBridge Scheduler"
EVENTBRIDGE = "EventBridge, which publishes alerts"


@dataclass(frozen=True)
class RoleCall:
    """A boto3 call, and the IAM action that it requires."""

    action: str
    method: str
    parameters: dict[str, Any] = field(repr=False)
    maker: str = "the job"

    @property
    def service(self) -> str:
        """The name of the service in boto3."""
        return self.action.partition(":")[0]


def _objects(action: str, method: str, bucket: str, keys: Iterable[str], maker: str, **more: Any) -> list[RoleCall]:
    return [RoleCall(action, method, {"Bucket": bucket, "Key": key, **more}, maker) for key in keys]


def reads(bucket: str, *keys: str, maker: str = "the job") -> list[RoleCall]:
    """Return the calls that read objects."""
    return _objects("s3:GetObject", "get_object", bucket, keys, maker)


def writes(bucket: str, *keys: str, maker: str = "the job") -> list[RoleCall]:
    """Return the calls that create objects and abort multipart uploads."""
    return [
        *_objects("s3:PutObject", "put_object", bucket, keys, maker, Body=b"", IfNoneMatch="*"),
        *_objects("s3:AbortMultipartUpload", "abort_multipart_upload", bucket, keys, maker, UploadId="none"),
    ]


def deletes(bucket: str, *keys: str, maker: str) -> list[RoleCall]:
    """Return the calls that delete objects."""
    return _objects("s3:DeleteObject", "delete_object", bucket, keys, maker)


def lists(*buckets: str) -> list[RoleCall]:
    """Return the calls that list buckets and read their locations."""
    return [
        call
        for bucket in buckets
        for call in (
            RoleCall("s3:ListBucket", "list_objects_v2", {"Bucket": bucket}),
            RoleCall("s3:GetBucketLocation", "get_bucket_location", {"Bucket": bucket}, GLUE),
        )
    ]


def commits(bucket: str, *keys: str) -> list[RoleCall]:
    """Return the calls that write Spark's files, and those of the job itself: a commit record, a checkpoint."""
    records = [key for key in keys if key.startswith(("log/", "checkpoints/"))]
    files = [key for key in keys if key not in records]
    unfinished = [f"{key.rpartition('/')[0]}/{folder}/1" for key in files for folder in ("_temporary", "__magic")]
    return [
        *writes(bucket, *records),
        *writes(bucket, *files, maker=SPARK),
        *deletes(bucket, *unfinished, maker=COMMITTER),
    ]


def logs(group: str, maker: str) -> list[RoleCall]:
    """Return the calls that create a log group and a stream, and write to it."""
    stream = {"logGroupName": group, "logStreamName": "a-run"}
    event = {"timestamp": 1, "message": "m"}
    return [
        RoleCall("logs:CreateLogGroup", "create_log_group", {"logGroupName": group}, maker),
        RoleCall("logs:CreateLogStream", "create_log_stream", stream, maker),
        RoleCall("logs:PutLogEvents", "put_log_events", {**stream, "logEvents": [event]}, maker),
    ]


def registers(database: str) -> list[RoleCall]:
    """Return the calls that register partitions."""
    table = {"DatabaseName": database, "TableName": "a-table"}
    return [
        RoleCall("glue:GetTable", "get_table", {"DatabaseName": database, "Name": "a-table"}),
        RoleCall("glue:BatchCreatePartition", "batch_create_partition", {**table, "PartitionInputList": []}),
    ]


def unregisters(database: str) -> list[RoleCall]:
    """Return the calls that remove partitions, as a full refresh and a compaction do."""
    table = {"DatabaseName": database, "TableName": "a-table"}
    return [
        RoleCall("glue:GetPartitions", "get_partitions", table),
        RoleCall("glue:BatchDeletePartition", "batch_delete_partition", {**table, "PartitionsToDelete": []}),
    ]


def lists_versions(*buckets: str) -> list[RoleCall]:
    """Return the calls that list the versions of objects."""
    return [
        RoleCall("s3:ListBucketVersions", "list_object_versions", {"Bucket": bucket, "Prefix": "log/1"})
        for bucket in buckets
    ]


def sets_run_properties() -> RoleCall:
    """Return the call that sets properties of a workflow run, for its later jobs."""
    properties = {"Name": PREFIX, "RunId": "none", "RunProperties": {}}
    return RoleCall("glue:PutWorkflowRunProperties", "put_workflow_run_properties", properties)


def reads_run_properties() -> RoleCall:
    """Return the call that reads the properties of a workflow run."""
    return RoleCall("glue:GetWorkflowRunProperties", "get_workflow_run_properties", {"Name": PREFIX, "RunId": "none"})


def connects(*databases: str) -> list[RoleCall]:
    """Return the calls that read the connection and the secret of databases."""
    return [
        call
        for name in databases
        for call in (
            RoleCall("glue:GetConnection", "get_connection", {"Name": f"{PREFIX}-{name}"}),
            RoleCall("secretsmanager:GetSecretValue", "get_secret_value", {"SecretId": f"{PREFIX}/{name}"}),
        )
    ]


def publishes(namespace: str, maker: str = "the job") -> RoleCall:
    """Return the call that publishes a metric."""
    datum = {"MetricName": "Rows", "Value": 1.0}
    return RoleCall(
        "cloudwatch:PutMetricData", "put_metric_data", {"Namespace": namespace, "MetricData": [datum]}, maker
    )


def every_job(name: str) -> list[RoleCall]:
    """Return the calls that every job makes, or that Glue makes for it."""
    temporary = f"temporary/{PREFIX}-{name}/1"
    return [
        *lists(ARTIFACTS),
        *reads(ARTIFACTS, "scripts/1", "packages/1", temporary, maker=GLUE),
        *writes(ARTIFACTS, temporary, maker=GLUE),
        *deletes(ARTIFACTS, temporary, maker=GLUE),
        *(call for group in ("output", "error", "logs-v2") for call in logs(f"/aws-glue/jobs/{group}", GLUE)),
        publishes("Totelake"),
    ]


def publishes_alerts(topic: str) -> RoleCall:
    """Return the call that publishes to a topic of this account."""
    arn = f"arn:aws:sns:eu-west-2:123456789012:{topic}"
    return RoleCall("sns:Publish", "publish", {"TopicArn": arn, "Message": "an alert"}, EVENTBRIDGE)


def _crawls(database: str) -> list[RoleCall]:
    table = {"DatabaseName": database, "TableName": "a-table"}
    definition = {"DatabaseName": database, "TableInput": {"Name": "a-table"}}
    calls: dict[str, dict[str, Any]] = {
        "get_database": {"Name": database},
        "get_tables": {"DatabaseName": database},
        "get_table": {"DatabaseName": database, "Name": "a-table"},
        "create_table": definition,
        "update_table": definition,
        "get_partition": {**table, "PartitionValues": ["1"]},
        "get_partitions": table,
        "batch_get_partition": {**table, "PartitionsToGet": [{"Values": ["1"]}]},
        "batch_create_partition": {**table, "PartitionInputList": []},
        "update_partition": {**table, "PartitionValueList": ["1"], "PartitionInput": {"Values": ["1"]}},
        "batch_update_partition": {**table, "Entries": [{"PartitionValueList": ["1"], "PartitionInput": {}}]},
    }
    return [
        RoleCall(f"glue:{''.join(word.title() for word in method.split('_'))}", method, parameters, CRAWLER)
        for method, parameters in calls.items()
    ]


CALLS = {
    "ingest": [
        *every_job("ingest"),
        *connects("totesys"),
        *lists(INGESTED),
        *reads(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *commits(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *registers("totesys_ingested"),
        sets_run_properties(),
    ],
    "transform": [
        *every_job("transform"),
        *lists(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *reads(PROCESSED, "log/1", CHECKPOINT, "tables/dim_staff/1", "quarantine/dim_staff/1"),
        *commits(PROCESSED, "log/1", CHECKPOINT, "tables/dim_staff/1", "quarantine/dim_staff/1"),
        *registers("totesys_processed"),
        *unregisters("totesys_processed"),
    ],
    "load": [
        *every_job("load"),
        *connects("warehouse"),
        *lists(PROCESSED),
        *reads(PROCESSED, "log/1", CHECKPOINT, "tables/dim_staff/1"),
        reads_run_properties(),
    ],
    "reconcile": [
        *every_job("reconcile"),
        *connects("totesys", "warehouse"),
        *lists(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *reads(PROCESSED, "log/1", CHECKPOINT, "quarantine/dim_staff/1"),
    ],
    "drift": [
        *every_job("drift"),
        RoleCall("glue:GetTables", "get_tables", {"DatabaseName": "totesys_discovered"}),
        RoleCall(
            "glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_discovered", "TableName": "a-table"}
        ),
        RoleCall("glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_ingested", "TableName": "a-table"}),
        RoleCall("glue:GetCrawler", "get_crawler", {"Name": f"{PREFIX}-ingested"}),
    ],
    "compact": [
        *every_job("compact"),
        *lists(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *reads(PROCESSED, "log/1", CHECKPOINT, "tables/dim_staff/1"),
        *commits(INGESTED, CHECKPOINT, "tables/staff/1"),
        *commits(PROCESSED, CHECKPOINT, "tables/dim_staff/1"),
        *registers("totesys_ingested"),
        *registers("totesys_processed"),
        *unregisters("totesys_ingested"),
        *unregisters("totesys_processed"),
    ],
    "verify": [
        *every_job("verify"),
        *lists(INGESTED, PROCESSED),
        *lists_versions(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", CHECKPOINT, "tables/staff/1"),
        *reads(PROCESSED, "log/1", CHECKPOINT, "tables/dim_staff/1", "quarantine/dim_staff/1"),
        RoleCall("glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_ingested", "TableName": "a-table"}),
        RoleCall("glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_processed", "TableName": "a-table"}),
    ],
    "ingested-crawler": [
        *lists(INGESTED),
        *reads(INGESTED, "tables/staff/1", maker=CRAWLER),
        *_crawls("totesys_discovered"),
        *logs("/aws-glue/crawlers", CRAWLER),
    ],
    "alerts": [publishes_alerts(f"{PREFIX}-alerts")],
    "run": [RoleCall("glue:StartWorkflowRun", "start_workflow_run", {"Name": PREFIX}, SCHEDULER)],
    "crawl-run": [RoleCall("glue:StartWorkflowRun", "start_workflow_run", {"Name": f"{PREFIX}-crawl"}, SCHEDULER)],
    "reconcile-run": [
        RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-reconcile", **NO_RUN}, SCHEDULER)
    ],
    "compact-run": [
        RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-compact", **NO_RUN}, SCHEDULER)
    ],
    "verify-run": [RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-verify", **NO_RUN}, SCHEDULER)],
}
"""By the name of the role, without the common prefix."""

FORBIDDEN = {
    "ingest": [
        *deletes(INGESTED, "tables/staff/1", "log/1", maker="no component"),
        *reads(PROCESSED, "tables/dim_staff/1"),
        *connects("warehouse"),
        *unregisters("totesys_ingested"),
        publishes("Elsewhere"),
        RoleCall("s3:PutObject", "put_object", {"Bucket": INGESTED, "Key": "log/1", "Body": b""}),
        RoleCall("s3:DeleteObjectVersion", "delete_object", {"Bucket": INGESTED, "Key": "log/1", "VersionId": "1"}),
        RoleCall("s3:PutObject", "put_object", {"Bucket": ARTIFACTS, "Key": "scripts/1", "Body": b""}),
        RoleCall("glue:DeleteTable", "delete_table", {"DatabaseName": "totesys_ingested", "Name": "staff"}),
    ],
    "transform": [*writes(INGESTED, "tables/staff/1", "log/1", CHECKPOINT), *connects("totesys", "warehouse")],
    "load": [
        sets_run_properties(),
        *writes(PROCESSED, "tables/dim_staff/1", "log/1", CHECKPOINT),
        *reads(INGESTED, "tables/staff/1"),
        *connects("totesys"),
    ],
    "reconcile": [*writes(PROCESSED, "log/1", CHECKPOINT), *registers("totesys_processed")],
    "ingested-crawler": [
        *writes(INGESTED, "tables/staff/1"),
        *registers("totesys_ingested"),
        *reads(INGESTED, "log/1"),
    ],
    "alerts": [publishes_alerts("others"), *connects("totesys")],
    "run": [RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"}), *connects("totesys")],
    "drift": [
        *reads(INGESTED, "tables/staff/1"),
        *registers("totesys_discovered"),
        RoleCall("glue:GetTables", "get_tables", {"DatabaseName": "totesys_ingested"}),
    ],
    "compact": [
        *deletes(INGESTED, "tables/staff/1", CHECKPOINT, maker="no component"),
        *deletes(PROCESSED, "tables/dim_staff/1", CHECKPOINT, maker="no component"),
        *writes(INGESTED, "log/1"),
        *writes(PROCESSED, "log/1", "quarantine/dim_staff/1"),
        *reads(PROCESSED, "quarantine/dim_staff/1"),
        *connects("totesys", "warehouse"),
        RoleCall("s3:PutObject", "put_object", {"Bucket": INGESTED, "Key": CHECKPOINT, "Body": b""}),
    ],
    "verify": [
        *deletes(INGESTED, "tables/staff/1", "log/1", maker="no component"),
        *writes(INGESTED, "tables/staff/1", "log/1", CHECKPOINT),
        *writes(PROCESSED, "tables/dim_staff/1", "log/1", CHECKPOINT, "quarantine/dim_staff/1"),
        *registers("totesys_processed"),
        *connects("totesys", "warehouse"),
    ],
    "crawl-run": [RoleCall("glue:StartWorkflowRun", "start_workflow_run", {"Name": PREFIX})],
    "reconcile-run": [RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"})],
    "compact-run": [RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"})],
    "verify-run": [RoleCall("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"})],
}
"""Calls that must be denied to a role, such as those that another role may make."""
