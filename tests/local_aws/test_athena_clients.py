"""The local Athena for boto3, awswrangler and pyathena: pages, results in S3, workgroups and named queries."""

import secrets
from datetime import date, datetime
from decimal import Decimal

import awswrangler
import boto3
import pyathena
import pytest
from botocore.exceptions import ClientError
from pyathena.error import OperationalError

from tests.local_aws.shop import COLUMNS, FIRST, Shop


@pytest.fixture(scope="module")
def shop(local_aws):
    """Return a shop, and close it after the last test."""
    shop = Shop(local_aws)
    yield shop
    shop.close()


@pytest.fixture
def session(shop, monkeypatch):
    """Return a session whose clients use the local AWS."""
    for name in ("ATHENA", "S3", "GLUE", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", shop.local_aws.url)
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-2")


def test_awswrangler_reads_a_data_frame(shop, session):
    """With pandas types and NULLs; the result is in the workgroup's bucket."""
    frame = awswrangler.athena.read_sql_query(
        "SELECT * FROM sale WHERE id = ? OR id = 2 ORDER BY id",
        database="shop",
        workgroup="shop",
        ctas_approach=False,
        keep_files=True,
        boto3_session=session,
        params=["1"],
        paramstyle="qmark",
    )

    assert {name: frame[name][0] for name in FIRST} == FIRST
    assert frame["big"].isna()[1]
    assert frame.query_metadata["ResultConfiguration"]["OutputLocation"].startswith("s3://shop-results/athena/")


def test_awswrangler_describes_a_table(shop, session):
    """It parses the output of DESCRIBE."""
    frame = awswrangler.athena.describe_table("sale", database="shop", workgroup="shop", boto3_session=session)

    partitioned = frame.set_index("Column Name")["Partition"]
    assert [name for name, is_key in partitioned.items() if is_key] == ["batch_id", "month"]
    assert list(frame["Type"])[:3] == ["int", "bigint", "string"]


def test_pyathena_fetches_rows(shop, session):
    """With Python types; a failed query raises its error."""
    connection = pyathena.connect(session=session, work_group="shop", schema_name="shop", poll_interval=0.05)
    cursor = connection.cursor()

    row = cursor.execute("SELECT id, name, price, day, at, paid, weight, big FROM sale WHERE id = 1").fetchone()

    assert row == (
        1,
        FIRST["name"],
        Decimal("12.50"),
        date(2024, 1, 31),
        datetime(2024, 1, 31, 12, 30, 0, 123000),
        True,
        1.5,
        2**40,
    )
    assert cursor.data_scanned_in_bytes > 0
    assert len(cursor.execute("SELECT id FROM sale").fetchall()) == 1202
    assert cursor.execute("SELECT * FROM sale WHERE false").fetchall() == []
    with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
        cursor.execute("SELECT * FROM nope")


def test_pyathena_lists_databases_tables_and_columns(shop, session):
    """An unknown table or database is an error."""
    cursor = pyathena.connect(session=session, work_group="shop", schema_name="shop").cursor()

    assert "shop" in [database.name for database in cursor.list_databases("AwsDataCatalog")]
    [table] = cursor.list_table_metadata("AwsDataCatalog", "shop", expression="s.*")
    assert [(column.name, column.type) for column in table.columns] == list(COLUMNS.items())
    assert [key.name for key in cursor.get_table_metadata("sale").partition_keys] == ["batch_id", "month"]
    with pytest.raises(OperationalError, match="Table nope not found"):
        cursor.get_table_metadata("nope")
    with pytest.raises(ClientError, match="MetadataException"):
        shop.athena.get_database(CatalogName="AwsDataCatalog", DatabaseName="nope")


def test_results_are_paginated(shop):
    """The first row of the first page has the names, and counts; a page has at most a thousand rows."""
    query = "SELECT id, name FROM sale ORDER BY id"
    identifier = shop.ended(query)["QueryExecutionId"]

    first = shop.athena.get_query_results(QueryExecutionId=identifier)
    second = shop.athena.get_query_results(QueryExecutionId=identifier, NextToken=first["NextToken"])
    assert [len(page["ResultSet"]["Rows"]) for page in (first, second)] == [1000, 203]
    assert "NextToken" not in second
    by_two = shop.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=identifier, PaginationConfig={"PageSize": 2, "MaxItems": 6}
    )
    pages = [page["ResultSet"]["Rows"] for page in by_two]
    assert [len(rows) for rows in pages] == [2, 2, 2]
    both = [*first["ResultSet"]["Rows"], *second["ResultSet"]["Rows"]]
    assert [row for rows in pages for row in rows] == both[:6]
    assert both[1]["Data"] == [{"VarCharValue": "1"}, {"VarCharValue": FIRST["name"]}]
    with pytest.raises(ClientError, match="MaxResults"):
        shop.athena.get_query_results(QueryExecutionId=identifier, MaxResults=1001)
    with pytest.raises(ClientError, match="NextToken x is invalid"):
        shop.athena.get_query_results(QueryExecutionId=identifier, NextToken="x")


