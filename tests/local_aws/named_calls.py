"""The calls for which the roles of the platform have their permissions, role by role.

Each is made for real, with the credentials of the role, so a permission that is here is one that works; one that is not
here is one too many. `maker` says who makes it: the code of the job where nothing else is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PREFIX = "totelake-local"
INGESTED, PROCESSED, ARTIFACTS = (f"{PREFIX}-{name}" for name in ("ingested", "processed", "artifacts"))

NO_RUN = {"JobRunId": "none"}  # of a run that there is not, nothing can be repeated

SPARK = "Spark, which works on the lake's folders here"
COMMITTER = "the committer of Spark's files"
GLUE = "Glue itself: it starts the job, writes its log, publishes its metrics, keeps its temporary files"
CRAWLER = "the crawler, which is AWS's; nobody says which of these it makes"
SCHEDULER = "EventBridge Scheduler"


@dataclass(frozen=True)
class Named:
    """A call with boto3, and the action that IAM asks for it."""

    action: str
    method: str
    parameters: dict[str, Any] = field(repr=False)
    maker: str = "the job"

    @property
    def service(self) -> str:
        """The service, as boto3 calls it."""
        return self.action.partition(":")[0]


def _objects(action: str, method: str, bucket: str, keys: Iterable[str], maker: str, **more: Any) -> list[Named]:
    return [Named(action, method, {"Bucket": bucket, "Key": key, **more}, maker) for key in keys]


def reads(bucket: str, *keys: str, maker: str = "the job") -> list[Named]:
    """Read objects."""
    return _objects("s3:GetObject", "get_object", bucket, keys, maker)


def writes(bucket: str, *keys: str, maker: str = "the job") -> list[Named]:
    """Create objects, and give up uploads that were begun."""
    return [
        *_objects("s3:PutObject", "put_object", bucket, keys, maker, Body=b"", IfNoneMatch="*"),
        *_objects("s3:AbortMultipartUpload", "abort_multipart_upload", bucket, keys, maker, UploadId="none"),
    ]


def erases(bucket: str, *keys: str, maker: str) -> list[Named]:
    """Delete objects."""
    return _objects("s3:DeleteObject", "delete_object", bucket, keys, maker)


def lists(*buckets: str) -> list[Named]:
    """List buckets, and ask where they are."""
    return [
        named
        for bucket in buckets
        for named in (
            Named("s3:ListBucket", "list_objects_v2", {"Bucket": bucket}),
            Named("s3:GetBucketLocation", "get_bucket_location", {"Bucket": bucket}, GLUE),
        )
    ]


def commits(bucket: str, *keys: str) -> list[Named]:
    """Write Spark's files and a commit record, which only the job's own code does."""
    files = [key for key in keys if not key.startswith("log/")]
    unfinished = [f"{key.rpartition('/')[0]}/{folder}/1" for key in files for folder in ("_temporary", "__magic")]
    return [
        *writes(bucket, *(key for key in keys if key.startswith("log/"))),
        *writes(bucket, *files, maker=SPARK),
        *erases(bucket, *unfinished, maker=COMMITTER),
    ]


def logs(group: str, maker: str) -> list[Named]:
    """Make a log group and a stream in it, and write to that."""
    stream = {"logGroupName": group, "logStreamName": "a-run"}
    event = {"timestamp": 1, "message": "m"}
    return [
        Named("logs:CreateLogGroup", "create_log_group", {"logGroupName": group}, maker),
        Named("logs:CreateLogStream", "create_log_stream", stream, maker),
        Named("logs:PutLogEvents", "put_log_events", {**stream, "logEvents": [event]}, maker),
    ]


def registers(database: str) -> list[Named]:
    """Register partitions."""
    table = {"DatabaseName": database, "TableName": "a-table"}
    return [
        Named("glue:GetTable", "get_table", {"DatabaseName": database, "Name": "a-table"}),
        Named("glue:BatchCreatePartition", "batch_create_partition", {**table, "PartitionInputList": []}),
    ]


def unregisters(database: str) -> list[Named]:
    """Remove partitions, which a rebuild does."""
    table = {"DatabaseName": database, "TableName": "a-table"}
    return [
        Named("glue:GetPartitions", "get_partitions", table),
        Named("glue:BatchDeletePartition", "batch_delete_partition", {**table, "PartitionsToDelete": []}),
    ]


def connects(*databases: str) -> list[Named]:
    """Find out where a database is and how to log in to it."""
    return [
        named
        for name in databases
        for named in (
            Named("glue:GetConnection", "get_connection", {"Name": f"{PREFIX}-{name}"}),
            Named("secretsmanager:GetSecretValue", "get_secret_value", {"SecretId": f"{PREFIX}/{name}"}),
        )
    ]


def publishes(namespace: str, maker: str = "the job") -> Named:
    """Publish a metric."""
    datum = {"MetricName": "Rows", "Value": 1.0}
    return Named("cloudwatch:PutMetricData", "put_metric_data", {"Namespace": namespace, "MetricData": [datum]}, maker)


def every_job(name: str) -> list[Named]:
    """Return the calls that are made for each job, and by each."""
    temporary = f"temporary/{PREFIX}-{name}/1"
    return [
        *lists(ARTIFACTS),
        *reads(ARTIFACTS, "scripts/1", "packages/1", temporary, maker=GLUE),
        *writes(ARTIFACTS, temporary, maker=GLUE),
        *erases(ARTIFACTS, temporary, maker=GLUE),
        *(named for group in ("output", "error", "logs-v2") for named in logs(f"/aws-glue/jobs/{group}", GLUE)),
        publishes("Totelake"),
        publishes("Glue", GLUE),
    ]


def _crawls(database: str) -> list[Named]:
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
        Named(f"glue:{''.join(word.title() for word in method.split('_'))}", method, parameters, CRAWLER)
        for method, parameters in calls.items()
    ]


def run_properties(*methods: str) -> list[Named]:
    """Read or set the properties of a run of the workflow."""
    parameters = {
        "get_workflow_run_properties": {"Name": PREFIX, "RunId": "none"},
        "put_workflow_run_properties": {"Name": PREFIX, "RunId": "none", "RunProperties": {"a": "property"}},
    }
    return [
        Named(f"glue:{''.join(word.title() for word in method.split('_'))}", method, parameters[method])
        for method in methods
    ]


CALLS = {
    "ingest": [
        *every_job("ingest"),
        *run_properties("put_workflow_run_properties"),
        *connects("totesys"),
        *lists(INGESTED),
        *reads(INGESTED, "log/1", "tables/staff/1"),
        *commits(INGESTED, "log/1", "tables/staff/1"),
        *registers("totesys_ingested"),
    ],
    "transform": [
        *every_job("transform"),
        *lists(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", "tables/staff/1"),
        *reads(PROCESSED, "log/1", "tables/dim_staff/1", "quarantine/dim_staff/1"),
        *commits(PROCESSED, "log/1", "tables/dim_staff/1", "quarantine/dim_staff/1"),
        *registers("totesys_processed"),
        *unregisters("totesys_processed"),
    ],
    "load": [
        *every_job("load"),
        *run_properties("get_workflow_run_properties"),
        *connects("warehouse"),
        *lists(PROCESSED),
        *reads(PROCESSED, "log/1", "tables/dim_staff/1"),
    ],
    "reconcile": [
        *every_job("reconcile"),
        *connects("totesys", "warehouse"),
        *lists(INGESTED, PROCESSED),
        *reads(INGESTED, "log/1", "tables/staff/1"),
        *reads(PROCESSED, "log/1", "quarantine/dim_staff/1"),
    ],
    "drift": [
        *every_job("drift"),
        Named("glue:GetTables", "get_tables", {"DatabaseName": "totesys_discovered"}),
        Named("glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_discovered", "TableName": "a-table"}),
        Named("glue:GetPartitions", "get_partitions", {"DatabaseName": "totesys_ingested", "TableName": "a-table"}),
        Named("glue:GetCrawler", "get_crawler", {"Name": f"{PREFIX}-ingested"}),
    ],
    "ingested-crawler": [
        *lists(INGESTED),
        *reads(INGESTED, "tables/staff/1", maker=CRAWLER),
        *_crawls("totesys_discovered"),
        *logs("/aws-glue/crawlers", CRAWLER),
    ],
    "run": [Named("glue:StartWorkflowRun", "start_workflow_run", {"Name": PREFIX}, SCHEDULER)],
    "crawl-run": [Named("glue:StartWorkflowRun", "start_workflow_run", {"Name": f"{PREFIX}-crawl"}, SCHEDULER)],
    "reconcile-run": [
        Named("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-reconcile", **NO_RUN}, SCHEDULER)
    ],
}
"""By the name of the role, without the prefix that all names have."""

FORBIDDEN = {
    "ingest": [
        *run_properties("get_workflow_run_properties"),
        *erases(INGESTED, "tables/staff/1", "log/1", maker="nobody"),
        *reads(PROCESSED, "tables/dim_staff/1"),
        *connects("warehouse"),
        *unregisters("totesys_ingested"),
        publishes("Elsewhere"),
        Named("s3:PutObject", "put_object", {"Bucket": INGESTED, "Key": "log/1", "Body": b""}),
        Named("s3:DeleteObjectVersion", "delete_object", {"Bucket": INGESTED, "Key": "log/1", "VersionId": "1"}),
        Named("s3:PutObject", "put_object", {"Bucket": ARTIFACTS, "Key": "scripts/1", "Body": b""}),
        Named("glue:DeleteTable", "delete_table", {"DatabaseName": "totesys_ingested", "Name": "staff"}),
    ],
    "transform": [*writes(INGESTED, "tables/staff/1", "log/1"), *connects("totesys", "warehouse")],
    "load": [
        *run_properties("put_workflow_run_properties"),
        *writes(PROCESSED, "tables/dim_staff/1", "log/1"),
        *reads(INGESTED, "tables/staff/1"),
        *connects("totesys"),
    ],
    "reconcile": [*writes(PROCESSED, "log/1"), *registers("totesys_processed")],
    "ingested-crawler": [
        *writes(INGESTED, "tables/staff/1"),
        *registers("totesys_ingested"),
        *reads(INGESTED, "log/1"),
    ],
    "run": [Named("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"}), *connects("totesys")],
    "drift": [
        *reads(INGESTED, "tables/staff/1"),
        *registers("totesys_discovered"),
        Named("glue:GetTables", "get_tables", {"DatabaseName": "totesys_ingested"}),
    ],
    "crawl-run": [Named("glue:StartWorkflowRun", "start_workflow_run", {"Name": PREFIX})],
    "reconcile-run": [Named("glue:StartJobRun", "start_job_run", {"JobName": f"{PREFIX}-ingest"})],
}
"""What a role must not be able to do, though another one is, or though it would be near at hand."""
