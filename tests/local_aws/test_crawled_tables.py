"""Glue crawlers on the local AWS: tables, partitions and types that they discover in the lake."""

from typing import Any

import pyarrow as pa
import pytest

from local_aws.glue.crawlers.schema import hive_type
from local_aws.glue.crawlers.settings import glob
from tests.local_aws.crawled_lake import LEVEL_3, SALES, STAFF, CrawledLake, aws, client, lake, state

__all__ = ["aws", "client", "lake", "state"]


def test_crawl_creates_tables_with_their_partitions(lake: CrawledLake) -> None:
    """At the configured table level; the bucket is level 1."""
    lake.put("tables/sales_order/batch_id=20260101T00-a/part-0.parquet", SALES, rows=3)
    lake.put("tables/sales_order/batch_id=20260101T00-a/part-1.parquet", SALES, rows=2)
    lake.put("tables/sales_order/batch_id=20260102T00-b/part-0.parquet", SALES)
    lake.put("tables/staff/batch_id=20260101T00-a/part-0.parquet", STAFF)

    last = lake.crawler(Configuration=LEVEL_3).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert lake.tables() == {
        "sales_order": {"sales_order_id": "int", "unit_price": "decimal(10,2)", "created_at": "timestamp"},
        "staff": {"staff_id": "int", "first_name": "string", "active": "boolean"},
    }
    table = lake.table("sales_order")
    assert table["StorageDescriptor"]["Location"] == f"s3://{lake.name}/tables/sales_order/"
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert table["PartitionKeys"] == [{"Name": "batch_id", "Type": "string"}]
    parameters = table["Parameters"]
    assert (parameters["classification"], parameters["UPDATED_BY_CRAWLER"]) == ("parquet", lake.name)
    assert (parameters["objectCount"], parameters["recordCount"]) == ("3", "6")
    partitions = lake.partitions("sales_order")
    assert list(partitions) == [("20260101T00-a",), ("20260102T00-b",)]
    first = partitions["20260101T00-a",]
    assert first["StorageDescriptor"]["Location"].endswith("/tables/sales_order/batch_id=20260101T00-a/")
    assert first["Parameters"]["recordCount"] == "5"


def test_nested_and_unnamed_partition_folders_become_partition_keys(lake: CrawledLake) -> None:
    """`k=v` is unescaped; a folder without a key is a value of partition_N."""
    lake.put("tables/fact/batch_id=b1/month=2026%2D01/x.parquet", SALES)
    lake.put("tables/fact/batch_id=b1/month=2026-02/x.parquet", SALES)
    lake.put("tables/plain/2026/01/x.parquet", STAFF)

    lake.crawler(Configuration=LEVEL_3).crawl()

    assert list(lake.partitions("fact")) == [("b1", "2026-01"), ("b1", "2026-02")]
    assert [key["Name"] for key in lake.table("fact")["PartitionKeys"]] == ["batch_id", "month"]
    assert [key["Name"] for key in lake.table("plain")["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert list(lake.partitions("plain")) == [("2026", "01")]


def test_folders_with_similar_schemas_are_one_table_without_a_table_level(lake: CrawledLake) -> None:
    """A folder is a table if all schemas below it are similar, otherwise its subfolders are."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.put("tables/staff/x.parquet", STAFF)

    lake.crawler().crawl()

    assert set(lake.tables()) == {"sales", "staff"}
    assert list(lake.partitions("sales")) == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("policy", "tables"),
    [({}, {"a", "b"}), ({"Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}, {"tables"})],
)
def test_compatible_schemas_are_combined_by_the_grouping_policy(
    lake: CrawledLake, policy: dict[str, Any], tables: set[str]
) -> None:
    """By default, schemas with too few common columns are separate tables."""
    lake.put("tables/a/x.parquet", {"id": pa.int32(), "one": pa.string(), "two": pa.string()})
    lake.put("tables/b/x.parquet", {"id": pa.int64(), "three": pa.string(), "four": pa.string()})

    lake.crawler(Configuration=policy).crawl()

    assert set(lake.tables()) == tables


def test_hidden_excluded_and_non_parquet_files_are_skipped(lake: CrawledLake) -> None:
    """Files that are not Parquet are named in the log."""
    for key in ("good/x", "good/_temporary/x", ".staging/x", "good/.x", "skip/x", "deep/er/skipped-1"):
        lake.put(f"tables/{key}.parquet", STAFF)
    (lake.bucket / "tables/good/_SUCCESS").touch()
    (lake.bucket / "tables/good/notes.txt").write_text("not Parquet")

    last = lake.crawler(Configuration=LEVEL_3, Exclusions=["skip/**", "**/skipped-?.parquet"]).crawl()

    assert last["Status"] == "SUCCEEDED"
    assert set(lake.tables()) == {"good"}
    assert lake.table("good")["Parameters"]["objectCount"] == "1"
    (line,) = [line for line in lake.log() if "UNKNOWN" in line]
    assert line.startswith(f"WARN : s3://{lake.name}/tables/good/notes.txt was skipped")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "b/a.csv", False),
        ("**.csv", "b/a.csv", True),
        ("b/**", "b/c/a.csv", True),
        ("2015-??/*", "2015-01/x", True),
        ("{a,b}/x[0-9]", "b/x7", True),
        ("{a,b}/x[!0-9]", "b/x7", False),
        ("a+b(c)", "a+b(c)", True),
        (r"\*", "x", False),
    ],
)
def test_exclusion_is_a_glob_pattern(pattern: str, path: str, matches: bool) -> None:
    """As in the Glue developer guide: `*` does not cross folders, `**` does."""
    assert (glob(pattern).fullmatch(path) is not None) == matches


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.int64(), "bigint"),
        (pa.uint32(), "bigint"),
        (pa.float32(), "float"),
        (pa.date32(), "date"),
        (pa.time64("us"), "bigint"),
        (pa.timestamp("ns", tz="UTC"), "timestamp"),
        (pa.large_string(), "string"),
        (pa.binary(16), "binary"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.list_(pa.struct({"a": pa.int32(), "b": pa.list_(pa.string())})), "array<struct<a:int,b:array<string>>>"),
        (pa.map_(pa.string(), pa.decimal128(38, 4)), "map<string,decimal(38,4)>"),
    ],
)
def test_parquet_types_become_hive_types(arrow: Any, hive: str) -> None:
    """Including nested types."""
    assert hive_type(arrow) == hive


def test_table_names_have_the_prefix_and_valid_characters_only(lake: CrawledLake) -> None:
    """A name that another location uses gets a suffix."""
    lake.put("tables/Sales-Order/x.parquet", SALES)
    lake.put("tables/sales_order/x.parquet", SALES)

    lake.crawler(Configuration=LEVEL_3, TablePrefix="raw_").crawl()

    first, second = sorted(lake.tables(), key=len)
    assert first == "raw_sales_order"
    assert second.startswith("raw_sales_order_")
    assert len(second) == len(first) + 33


def test_types_that_differ_between_files_are_widened(lake: CrawledLake) -> None:
    """Numbers are widened; incompatible types become string."""
    lake.put("tables/t/d=1/x.parquet", {"n": pa.int32(), "p": pa.decimal128(10, 2), "x": pa.int32()})
    lake.put("tables/t/d=2/x.parquet", {"n": pa.int64(), "p": pa.decimal128(10, 4), "x": pa.date32()})

    lake.crawler(Configuration=LEVEL_3).crawl()

    assert lake.tables()["t"] == {"n": "bigint", "p": "decimal(12,4)", "x": "string"}