def test_result_file_has_the_csv_format_of_athena(shop):
    """All values are quoted; NULL is empty, also as the only value of a row."""
    execution = shop.ended("SELECT name, price FROM sale WHERE id < 3 ORDER BY id")
    single = shop.ended("SELECT price FROM sale WHERE id < 3 ORDER BY id")

    assert shop.content(execution) == '"name","price"\n"a ""quoted"", name\nof two lines","12.50"\n"",\n'
    assert shop.content(single) == '"price"\n"12.50"\n\n'
    rows = shop.athena.get_query_results(QueryExecutionId=single["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [row["Data"] for row in rows] == [[{"VarCharValue": "price"}], [{"VarCharValue": "12.50"}], [{}]]


def test_enforced_workgroup_overrides_the_output_location(shop):
    """Without enforcement the request sets it; one of the two is required."""
    other = {"ResultConfiguration": {"OutputLocation": "s3://shop-other/x"}}
    enforced, requested = shop.ended("SELECT 1", **other), shop.ended("SELECT 1", WorkGroup="primary", **other)

    assert enforced["ResultConfiguration"]["OutputLocation"].startswith("s3://shop-results/athena/")
    assert (
        requested["ResultConfiguration"]["OutputLocation"] == f"s3://shop-other/x/{requested['QueryExecutionId']}.csv"
    )
    assert shop.content(requested) == '"_col0"\n"1"\n'
    with pytest.raises(ClientError, match="No output location provided"):
        shop.ended("SELECT 1", WorkGroup="primary")
    with pytest.raises(ClientError, match="Unable to verify/create output bucket nowhere"):
        shop.ended("SELECT 1", WorkGroup="primary", ResultConfiguration={"OutputLocation": "s3://nowhere/"})
    with pytest.raises(ClientError, match="WorkGroup nope is not found"):
        shop.ended("SELECT 1", WorkGroup="nope")
    with pytest.raises(ClientError, match="WorkGroup nope is not found"):
        shop.athena.get_work_group(WorkGroup="nope")


def test_updated_workgroup_limit_cancels_a_query(shop):
    """A query that scans more bytes is cancelled, and no result is written."""
    shop.athena.update_work_group(WorkGroup="shop", ConfigurationUpdates={"BytesScannedCutoffPerQuery": 10_000_000})
    shop.write(("large", "2024-05"), [{"name": secrets.token_hex(64)} for _ in range(100_000)])
    shop.register(("large", "2024-05"))
    try:
        told = shop.ended("SELECT max(name) FROM sale")
    finally:
        shop.athena.update_work_group(WorkGroup="shop", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True})
        shop.glue.delete_partition(DatabaseName="shop", TableName="sale", PartitionValues=["large", "2024-05"])

    assert told["Status"]["State"] == "CANCELLED"
    assert told["Status"]["StateChangeReason"].startswith("Bytes scanned limit was exceeded")
    assert shop.ended("SELECT * FROM sale")["Status"]["State"] == "SUCCEEDED"


def test_stopped_query_is_cancelled(shop):
    """Its results cannot be fetched, neither before nor after."""
    slow = "SELECT count(*) FROM sale a, sale b, sale c, sale d WHERE a.id * b.big + c.id * d.big = 7777777"
    context = {"QueryExecutionContext": {"Database": "shop"}, "WorkGroup": "shop"}
    identifier = shop.athena.start_query_execution(QueryString=slow, **context)["QueryExecutionId"]
    with pytest.raises(ClientError, match="Query has not yet finished"):
        shop.athena.get_query_results(QueryExecutionId=identifier)

    shop.athena.stop_query_execution(QueryExecutionId=identifier)

    status = shop.athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Query cancelled by user")
    with pytest.raises(ClientError, match="Final query state: CANCELLED"):
        shop.athena.get_query_results(QueryExecutionId=identifier)


def test_executions_are_listed_and_fetched_singly_and_in_batches(shop):
    """The latest is listed first; two requests with one token are one execution."""
    request = {"QueryString": "SELECT 1", "WorkGroup": "shop", "ClientRequestToken": "t" * 32}
    once, twice = (shop.athena.start_query_execution(**request)["QueryExecutionId"] for _ in range(2))
    last = shop.ended("SELECT sum(id) FROM sale")

    assert once == twice
    listed = shop.athena.list_query_executions(WorkGroup="shop", MaxResults=2)
    assert listed["QueryExecutionIds"] == [last["QueryExecutionId"], once]
    assert "NextToken" in listed
    batch = shop.athena.batch_get_query_execution(QueryExecutionIds=[once, "nope"])
    assert [each["QueryExecutionId"] for each in batch["QueryExecutions"]] == [once]
    assert [each["QueryExecutionId"] for each in batch["UnprocessedQueryExecutionIds"]] == ["nope"]
    with pytest.raises(ClientError, match="QueryExecution nope was not found"):
        shop.athena.get_query_execution(QueryExecutionId="nope")
    statistics = shop.athena.get_query_runtime_statistics(QueryExecutionId=last["QueryExecutionId"])
    rows = statistics["QueryRuntimeStatistics"]["Rows"]
    assert rows == {"InputBytes": last["Statistics"]["DataScannedInBytes"], "OutputRows": 1}
    assert last["Statistics"]["TotalExecutionTimeInMillis"] >= last["Statistics"]["EngineExecutionTimeInMillis"] > 0


def test_fetching_a_deleted_result_fails(shop):
    """The result file was deleted from S3."""
    execution = shop.ended("SELECT 1")
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    shop.s3.delete_object(Bucket=bucket, Key=key)

    with pytest.raises(ClientError, match="Could not find results"):
        shop.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])


def test_named_queries_are_stored_listed_and_deleted(shop):
    """They are fetched singly and in batches."""
    described = {"Name": "total", "Description": "How much?", "Database": "shop", "WorkGroup": "shop"}
    query = described | {"QueryString": "SELECT sum(price) FROM sale WHERE id = 1"}
    identifier = shop.athena.create_named_query(**query)["NamedQueryId"]

    stored = shop.athena.get_named_query(NamedQueryId=identifier)["NamedQuery"]
    assert stored == query | {"NamedQueryId": identifier}
    assert shop.athena.list_named_queries(WorkGroup="shop")["NamedQueryIds"] == [identifier]
    batch = shop.athena.batch_get_named_query(NamedQueryIds=[identifier, "nope"])
    assert (batch["NamedQueries"], batch["UnprocessedNamedQueryIds"]) == ([stored], [{"NamedQueryId": "nope"}])
    assert shop.rows(stored["QueryString"]) == [["12.50"]]
    shop.athena.delete_named_query(NamedQueryId=identifier)
    with pytest.raises(ClientError, match="does not exist"):
        shop.athena.get_named_query(NamedQueryId=identifier)
