"""A sample lake for the Athena tests: a catalog with one table, `sale`, that has two partition keys."""

import time
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
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
    """A catalog with the table `sale`, and helpers that query it."""

    def __init__(self, local_aws):
        """Create the buckets, the database, the workgroup and the table with its partitions."""
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
            many = [FIRST | {"id": 1000 * (number + 1) + place} for place in range(600)]
            self.write(values, rows or many)
            self.register(values)

    def close(self):
        """Remove the database and the workgroup, whose names another shop would reuse."""
        self.glue.delete_database(Name=DATABASE)
        self.athena.delete_work_group(WorkGroup="shop")

    def storage(self, folder=""):
        """Return the storage descriptor of the table, or of a partition in `folder`."""
        columns = [{"Name": name, "Type": kind, "Comment": f"The {name}."} for name, kind in COLUMNS.items()]
        return {"Columns": columns, "Location": f"s3://shop-lake/sale/{folder}"}

    def path(self, values):
        """Return the path of a partition's file."""
        batch, month = values
        return self.local_aws.state.lake / f"shop-lake/sale/batch_id={batch}/month={month}/part.parquet"

    def write(self, values, rows, schema=SCHEMA):
        """Write the rows of a partition as its file."""
        self.path(values).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), self.path(values))

    def register(self, values):
        """Register a partition in the catalog."""
        storage = self.storage("batch_id={}/month={}/".format(*values))
        self.glue.create_partition(
            DatabaseName=DATABASE,
            TableName=TABLE,
            PartitionInput={"Values": list(values), "StorageDescriptor": storage},
        )

    def ended(self, query, **members):
        """Run a query and return its execution, as GetQueryExecution describes it at the end."""
        request = {"QueryExecutionContext": {"Database": DATABASE}, "WorkGroup": "shop"} | members
        identifier = self.athena.start_query_execution(QueryString=query, **request)["QueryExecutionId"]
        while True:
            execution = self.athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return execution
            time.sleep(0.01)

    def reason(self, query, **members):
        """Run a query that fails and return the reason."""
        status = self.ended(query, **members)["Status"]
        assert status["State"] == "FAILED"
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return status["StateChangeReason"]

    def result(self, query, **members):
        """Run a query and return the types of its result's columns by name, and its rows; the first holds the names."""
        execution = self.ended(query, **members)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"])
        pages = list(pages)
        columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        cells = (row["Data"] for page in pages for row in page["ResultSet"]["Rows"])
        rows = [[cell.get("VarCharValue") for cell in row] for row in cells]
        return {column["Name"]: column["Type"] for column in columns}, rows

    def rows(self, query, **members):
        """Run a query and return the rows of its result, without that of the names."""
        return self.result(query, **members)[1][1:]

    def scanned(self, query):
        """Run a query and return the number of bytes that it scanned."""
        execution = self.ended(query)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return execution["Statistics"]["DataScannedInBytes"]

    def content(self, execution):
        """Return the result file of a query execution."""
        bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
