"""List prices in US dollars in us-east-1; other regions differ by some percent."""

from dataclasses import dataclass

AS_OF = "November 2026"
HOURS = 730.0
"""Hours of a month in AWS's price calculations."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit, and the page of AWS with it."""

    amount: float
    unit: str
    source: str


_GLUE = "https://aws.amazon.com/glue/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_VPC = "https://aws.amazon.com/privatelink/pricing/"

# By the version of Glue: on demand, and Flex, which starts when capacity is free.
SPARK = {
    "5.0": (Price(0.44, "DPU-hour", _GLUE), Price(0.29, "DPU-hour", _GLUE)),
    "5.1": (Price(0.44, "DPU-hour", _GLUE), Price(0.29, "DPU-hour", _GLUE)),
    "6.0": (Price(0.308, "DPU-hour", _GLUE), Price(0.203, "DPU-hour", _GLUE)),
}
SPARK_MIN_MINUTES = 1.0
DPUS = {"G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}
"""DPUs of a worker."""

CRAWLER = Price(0.44, "DPU-hour", _GLUE)
CRAWLER_MIN_MINUTES = 10.0
CRAWLER_DPUS = 2
"""The number in AWS's pricing example; a crawler has no setting for it."""

# Fixed costs of a month, by the type of the resource.
MONTHLY = {
    "aws_kms_key": Price(1.00, "key", "https://aws.amazon.com/kms/pricing/"),
    "aws_secretsmanager_secret": Price(0.40, "secret", "https://aws.amazon.com/secrets-manager/pricing/"),
    "aws_cloudwatch_metric_alarm": Price(0.10, "metric of an alarm", _CLOUDWATCH),
    "aws_cloudwatch_composite_alarm": Price(0.50, "composite alarm", _CLOUDWATCH),
    "aws_vpc_endpoint": Price(0.01 * HOURS, "interface endpoint in one zone", _VPC),
    "aws_nat_gateway": Price(0.045 * HOURS, "NAT gateway", "https://aws.amazon.com/vpc/pricing/"),
}

_QUICKSIGHT = "https://aws.amazon.com/quicksight/pricing/"
_RDS = "https://aws.amazon.com/rds/postgresql/pricing/"

# RDS for Postgres: an instance for a month, by its class; a standby doubles instances and storage.
INSTANCES = {
    "db.t4g.medium": Price(0.065 * HOURS, "db.t4g.medium", _RDS),
    "db.m7g.large": Price(0.168 * HOURS, "db.m7g.large", _RDS),
}
DATABASE_STORAGE = Price(0.115, "GB of a database's disk", _RDS)

# Usage-based prices, whose amounts are not part of the configuration.
BY_USE = {
    "Objects in the lake": Price(0.023, "GB-month", _S3),
    "Writing and listing objects": Price(0.005, "1,000 requests", _S3),
    "Reading objects": Price(0.0004, "1,000 requests", _S3),
    "Logs of the jobs": Price(0.50, "GB ingested", _CLOUDWATCH),
    "Custom metrics of the platform": Price(0.30, "metric and dimension set, and month", _CLOUDWATCH),
    "Dashboards, beyond three in the account": Price(3.00, "dashboard and month", _CLOUDWATCH),
    "Queries in Athena": Price(5.00, "TB scanned", "https://aws.amazon.com/athena/pricing/"),
    "Authors in QuickSight": Price(24.00, "user and month", _QUICKSIGHT),
    "Readers in QuickSight": Price(3.00, "user and month", _QUICKSIGHT),
    "Data sets in QuickSight, beyond 10 GB per author": Price(0.38, "GB-month", _QUICKSIGHT),
    "Data through interface endpoints": Price(0.01, "GB", _VPC),
}

FREE = (
    "aws_athena_",
    "aws_budgets_budget",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_event_",
    "aws_cloudwatch_log_",
    "aws_db_parameter_group",
    "aws_db_subnet_group",
    "aws_default_security_group",
    "aws_flow_log",
    "aws_glue_catalog_",
    "aws_glue_connection",
    "aws_glue_data_catalog_encryption_settings",
    "aws_glue_security_configuration",
    "aws_glue_trigger",
    "aws_glue_workflow",
    "aws_iam_",
    "aws_kms_alias",
    "aws_kms_key_policy",
    "aws_quicksight_",
    "aws_route",
    "aws_s3_",
    "aws_scheduler_",
    "aws_secretsmanager_secret_",
    "aws_security_group",
    "aws_sns_",
    "aws_sqs_",
    "aws_subnet",
    "aws_vpc",
    "terraform_data",
)
"""Prefixes of resource types that cost nothing, or only usage-based."""
