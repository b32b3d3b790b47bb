"""The local Athena: SQL over the registered partitions of the catalog."""

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.shop import COLUMNS, FIRST, Shop

UNRESOLVED = "cannot be resolved or requester is not authorized to access requested resources"


@pytest.fixture(scope="module")
def shop(local_aws):
    """Return a shop, and close it after the last test."""
    shop = Shop(local_aws)
    yield shop
    shop.close()


def test_values_of_every_type_are_formatted_as_by_athena(shop):
    """Values are strings; NULL has no value, an empty string has one."""
    columns, rows = shop.result("SELECT * FROM sale WHERE id < 3 ORDER BY id")

    assert columns == {
        "id": "integer",
        "big": "bigint",
        "name": "varchar",
        "price": "decimal",
        "amount": "decimal",
        "day": "date",
        "at": "timestamp",
        "paid": "boolean",
        "weight": "double",
        "clock": "varchar",
        "batch_id": "varchar",
        "month": "varchar",
    }
    names, first, second = rows
    assert names == list(columns)
    assert first == [
        "1",
        "1099511627776",
        FIRST["name"],
        "12.50",
        "0.000000000000000001",
        "2024-01-31",
        "2024-01-31 12:30:00.123",
        "true",
        "1.5",
        "12:30:00.123",
        "first",
        "2024-01",
    ]
    assert second == ["2", None, "", *[None] * 7, "first", "2024-01"]


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("7 / 2", "integer", "3"),
        ("7 / 2.0e0", "double", "3.5"),
        ("sum(id)", "bigint", "3"),
        ("sum(price)", "decimal", "12.50"),
        ("count(*)", "bigint", "2"),
        ("avg(id)", "double", "1.5"),
        ("date_trunc('month', max(day))", "date", "2024-01-01"),
        ("date_trunc('hour', max(at))", "timestamp", "2024-01-31 12:00:00.000"),
        ("max(day) - INTERVAL '30' DAY", "date", "2024-01-01"),
        ("date_add('day', 1, max(at)) + INTERVAL '1' HOUR", "timestamp", "2024-02-01 13:30:00.123"),
        ("date_add('day', 1, date_trunc('month', max(day)))", "date", "2024-01-02"),
        ("day_of_week(max(day))", "bigint", "3"),
        ("date_diff('day', DATE '2024-01-01', max(day))", "bigint", "30"),
        ("CAST(1.5 AS decimal(10, 4))", "decimal", "1.5000"),
        ("1e20", "double", "1.0E20"),
        ("12345678.5e0", "double", "1.23456785E7"),
        ("0.0001e0", "double", "1.0E-4"),
        ("CAST('Infinity' AS double)", "double", "Infinity"),
        ("NULL", "unknown", None),
        ("TIMESTAMP '2024-01-01 00:00:00 UTC'", "timestamp with time zone", "2024-01-01 00:00:00.000 UTC"),
        ("TIME '10:00:00'", "time", "10:00:00.000"),
        ("X'ab01'", "varbinary", "ab 01"),
        ("ARRAY[1, NULL]", "array", "[1, null]"),
        ("MAP(ARRAY['a'], ARRAY[1])", "map", "{a=1}"),
        ("CAST(ROW(1, 'x') AS ROW(a integer, b varchar))", "row", "{a=1, b=x}"),
    ],
)
def test_expressions_have_the_type_and_value_of_trino(shop, expression, kind, value):
    """Includes those where DuckDB differs, such as integer division; unnamed columns are called `_col0`."""
    columns, rows = shop.result(f"SELECT {expression} FROM sale WHERE id < 3")

    assert (columns, rows[:2]) == ({"_col0": kind}, [["_col0"], [value]])


def test_files_outside_registered_partitions_are_not_read(shop):
    """A new file is read after its partition is registered; hidden files never are."""
    before = shop.rows("SELECT count(*) FROM sale")
    shop.write(("third", "2024-03"), [FIRST])
    (shop.path(("first", "2024-01")).parent / "_half.parquet").write_bytes(b"no Parquet")
    assert shop.rows("SELECT count(*) FROM sale") == before

    shop.register(("third", "2024-03"))
    try:
        assert shop.rows("SELECT count(*) FROM sale WHERE batch_id = 'third'") == [["1"]]
    finally:
        shop.glue.delete_partition(DatabaseName="shop", TableName="sale", PartitionValues=["third", "2024-03"])


