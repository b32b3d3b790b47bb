"""Names, types, locations and views of the catalog are data: none of them is SQL, and none leads out of the lake."""

import base64
import json
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyarrow import parquet

from local_aws.glue.mounts import mount_table
from local_aws.iam import Session
from ops.sandbox.lake import Lake
from ops.sandbox.settings import Settings
from tests import roles
from tests.local_aws.conftest import OWNER, REGION, LocalAws, local_aws

__all__ = ["local_aws"]

SECRET = "the superuser's password"
OUTSIDE = ["s3://{root}/t/", "s3://../", "s3://{bucket}/../{bucket}/t/", "s3://{bucket}/t/../../", "s3://unknown/t/"]
"""Addresses that are no place in a bucket: an empty bucket, parents, and a bucket that S3 does not know."""


class Catalog:
    """A database of the catalog over a bucket with a Parquet file in `t/`, and a secret beside the buckets."""

    def __init__(self, aws: LocalAws) -> None:
        """Make them, under names that no other test uses."""
        self.aws, self.name = aws, f"d{uuid4().hex[:12]}"
        self.athena, self.glue, self.s3 = map(aws.client, ("athena", "glue", "s3"))
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.glue.create_database(DatabaseInput={"Name": self.name})
        self.bucket = aws.state.lake / self.name
        self.secret = aws.state.world_file
        self.secret.write_text(SECRET)
        (aws.state.lake / "unknown/t").mkdir(parents=True, exist_ok=True)
        for folder in (self.bucket / "t", aws.state.lake / "unknown/t", aws.state.root / "t", aws.state.root):
            self.write(folder / "part.parquet", {"x": [1]})

    def address(self, location: str) -> str:
        """Return an address with the names of this world in it."""
        return location.format(bucket=self.name, root=self.aws.state.root)

    def write(self, path: Path, columns: dict[str, list[object]]) -> Path:
        """Write a Parquet file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), path)
        return path

    def table(
        self, columns: dict[str, str], location: str | None = None, name: str = "t", keys: tuple[str, ...] = ()
    ) -> None:
        """Declare a table with these types of its columns, by default over the files in `t/`."""
        storage = {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
            "Location": f"s3://{self.name}/t/" if location is None else self.address(location),
        }
        definition = {
            "Name": name,
            "StorageDescriptor": storage,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        }
        self.glue.create_table(DatabaseName=self.name, TableInput=definition)

    def view(self, sql: str, original: str | None = None) -> None:
        """Declare a view `v` of a query, as Athena's clients do."""
        text = original or base64.b64encode(json.dumps({"originalSql": sql, "schema": self.name}).encode()).decode()
        definition = {
            "Name": "v",
            "TableType": "VIRTUAL_VIEW",
            "ViewOriginalText": f"/* Presto View: {text} */",
            "StorageDescriptor": {"Columns": [{"Name": "x", "Type": "int"}]},
        }
        self.glue.create_table(DatabaseName=self.name, TableInput=definition)

    def status(self, query: str) -> tuple[str, dict[str, str]]:
        """Run a query to its end; return its id and its status."""
        asked = {
            "QueryString": query,
            "QueryExecutionContext": {"Database": self.name},
            "ResultConfiguration": {"OutputLocation": f"s3://{self.name}/results/"},
        }
        execution = self.athena.start_query_execution(**asked)["QueryExecutionId"]
        while True:
            status = self.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
            if status["State"] not in {"QUEUED", "RUNNING"}:
                return execution, status
            time.sleep(0.01)

    def rows(self, query: str) -> list[list[str | None]]:
        """Return the result of a query, its names first where it has any."""
        execution, status = self.status(query)
        assert status["State"] == "SUCCEEDED", status
        found = self.athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in found]

    def reason(self, query: str) -> str:
        """Return why a query failed."""
        _, status = self.status(query)
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])


