"""List prices in US dollars, of eu-west-2 where known.

Those of eu-west-2 are from AWS's price list (`<service>/current/eu-west-2/index.json` of the Price List Bulk API) as
quoted in public documents, those of us-east-1 from the pages in `source`.
"""

from dataclasses import dataclass

HOURS = 730.0
"""Hours of a month in AWS's price calculations."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit, the page of AWS with it, its region, and when it was read."""

    amount: float
    unit: str
    source: str
    region: str = "eu-west-2"
    as_of: str = "October 2026"


def _us_east_1(amount: float, unit: str, source: str, as_of: str = "November 2026") -> Price:
    """Return a price of which that in eu-west-2 is not known."""
    return Price(amount, unit, source, "us-east-1", as_of)


_GLUE = "https://aws.amazon.com/glue/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_VPC = "https://aws.amazon.com/privatelink/pricing/"

# By the version of Glue: on demand, and Flex, which starts when capacity is free.
SPARK = {
    "5.0": (_us_east_1(0.44, "DPU-hour", _GLUE), _us_east_1(0.29, "DPU-hour of Flex", _GLUE)),
    "5.1": (_us_east_1(0.44, "DPU-hour", _GLUE), _us_east_1(0.29, "DPU-hour of Flex", _GLUE)),
    "6.0": (_us_east_1(0.308, "DPU-hour", _GLUE), _us_east_1(0.203, "DPU-hour of Flex", _GLUE)),
}
SPARK_MIN_MINUTES = 1.0
DPUS = {"G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}
"""DPUs of a worker."""

CRAWLER = _us_east_1(0.44, "DPU-hour of a crawler", _GLUE)
CRAWLER_MIN_MINUTES = 10.0
CRAWLER_DPUS = 2
"""The number in AWS's pricing example; a crawler has no setting for it."""

NETWORK = {
    "aws_vpc_endpoint": Price(0.011 * HOURS, "interface endpoint in one zone", _VPC),
    "aws_nat_gateway": Price(0.05 * HOURS, "NAT gateway", "https://aws.amazon.com/vpc/pricing/"),
}
"""Fixed costs of a month, by the type of the resource."""

SECRET = Price(0.40, "secret", "https://aws.amazon.com/secrets-manager/pricing/")
MONTHLY = {
    "aws_kms_key": Price(1.00, "key", "https://aws.amazon.com/kms/pricing/"),
    "aws_secretsmanager_secret": SECRET,
    "aws_cloudwatch_metric_alarm": Price(0.10, "metric of an alarm", _CLOUDWATCH),
    "aws_cloudwatch_composite_alarm": _us_east_1(0.50, "composite alarm", _CLOUDWATCH),
}
"""Fixed costs of a month besides network and database, by the type of the resource."""

METRIC = Price(0.30, "metric with its dimensions", _CLOUDWATCH)
"""Of a month with a value in each hour: an hour without a value is not billed."""

LOGS = Price(0.5985, "GB of logs", _CLOUDWATCH)
LOG_MB_OF_RUN = 0.5
"""Assumed, not measured: what Glue's driver and executors write in a run of a minute."""

_QUICKSIGHT = "https://aws.amazon.com/quicksight/pricing/"
_RDS = "https://aws.amazon.com/rds/postgresql/pricing/"

# RDS for Postgres: an instance for a month, by its class; a standby doubles instances and storage.
INSTANCES = {
    "db.t4g.medium": _us_east_1(0.065 * HOURS, "db.t4g.medium", _RDS),
    "db.m7g.large": _us_east_1(0.168 * HOURS, "db.m7g.large", _RDS),
}
DATABASE_STORAGE = Price(0.133, "GB of a database's disk", _RDS)

REDSHIFT = _us_east_1(0.375, "RPU-hour", "https://aws.amazon.com/redshift/pricing/", "October 2026")
REDSHIFT_MIN_MINUTES = 1.0
"""The minimum that is billed when statements begin on an idle workgroup."""

# Usage-based prices, whose amounts are not part of the configuration.
BY_USE = {
    "Objects in the lake": Price(0.024, "GB-month", _S3),
    "Writing and listing objects": Price(0.0053, "1,000 requests", _S3),
    "Reading objects": Price(0.00042, "1,000 requests", _S3),
    "Logs kept": Price(0.0315, "GB-month", _CLOUDWATCH),
    "Dashboards, beyond three in the account": _us_east_1(3.00, "dashboard and month", _CLOUDWATCH),
    "Queries in Athena": _us_east_1(5.00, "TB scanned", "https://aws.amazon.com/athena/pricing/"),
    "Authors in QuickSight": _us_east_1(24.00, "user and month", _QUICKSIGHT),
    "Readers in QuickSight": _us_east_1(3.00, "user and month", _QUICKSIGHT),
    "Data sets in QuickSight, beyond 10 GB per author": _us_east_1(0.38, "GB-month", _QUICKSIGHT),
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