@pytest.mark.parametrize(
    "condition",
    [
        "month = '2024-02'",
        "month > '2024-01'",
        "batch_id = 'second'",
        "batch_id || month = 'second2024-02'",
        "month IN (SELECT '2024-02') AND batch_id = 'first'",
    ],
)
def test_partitions_that_the_query_excludes_are_not_read(shop, condition):
    """A corrupt file in an excluded partition is not opened, and its bytes do not count."""
    total = shop.scanned("SELECT sum(id) FROM sale")
    file = shop.path(("first", "2024-01"))
    content = file.read_bytes()
    file.write_bytes(b"no Parquet")
    try:
        pruned = shop.scanned(f"SELECT sum(id) FROM sale WHERE {condition}")
        assert "HIVE" in shop.reason("SELECT sum(id) FROM sale")
    finally:
        file.write_bytes(content)

    assert 0 < pruned < total


def test_only_selected_columns_are_read(shop):
    """Scanned bytes count the selected columns, as Athena bills them."""
    assert 0 < shop.scanned("SELECT max(id) + max(big) FROM sale") < shop.scanned("SELECT * FROM sale")


def test_column_that_a_file_lacks_is_null(shop):
    """The catalog defines the columns; the files of a table may differ."""
    shop.write(("lacking", "2024-04"), [{"id": 5}], schema=None)
    shop.register(("lacking", "2024-04"))
    try:
        assert shop.rows("SELECT id, name, month FROM sale WHERE batch_id = 'lacking'") == [["5", None, "2024-04"]]
    finally:
        shop.glue.delete_partition(DatabaseName="shop", TableName="sale", PartitionValues=["lacking", "2024-04"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT x FROM sale", f"COLUMN_NOT_FOUND: line 1:8: Column 'x' {UNRESOLVED}"),
        ("SELECT id,\n  s.nosuch FROM sale s", f"COLUMN_NOT_FOUND: line 2:3: Column 's.nosuch' {UNRESOLVED}"),
        ("SELECT id AS k FROM sale GROUP BY k", f"COLUMN_NOT_FOUND: line 1:35: Column 'k' {UNRESOLVED}"),
        ("SELECT id FROM sale a, sale b", "AMBIGUOUS_NAME: line 1:8: Column 'id' is ambiguous"),
        ("SELECT 1 FROM nope", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.shop.nope' does not exist"),
        ("SELECT * FROM a.nope", "SCHEMA_NOT_FOUND: line 1:15: Schema 'a' does not exist"),
        ("SELECT * FROM b.shop.sale", "CATALOG_NOT_FOUND: line 1:15: Catalog 'b' does not exist"),
        ("SELECT nofunc(id) FROM sale", "FUNCTION_NOT_FOUND: line 1:8: Function 'nofunc' not registered"),
        (
            "SELECT id, count(*) FROM sale",
            "EXPRESSION_NOT_AGGREGATE: line 1:8: 'id' must be an aggregate expression or appear in GROUP BY clause",
        ),
        ("SELECT 1 / (id - id) FROM sale", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT CAST(name AS integer) FROM sale", "INVALID_CAST_ARGUMENT: "),
        ("SELECT * FROM read_csv('/etc/passwd')", "NOT_SUPPORTED: "),
        ("SELECT * FROM '/etc/passwd'", "TABLE_NOT_FOUND: "),
        ("DELETE FROM sale", "NOT_SUPPORTED: line 1:1: only SELECT, SHOW TABLES, "),
        ("CREATE TABLE t AS SELECT 1 AS a", "NOT_SUPPORTED: "),
        ("COPY sale TO 'x'", "NOT_SUPPORTED: "),
        ("SELECT ?", "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 1 but found 0"),
        ("DESCRIBE nope", "TABLE_NOT_FOUND: Table 'awsdatacatalog.shop.nope' does not exist"),
        ("SHOW TABLES IN nope", "SCHEMA_NOT_FOUND: Schema 'nope' does not exist"),
        ("DROP VIEW sale", "TABLE_NOT_FOUND: line 1:11: View 'awsdatacatalog.shop.sale' does not exist"),
        ("CREATE OR REPLACE VIEW sale AS SELECT 1 AS a", "TABLE_ALREADY_EXISTS: "),
    ],
)
def test_failed_query_has_the_error_message_of_athena(shop, query, reason):
    """With the position in the query, if there is one."""
    assert shop.reason(query).startswith(reason)


def test_query_in_an_unknown_database_fails(shop):
    """The request is accepted, and the query fails."""
    context = {"Database": "nope"}

    assert (
        shop.reason("SELECT 1 FROM sale", QueryExecutionContext=context)
        == "SCHEMA_NOT_FOUND: line 1:15: Schema 'nope' does not exist"
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "line 1:7: mismatched input '1'"),
        ("SELECT *\nFROM (", "line 2:6: mismatched input '\\('"),
        ("SELECT 'a", "line 1:"),
        ("selec x", "line 1:1: mismatched input 'selec'"),
        ("SELECT 1; SELECT 2", "Only one sql statement is allowed"),
    ],
)
def test_invalid_sql_is_rejected_by_the_request(shop, query, message):
    """No query execution is created, as by Athena."""
    with pytest.raises(ClientError, match=f"InvalidRequestException.*{message}"):
        shop.ended(query)