@pytest.fixture
def catalog(local_aws):
    """Return a database of the catalog that the next test does not see."""
    return Catalog(local_aws)


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b", "ü x", "*", "a;b", "a\nb", "--"])
def test_a_column_of_any_name_can_be_queried(catalog, name):
    """By `SELECT *`, by its quoted name, through a view, and where it is a field of a struct; DESCRIBE shows it."""
    catalog.write(catalog.bucket / "t/part.parquet", {name: ["here"], "s": [{name: 2}]})
    catalog.table({name: "string", "s": f"struct<{name}:bigint>"})
    quoted = name.replace('"', '""')

    assert catalog.rows("SELECT * FROM t") == [[name, "s"], ["here", f"{{{name}=2}}"]]
    assert catalog.rows(f'SELECT t."{quoted}" FROM t WHERE "{quoted}" = \'here\'') == [[name], ["here"]]
    assert catalog.rows("DESCRIBE t")[0][0].startswith(name.split("\n")[0])
    catalog.rows(f'CREATE VIEW v AS SELECT "{quoted}" FROM t')
    assert catalog.rows("SELECT * FROM v") == [[name], ["here"]]


def test_a_partition_key_of_any_name_can_be_queried(catalog):
    """And its values are those in the names of the folders, whatever is in them."""
    key, value = 'k"y', "v'a\"l*[u]e"
    catalog.table({"x": "bigint"}, keys=(key,))
    storage = {"Location": f"s3://{catalog.name}/t/{key}={value}/"}
    catalog.write(catalog.bucket / f"t/{key}={value}/part.parquet", {"x": [3]})
    catalog.glue.create_partition(
        DatabaseName=catalog.name, TableName="t", PartitionInput={"Values": [value], "StorageDescriptor": storage}
    )

    assert catalog.rows('SELECT x, "k""y" FROM t') == [["x", key], ["3", value]]


@pytest.mark.parametrize("name", ['t"; DROP', "t'", "ü x", '"."'])
def test_a_table_of_any_name_can_be_queried_and_described(catalog, name):
    """Within its quotes a name is only a name."""
    catalog.table({"x": "bigint"}, name=name.lower())
    quoted = name.replace('"', '""')

    assert catalog.rows(f'SELECT x FROM "{quoted}"') == [["x"], ["1"]]
    assert catalog.rows(f'DESCRIBE "{quoted}"')[0][0].startswith("x")


def test_the_rows_of_a_table_of_any_name_are_counted(catalog):
    """As `totelake tables` does."""
    catalog.table({"x": "bigint"}, name='t"; drop')
    results = {"OutputLocation": f"s3://{catalog.name}/results/"}
    catalog.athena.create_work_group(Name=catalog.name, Configuration={"ResultConfiguration": results})
    port = int(urlsplit(catalog.aws.url).port or 0)
    settings = Settings(port, 0, {}, access_key=OWNER.access_key, secret_key=OWNER.secret_key)
    lake = Lake(settings, catalog.name, dict.fromkeys(("processed", "ingested", "discovered"), catalog.name))

    assert lake.rows(lake.relation('t"; drop')) == 1


@pytest.mark.parametrize(
    "column",
    [
        ('x" FROM (SELECT content AS "x" FROM read_text(\'{secret}\')) --', "string"),
        ("x", "string', default_value: (SELECT content FROM read_text('{secret}'))}}}}) --"),
        ("x", "varchar((SELECT 1))"),
    ],
)
@pytest.mark.parametrize("location", [None, "s3://../"])
def test_a_hostile_column_reads_no_file(catalog, column, location):
    """The name is a name, of a column that no file has; a type that is none of Hive's is refused with its column."""
    name, kind = (part.format(secret=catalog.secret) for part in column)
    catalog.table({name: kind}, location)

    execution, status = catalog.status("SELECT * FROM t")

    if status["State"] == "SUCCEEDED":
        rows = catalog.athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        assert rows[1:] == [{"Data": [{}]}]  # NULL
    else:
        codes = ("HIVE_INVALID_METADATA: column x of", "HIVE_FILESYSTEM_ERROR: table ")
        assert status["StateChangeReason"].startswith(codes)
        assert SECRET not in status["StateChangeReason"]


def test_a_hostile_column_writes_no_file(catalog):
    """As an overwritten commit record would be one: the files of a table are those that its query can open."""
    record = catalog.bucket / "t/part.parquet"
    before = record.read_bytes()
    copy = f"COPY (SELECT 2 AS x) TO '{record}' (FORMAT parquet, USE_TMP_FILE false)"
    catalog.table({f'x" FROM (SELECT 1 AS "x"); {copy} --': "bigint"})

    catalog.status("SELECT * FROM t")

    assert record.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{secret}'",
        "SELECT 1 AS x; COPY (SELECT 1) TO '{secret}'",
        "SELECT content AS x FROM read_text('{secret}')",
        "not SQL (",
    ],
)
def test_a_hostile_view_reads_and_writes_no_file(catalog, sql):
    """A view is one query, over tables of the catalog."""
    catalog.view(sql.format(secret=catalog.secret))

    reason = catalog.reason("SELECT * FROM v")

    assert reason.startswith(("INVALID_VIEW", "NOT_SUPPORTED", "TABLE_NOT_FOUND"))
    assert SECRET not in reason.replace(str(catalog.secret), "")
    assert catalog.secret.read_text() == SECRET


