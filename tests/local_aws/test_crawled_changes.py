"""Glue crawlers on the local AWS: changed schemas, missing folders and crawls of new folders."""

import json
from typing import Any

import pyarrow as pa
import pytest

from tests.local_aws.crawled_lake import LEVEL_3, SALES, STAFF, CrawledLake, aws, client, columns, lake, state

__all__ = ["aws", "client", "lake", "state"]

WIDER = {**SALES, "note": pa.string()}


def crawl_schema_change(lake: CrawledLake, update: str, **configuration: Any) -> CrawledLake:
    """Crawl, add a column to one of a table's two partitions, and crawl again."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.crawler(
        Configuration={**LEVEL_3, **configuration},
        SchemaChangePolicy={"UpdateBehavior": update, "DeleteBehavior": "LOG"},
    ).crawl()
    lake.put("tables/sales/day=2/x.parquet", WIDER)
    assert lake.crawl()["Status"] == "SUCCEEDED"
    return lake


def test_changed_schema_is_updated_with_update_in_database(lake: CrawledLake) -> None:
    """In the table and the changed partition; the other partition keeps its columns."""
    crawl_schema_change(lake, "UPDATE_IN_DATABASE")

    assert lake.tables()["sales"]["note"] == "string"
    partitions = lake.partitions("sales")
    assert ["note" in columns(partitions[day,]) for day in "12"] == [False, True]
    assert lake.table("sales")["VersionId"] == "2"


def test_changed_schema_is_only_logged_with_log(lake: CrawledLake) -> None:
    """The log names the changed columns."""
    crawl_schema_change(lake, "LOG")

    assert "note" not in lake.tables()["sales"]
    assert "note" not in columns(lake.partitions("sales")["2",])
    assert "INFO : Table sales has changed and was not updated: + note string" in lake.log()


def test_partitions_inherit_the_schema_of_the_table_with_inherit_from_table(lake: CrawledLake) -> None:
    """All partitions have the table's columns."""
    crawl_schema_change(
        lake, "UPDATE_IN_DATABASE", CrawlerOutput={"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
    )

    assert all(columns(partition) == lake.tables()["sales"] for partition in lake.partitions("sales").values())
    assert "note" in lake.tables()["sales"]


def test_merge_new_columns_keeps_removed_columns(lake: CrawledLake) -> None:
    """It only adds columns."""
    lake.put("tables/sales/x.parquet", WIDER)
    merge = {"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}, **LEVEL_3}
    lake.crawler(Configuration=merge).crawl()
    lake.put("tables/sales/x.parquet", {**SALES, "more": pa.date32()})

    lake.crawl()

    assert list(lake.tables()["sales"]) == [*SALES, "note", "more"]


def crawl_deletion(lake: CrawledLake, delete: str) -> CrawledLake:
    """Crawl, delete a table and a partition of another, and crawl again."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    gone = [lake.put("tables/sales/day=2/x.parquet", SALES), lake.put("tables/staff/x.parquet", STAFF)]
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": delete}
    lake.glue.create_table(DatabaseName=lake.name, TableInput={"Name": "by_hand"})
    lake.crawler(Configuration=LEVEL_3, SchemaChangePolicy=policy).crawl()
    for path in gone:
        path.unlink()
    assert lake.crawl()["Status"] == "SUCCEEDED"
    return lake


def test_missing_tables_and_partitions_are_deleted_with_delete_from_database(lake: CrawledLake) -> None:
    """Tables that the crawler did not create are kept."""
    crawl_deletion(lake, "DELETE_FROM_DATABASE")

    assert {table["Name"] for table in lake.glue.get_tables(DatabaseName=lake.name)["TableList"]} == {
        "by_hand",
        "sales",
    }
    assert list(lake.partitions("sales")) == [("1",)]


def test_missing_tables_and_partitions_are_deprecated_until_they_reappear(lake: CrawledLake) -> None:
    """With DEPRECATE_IN_DATABASE, which sets a parameter."""
    crawl_deletion(lake, "DEPRECATE_IN_DATABASE")

    assert "DEPRECATED_BY_CRAWLER" in lake.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" in lake.partitions("sales")["2",]["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in lake.partitions("sales")["1",]["Parameters"]

    lake.put("tables/sales/day=2/x.parquet", SALES)
    lake.put("tables/staff/x.parquet", STAFF)
    lake.crawl()

    assert "DEPRECATED_BY_CRAWLER" not in lake.table("staff")["Parameters"]
    assert "DEPRECATED_BY_CRAWLER" not in lake.partitions("sales")["2",]["Parameters"]


def test_missing_tables_and_partitions_are_only_logged_with_log(lake: CrawledLake) -> None:
    """The catalog is not changed."""
    crawl_deletion(lake, "LOG")

    assert {"sales", "staff"} <= {t["Name"] for t in lake.glue.get_tables(DatabaseName=lake.name)["TableList"]}
    assert list(lake.partitions("sales")) == [("1",), ("2",)]
    assert any(line.startswith("INFO : Table staff was not found") for line in lake.log())


@pytest.mark.parametrize("configuration", [LEVEL_3, {}])
def test_crawl_of_new_folders_adds_tables_and_partitions_only(lake: CrawledLake, configuration: dict[str, Any]) -> None:
    """Known folders are not read, and both policies are LOG, whatever the crawler's settings."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    staff = lake.put("tables/staff/day=1/x.parquet", STAFF)
    lake.crawler(
        Configuration=configuration,
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
        SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
    ).crawl()
    lake.put("tables/sales/day=1/x.parquet", {"other": pa.string()})
    lake.put("tables/sales/day=2/x.parquet", WIDER)
    lake.put("tables/design/day=2/x.parquet", {"design_id": pa.int32()})
    staff.unlink()

    assert lake.crawl()["Status"] == "SUCCEEDED"

    assert set(lake.tables()) == {"sales", "staff", "design"}
    assert list(lake.tables()["sales"]) == [*SALES]
    partitions = lake.partitions("sales")
    assert [list(columns(partitions[day,])) for day in "12"] == [[*SALES], [*WIDER]]
    assert "INFO : Table sales has changed and was not updated: + note string" in lake.log()


@pytest.mark.parametrize("unlike", [{**SALES, "sales_order_id": pa.date32()}, {"a": pa.string(), "b": pa.string()}])
def test_crawl_of_new_folders_skips_partitions_that_do_not_match_their_table(
    lake: CrawledLake, unlike: dict[str, Any]
) -> None:
    """In every crawl: those with an incompatible type, or with too few common columns."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.crawler(Configuration=LEVEL_3, RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}).crawl()
    lake.put("tables/sales/day=2/x.parquet", unlike)

    for _ in range(2):
        assert lake.crawl()["Status"] == "SUCCEEDED"

    assert set(lake.partitions("sales")) == {("1",)}
    warnings = [line for line in lake.log() if "does not match table schema" in line]
    place = f"s3://{lake.name}/tables/sales/day=2/"
    assert warnings == [f"WARN : {place}: Partition does not match table schema or has mismatch keys"]


def test_crawl_without_changes_does_not_change_the_catalog(lake: CrawledLake) -> None:
    """No new table version, and an empty summary."""
    lake.put("tables/sales/day=1/x.parquet", SALES)
    lake.crawler(Configuration=LEVEL_3).crawl()
    before = lake.table("sales")["VersionId"], lake.partitions("sales")

    lake.crawl()

    assert (lake.table("sales")["VersionId"], lake.partitions("sales")) == before
    newest, oldest = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    assert (json.loads(oldest["Summary"]), json.loads(newest["Summary"])) == (
        {"TABLE": {"ADD": 1}, "PARTITION": {"ADD": 1}},
        {},
    )
