"""The local Athena: its SQL over the registered partitions of the catalog, for any client."""

import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import awswrangler
import boto3
import pyarrow as pa
import pyathena
import pytest
from botocore.exceptions import ClientError
from pyarrow import parquet

DATABASE, TABLE = "shop", "sale"
COLUMNS = {
    "id": "int",
    "big": "bigint",
    "name": "string",
    "price": "decimal(10,2)",
    "amount": "decimal(38,18)",
    "day": "date",
    "at": "timestamp",
    "paid": "boolean",
    "weight": "double",
    "clock": "string",
}
SCHEMA = pa.schema(
    {
        "id": pa.int32(),
        "big": pa.int64(),
        "name": pa.string(),
        "price": pa.decimal128(10, 2),
        "amount": pa.decimal128(38, 18),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
        "paid": pa.bool_(),
        "weight": pa.float64(),
        "clock": pa.string(),
    }
)
FIRST = {
    "id": 1,
    "big": 2**40,
    "name": 'a "quoted", name\nof two lines',
    "price": Decimal("12.50"),
    "amount": Decimal("0.000000000000000001"),
    "day": date(2024, 1, 31),
    "at": datetime(2024, 1, 31, 12, 30, 0, 123000),
    "paid": True,
    "weight": 1.5,
    "clock": "12:30:00.123",
}
NOTHING = dict.fromkeys(FIRST) | {"id": 2, "name": ""}
MONTHS = {("first", "2024-01"): [FIRST, NOTHING], ("first", "2024-02"): [], ("second", "2024-02"): []}


class Shop:
    """A catalog with one table, and words to ask it."""

    def __init__(self, local_aws):
        """Make the buckets, the database, the workgroup and the table with its partitions."""
        self.local_aws = local_aws
        self.athena, self.glue, self.s3 = map(local_aws.client, ("athena", "glue", "s3"))
        for bucket in ("shop-lake", "shop-results", "shop-other"):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        self.athena.create_work_group(
            Name="shop",
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "ResultConfiguration": {"OutputLocation": "s3://shop-results/athena/"},
            },
        )
        self.glue.create_database(DatabaseInput={"Name": DATABASE})
        self.glue.create_table(
            DatabaseName=DATABASE,
            TableInput={
                "Name": TABLE,
                "StorageDescriptor": self.storage(),
                "PartitionKeys": [{"Name": "batch_id", "Type": "string"}, {"Name": "month", "Type": "string"}],
            },
        )
        for number, (values, rows) in enumerate(MONTHS.items()):
            many = [FIRST | {"id": 1000 * (number + 1) + place} for place in range(600)] if not rows else rows
            self.write(values, many)
            self.register(values)

    def storage(self, folder=""):
        """Return where rows lie, as the catalog tells it."""
        columns = [{"Name": name, "Type": kind, "Comment": f"The {name}."} for name, kind in COLUMNS.items()]
        return {"Columns": columns, "Location": f"s3://shop-lake/sale/{folder}"}

    def path(self, values):
        """Return the file of a partition."""
        batch, month = values
        return self.local_aws.state.lake / f"shop-lake/sale/batch_id={batch}/month={month}/part.parquet"

    def write(self, values, rows, schema=SCHEMA):
        """Write the rows of a partition."""
        self.path(values).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), self.path(values))

    def register(self, values):
        """Let the catalog know of a partition."""
        storage = self.storage("batch_id={}/month={}/".format(*values))
        self.glue.create_partition(
            DatabaseName=DATABASE,
            TableName=TABLE,
            PartitionInput={"Values": list(values), "StorageDescriptor": storage},
        )

    def ended(self, query, **members):
        """Run a query and return what is told of it at its end."""
        asked = {"QueryExecutionContext": {"Database": DATABASE}, "WorkGroup": "shop"} | members
        identifier = self.athena.start_query_execution(QueryString=query, **asked)["QueryExecutionId"]
        while True:
            told = self.athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            if told["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return told
            time.sleep(0.01)

    def reason(self, query, **members):
        """Run a query that fails and return why."""
        status = self.ended(query, **members)["Status"]
        assert status["State"] == "FAILED"
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return status["StateChangeReason"]

    def result(self, query, **members):
        """Run a query and return the columns of its result by their types, and its rows."""
        told = self.ended(query, **members)
        assert told["Status"]["State"] == "SUCCEEDED", told["Status"]
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=told["QueryExecutionId"])
        pages = list(pages)
        columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
        return {column["Name"]: column["Type"] for column in columns}, rows

    def rows(self, query, **members):
        """Run a query and return the rows of its result, without the names."""
        return self.result(query, **members)[1][1:]


@pytest.fixture(scope="module")
def shop(local_aws):
    """Return a shop."""
    return Shop(local_aws)


def test_smoke(shop):
    print(shop.result("SELECT * FROM sale WHERE id < 3 ORDER BY id"))
    print(shop.ended("SELECT * FROM sale WHERE id < 3 ORDER BY id"))
    for q in ["selec 1", "select 1; select 2"]:
        try: print(shop.ended(q))
        except ClientError as e: print(e)
    for q in ["select nosuch from sale", "select * from nope", "select * from a.nope", "select s.x from sale s", "delete from sale", "select cast('x' as integer)","select 1/0", "select nofunc(id) from sale", "select name, count(*) from sale", "select id as k, count(*) from sale group by k", "select * from read_csv('/etc/passwd')", "select * from \"/etc/passwd\"", "select sum(weight/0) from sale"]:
        print(q, '->', shop.ended(q)["Status"])
    for q in ["SHOW TABLES", "show databases", "describe sale", "show partitions sale", "create view v as select id, 1+1 as two from sale", "show views", "create or replace view v as select id, price from sale", "select * from v where id=1","select 1+1, count(*), sum(price), sum(id), current_date, now(), avg(id), avg(price), date_trunc('month', day) from sale group by day", "drop view v", "values 1,2", "select null, array[1,2], map(array['a'],array[1]), cast(row(1,'x') as row(a integer,b varchar)), 1e20, 1.0e-5, x'ab', interval '1' day, timestamp '2024-01-01 00:00:00', time '10:00:00', cast('a' as varchar(3))"]:
        try: print(q, '->', shop.result(q))
        except AssertionError as e: print(q, str(e)[:600])