def test_a_view_that_cannot_be_read_hides_no_table(catalog):
    """The others are listed and queried; this one is named as invalid."""
    catalog.table({"x": "bigint"})
    catalog.view("", original="no base64!")

    assert catalog.rows("SHOW TABLES") == [["t"], ["v"]]
    assert catalog.rows("SELECT * FROM t") == [["x"], ["1"]]
    assert catalog.reason("SELECT * FROM v").startswith(f"INVALID_VIEW: View 'awsdatacatalog.{catalog.name}.v'")


@pytest.mark.parametrize("location", [*OUTSIDE, "", "file:///etc/", "t/"])
def test_a_table_outside_the_buckets_has_no_rows(catalog, location):
    """Its location is refused, and said."""
    catalog.table({"x": "bigint"}, location)

    assert catalog.reason("SELECT * FROM t").startswith(f"HIVE_FILESYSTEM_ERROR: table {catalog.name}.t: ")


@pytest.mark.parametrize("location", OUTSIDE)
def test_a_partition_outside_the_buckets_has_no_rows(catalog, location):
    """Also where its last folder is named for its value."""
    catalog.table({"x": "bigint"}, keys=("k",))
    storage = {"Location": f"{catalog.address(location)}k=1/"}
    catalog.glue.create_partition(
        DatabaseName=catalog.name, TableName="t", PartitionInput={"Values": ["1"], "StorageDescriptor": storage}
    )

    assert catalog.reason("SELECT * FROM t").startswith(f"HIVE_FILESYSTEM_ERROR: table {catalog.name}.t: ")


def test_a_link_leads_nowhere(catalog):
    """Neither one in place of a folder, nor one in place of a file."""
    outside = catalog.write(catalog.aws.state.root / "outside/part.parquet", {"x": [9]})
    (catalog.bucket / "linked").symlink_to(outside.parent)
    (catalog.bucket / "t/linked.parquet").symlink_to(outside)
    catalog.table({"x": "bigint"})
    catalog.table({"x": "bigint"}, "s3://{bucket}/linked/", name="linked")

    assert catalog.rows("SELECT x FROM t") == [["x"], ["1"]]
    assert "or a link" in catalog.reason("SELECT x FROM linked")


@pytest.mark.parametrize("name", ["*.parquet", "[a].parquet", "?.parquet"])
def test_a_file_named_as_a_pattern_is_one_file(catalog, name):
    """The file that the pattern would match is read once, and so is this one."""
    (catalog.bucket / "t/part.parquet").rename(catalog.bucket / "t/a.parquet")
    catalog.write(catalog.bucket / "t" / name, {"x": [2]})
    catalog.table({"x": "bigint"})

    assert catalog.rows("SELECT x FROM t ORDER BY x") == [["x"], ["1"], ["2"]]


@pytest.mark.parametrize("location", OUTSIDE)
def test_a_result_is_written_into_a_bucket_only(catalog, location):
    """Whether the request says where to, or the workgroup."""
    settings = {"OutputLocation": catalog.address(location)}
    group = f"g{uuid4().hex[:8]}"
    catalog.athena.create_work_group(
        Name=group, Configuration={"EnforceWorkGroupConfiguration": True, "ResultConfiguration": settings}
    )

    for asked in ({"ResultConfiguration": settings}, {"WorkGroup": group}):
        with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
            catalog.athena.start_query_execution(QueryString="SELECT 1", **asked)


@pytest.mark.parametrize("location", OUTSIDE)
def test_a_crawler_stays_within_the_buckets(catalog, location):
    """Its crawl fails and says why; no table is written."""
    roles.create(catalog.aws.client("iam"), catalog.name)
    catalog.glue.create_crawler(
        Name=catalog.name,
        Role=catalog.name,
        DatabaseName=catalog.name,
        Targets={"S3Targets": [{"Path": catalog.address(location)}]},
    )

    catalog.glue.start_crawler(Name=catalog.name)
    while (crawler := catalog.glue.get_crawler(Name=catalog.name)["Crawler"])["State"] != "READY":
        time.sleep(0.01)

    assert crawler["LastCrawl"]["Status"] == "FAILED"
    assert "Internal" not in crawler["LastCrawl"]["ErrorMessage"]
    assert catalog.glue.get_tables(DatabaseName=catalog.name)["TableList"] == []