def test_show_and_describe_return_one_cell_per_line(shop):
    """Without a line of column names."""
    assert shop.result("SHOW DATABASES 'sho*'") == ({"database_name": "string"}, [["shop"]])
    assert shop.result("SHOW TABLES IN shop 's*|x'")[1] == [["sale"]]
    assert shop.result("show tables 'x*';")[1] == []
    assert ["batch_id=first/month=2024-01"] in shop.result("SHOW PARTITIONS sale")[1]
    columns, [*rows] = shop.result("DESCRIBE shop.sale")
    assert list(columns) == ["col_name", "data_type", "comment"]
    described = [[part.strip() for part in row[0].split("\t")] for row in rows]
    assert described[:10] == [[name, kind, f"The {name}."] for name, kind in COLUMNS.items()]
    assert described[-2:] == [["batch_id", "string", ""], ["month", "string", ""]]


def test_view_returns_the_rows_of_its_query(shop):
    """Also a view of a view, in another database, and with partition pruning."""
    shop.glue.create_database(DatabaseInput={"Name": "views"})
    shop.result("CREATE VIEW views.dear AS SELECT id, price, month AS m, 1 + 1 AS two FROM sale WHERE price > 10")
    shop.result("CREATE OR REPLACE VIEW views.dearest AS SELECT * FROM views.dear WHERE id = 1")

    elsewhere = {"QueryExecutionContext": {"Database": "views"}}
    assert shop.rows("SELECT * FROM dearest", **elsewhere) == [["1", "12.50", "2024-01", "2"]]
    assert shop.result("SHOW VIEWS", **elsewhere)[1] == [["dear"], ["dearest"]]
    columns = shop.glue.get_table(DatabaseName="views", Name="dear")["Table"]["StorageDescriptor"]["Columns"]
    assert [(column["Name"], column["Type"]) for column in columns] == [
        ("id", "int"),
        ("price", "decimal(10,2)"),
        ("m", "string"),
        ("two", "int"),
    ]
    month = "SELECT sum(id) FROM views.dear WHERE m = '2024-01'"
    assert shop.scanned(month) < shop.scanned("SELECT sum(id) FROM views.dear")
    shop.result("DROP VIEW views.dearest")
    shop.result("DROP VIEW IF EXISTS views.dearest")
    assert "TABLE_NOT_FOUND" in shop.reason("SELECT * FROM views.dearest")
    shop.glue.delete_database(Name="views")


def test_recursive_view_fails(shop):
    """The view selects from itself."""
    shop.result("CREATE VIEW round AS SELECT 1 AS a")
    shop.result("CREATE OR REPLACE VIEW round AS SELECT * FROM round")

    assert "VIEW_IS_RECURSIVE" in shop.reason("SELECT * FROM round")


def test_partition_outside_its_hive_path_is_rejected(shop):
    """Its values cannot be read from the path."""
    storage = shop.storage("elsewhere/")
    shop.glue.create_partition(
        DatabaseName="shop",
        TableName="sale",
        PartitionInput={"Values": ["fourth", "2024-04"], "StorageDescriptor": storage},
    )
    try:
        reason = shop.reason("SELECT 1 FROM sale")
    finally:
        shop.glue.delete_partition(DatabaseName="shop", TableName="sale", PartitionValues=["fourth", "2024-04"])

    assert "batch_id=fourth/month=2024-04 of shop.sale is s3://shop-lake/sale/elsewhere/" in reason
