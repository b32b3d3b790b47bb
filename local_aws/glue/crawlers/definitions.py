"""The definitions of Parquet tables and partitions in the Data Catalog."""

from collections.abc import Mapping
from typing import Any

from local_aws.glue.crawlers.grouping import CrawledPartition, CrawledTable
from local_aws.glue.crawlers.lake import Statistics
from local_aws.glue.crawlers.schema import HiveSchema

_FORMAT = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "Compressed": False,
    "NumberOfBuckets": -1,
    "BucketColumns": [],
    "SortColumns": [],
    "StoredAsSubDirectories": False,
}
_SERDE = {
    "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "Parameters": {"serialization.format": "1"},
}


def table_input(name: str, source: CrawledTable, crawler: str) -> dict[str, Any]:
    """Define a table as a crawler does; partition keys are strings."""
    parameters = _parameters(source.statistics, crawler)
    if source.partition_keys:
        parameters["partition_filtering.enabled"] = "true"
    return {
        "Name": name,
        "Owner": "owner",
        "Retention": 0,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": _storage(source.location, source.schema, parameters),
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in source.partition_keys],
        "Parameters": parameters,
    }


def partition_input(source: CrawledPartition, schema: HiveSchema, crawler: str) -> dict[str, Any]:
    """Define a partition with its own schema or the one that it inherits."""
    parameters = _parameters(source.statistics, crawler)
    return {
        "Values": list(source.values),
        "StorageDescriptor": _storage(source.location, schema, parameters),
        "Parameters": parameters,
    }


def columns_of(schema: HiveSchema) -> list[dict[str, str]]:
    """Write a schema as the catalog's list of columns."""
    return [{"Name": name, "Type": kind} for name, kind in schema.items()]


def schema_of(definition: Mapping[str, Any]) -> HiveSchema:
    """Read the schema of a table or of a partition."""
    return {column["Name"]: column["Type"] for column in definition.get("StorageDescriptor", {}).get("Columns", [])}


def _storage(location: str, schema: HiveSchema, parameters: dict[str, str]) -> dict[str, Any]:
    return {
        "Columns": columns_of(schema),
        "Location": location,
        **_FORMAT,
        "SerdeInfo": dict(_SERDE),
        "Parameters": dict(parameters),
    }


def _parameters(statistics: Statistics, crawler: str) -> dict[str, str]:
    return {
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": crawler,
        "averageRecordSize": str(statistics.size // max(statistics.records, 1)),
        "classification": "parquet",
        "compressionType": "none",
        "objectCount": str(statistics.objects),
        "recordCount": str(statistics.records),
        "sizeKey": str(statistics.size),
        "typeOfData": "file",
    }