def test_a_crawler_follows_no_link(catalog):
    """A link in the place of a file is no object."""
    roles.create(catalog.aws.client("iam"), catalog.name)
    outside = catalog.write(catalog.aws.state.root / "crawled/part.parquet", {"not_ours": [9]})
    (catalog.bucket / "t/linked.parquet").symlink_to(outside)
    catalog.glue.create_crawler(
        Name=catalog.name,
        Role=catalog.name,
        DatabaseName=catalog.name,
        Targets={"S3Targets": [{"Path": f"s3://{catalog.name}/t/"}]},
    )

    catalog.glue.start_crawler(Name=catalog.name)
    while catalog.glue.get_crawler(Name=catalog.name)["Crawler"]["State"] != "READY":
        time.sleep(0.01)

    [table] = catalog.glue.get_tables(DatabaseName=catalog.name)["TableList"]
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]] == ["x"]


@pytest.mark.parametrize("argument", ["script", "--extra-py-files"])
@pytest.mark.parametrize("address", ["s3://{bucket}/../../world.json", "s3://../world.json"])
def test_a_job_fetches_nothing_from_outside_the_buckets(catalog, address, argument):
    """Neither its script nor its packages."""
    roles.create(catalog.aws.client("iam"), catalog.name)
    catalog.s3.put_object(Bucket=catalog.name, Key="script.py", Body=b"")
    address = catalog.address(address)
    script = address if argument == "script" else f"s3://{catalog.name}/script.py"
    catalog.glue.create_job(
        Name=catalog.name,
        Role=catalog.name,
        Command={"Name": "pythonshell", "ScriptLocation": script},
        DefaultArguments={} if argument == "script" else {argument: address},
    )

    run = catalog.glue.start_job_run(JobName=catalog.name)["JobRunId"]
    while "CompletedOn" not in (told := catalog.glue.get_job_run(JobName=catalog.name, RunId=run)["JobRun"]):
        time.sleep(0.02)

    assert told["JobRunState"] == "FAILED"
    assert told["ErrorMessage"].startswith(f"Failed to download {address}")
    assert not list(catalog.aws.state.jobs.rglob("world.json"))


def test_a_policy_mounts_no_folder_outside_the_bucket(tmp_path, monkeypatch):
    """A role's policy may name keys that no object has."""
    (tmp_path / "lake/bucket").mkdir(parents=True)
    (tmp_path / "lake/bucket/linked").symlink_to(tmp_path)
    resources = [f"arn:aws:s3:::bucket/{keys}" for keys in ("../../*", "a/../../../*", "linked/*")]
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resources}
    monkeypatch.setattr(Session, "documents", lambda _: [roles.policy(statement)])

    table = mount_table(Session("1", "role", "session", "ASIA", "secret", "token"), tmp_path / "lake")

    assert list(table.values()) == ["not-permitted-to-role://bucket/"]


@pytest.mark.parametrize(
    "expression",
    [
        'gamma("1) AS y FROM t; {copy} --" => 1)',
        'EXTRACT("DAY FROM x) FROM t; {copy} --" FROM x)',
        "date_add('day) FROM t; {copy} --', 1, x)",
    ],
)
def test_a_word_in_quotes_is_not_written_as_sql(catalog, expression):
    """Neither in a view nor in a query: it would replace a file of the table, whatever the policies say."""
    script = catalog.bucket / "t/part.parquet"
    catalog.write(script, {"x": [1]})
    before = script.read_bytes()
    catalog.table({"x": "bigint"})
    copy = f"COPY (SELECT 'evil') TO '{script}' (FORMAT csv, USE_TMP_FILE false)".replace("'", "''")
    if "'" not in expression:
        copy = copy.replace("''", "'")
    hostile = f"SELECT x, {expression.format(copy=copy)} AS y FROM {catalog.name}.t"
    catalog.view(hostile)
    for query in ("SELECT * FROM v", hostile):
        _, status = catalog.status(query)
        assert status["State"] == "FAILED"
        assert script.read_bytes() == before
