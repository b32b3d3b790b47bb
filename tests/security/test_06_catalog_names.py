"""Catalog entries are data: names, types and views cannot inject SQL, and locations cannot leave the lake."""

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

from local_aws.glue.jobs.mounts import mount_table
from local_aws.iam import Session
from ops.sandbox.lake import LakeClient
from ops.sandbox.settings import SandboxSettings
from tests import roles
from tests.local_aws.conftest import OWNER, REGION, LocalAws, local_aws

__all__ = ["local_aws"]

SECRET = "the superuser's password"
OUTSIDE = ["s3://{root}/t/", "s3://../", "s3://{bucket}/../{bucket}/t/", "s3://{bucket}/t/../../", "s3://unknown/t/"]
"""URLs outside the buckets: an empty bucket name, parent folders, and an unknown bucket."""


class CatalogDatabase:
    """A catalog database, a bucket with a Parquet file in `t/`, and a secret file outside the buckets."""

    def __init__(self, aws: LocalAws) -> None:
        """Create them with a unique name."""
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
        """Return a URL with the names of the bucket and the state folder filled in."""
        return location.format(bucket=self.name, root=self.aws.state.root)

    def write(self, path: Path, columns: dict[str, list[object]]) -> Path:
        """Write a Parquet file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), path)
        return path

    def table(
        self, columns: dict[str, str], location: str | None = None, name: str = "t", keys: tuple[str, ...] = ()
    ) -> None:
        """Create a table with the given columns and types, by default over the files in `t/`."""
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
        """Create a view `v` of a query, in the format of Athena's clients."""
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
        request = {
            "QueryString": query,
            "QueryExecutionContext": {"Database": self.name},
            "ResultConfiguration": {"OutputLocation": f"s3://{self.name}/results/"},
        }
        execution = self.athena.start_query_execution(**request)["QueryExecutionId"]
        while True:
            status = self.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
            if status["State"] not in {"QUEUED", "RUNNING"}:
                return execution, status
            time.sleep(0.01)

    def rows(self, query: str) -> list[list[str | None]]:
        """Return the rows of a query's result, including the row of names if there is one."""
        execution, status = self.status(query)
        assert status["State"] == "SUCCEEDED", status
        rows = self.athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]

    def reason(self, query: str) -> str:
        """Return the reason why a query fails."""
        _, status = self.status(query)
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])


@pytest.fixture
def catalog(local_aws):
    """Return a catalog database with a unique name."""
    return CatalogDatabase(local_aws)


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b", "ü x", "*", "a;b", "a\nb", "--"])
def test_column_with_special_characters_can_be_queried(catalog, name):
    """By `SELECT *`, by its quoted name, in a view, as a field of a struct, and by DESCRIBE."""
    catalog.write(catalog.bucket / "t/part.parquet", {name: ["here"], "s": [{name: 2}]})
    catalog.table({name: "string", "s": f"struct<{name}:bigint>"})
    quoted = name.replace('"', '""')

    assert catalog.rows("SELECT * FROM t") == [[name, "s"], ["here", f"{{{name}=2}}"]]
    assert catalog.rows(f'SELECT t."{quoted}" FROM t WHERE "{quoted}" = \'here\'') == [[name], ["here"]]
    assert catalog.rows("DESCRIBE t")[0][0].startswith(name.split("\n")[0])
    catalog.rows(f'CREATE VIEW v AS SELECT "{quoted}" FROM t')
    assert catalog.rows("SELECT * FROM v") == [[name], ["here"]]


def test_partition_key_with_special_characters_can_be_queried(catalog):
    """Its values are those of the folder names, with any characters."""
    key, value = 'k"y', "v'a\"l*[u]e"
    catalog.table({"x": "bigint"}, keys=(key,))
    storage = {"Location": f"s3://{catalog.name}/t/{key}={value}/"}
    catalog.write(catalog.bucket / f"t/{key}={value}/part.parquet", {"x": [3]})
    catalog.glue.create_partition(
        DatabaseName=catalog.name, TableName="t", PartitionInput={"Values": [value], "StorageDescriptor": storage}
    )

    assert catalog.rows('SELECT x, "k""y" FROM t') == [["x", key], ["3", value]]


@pytest.mark.parametrize("name", ['t"; DROP', "t'", "ü x", '"."'])
def test_table_with_special_characters_can_be_queried_and_described(catalog, name):
    """The quoted name is an identifier."""
    catalog.table({"x": "bigint"}, name=name.lower())
    quoted = name.replace('"', '""')

    assert catalog.rows(f'SELECT x FROM "{quoted}"') == [["x"], ["1"]]
    assert catalog.rows(f'DESCRIBE "{quoted}"')[0][0].startswith("x")


def test_rows_of_a_table_with_special_characters_are_counted(catalog):
    """As `totelake tables` does."""
    catalog.table({"x": "bigint"}, name='t"; drop')
    results = {"OutputLocation": f"s3://{catalog.name}/results/"}
    catalog.athena.create_work_group(Name=catalog.name, Configuration={"ResultConfiguration": results})
    port = int(urlsplit(catalog.aws.url).port or 0)
    settings = SandboxSettings(port, 0, {}, access_key=OWNER.access_key, secret_key=OWNER.secret_key)
    lake = LakeClient(settings, catalog.name, dict.fromkeys(("processed", "ingested", "discovered"), catalog.name))

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
def test_hostile_column_cannot_read_a_file(catalog, column, location):
    """A hostile name is that of a missing column, which is NULL; a type that is not Hive's is an error."""
    name, kind = (each.format(secret=catalog.secret) for each in column)
    catalog.table({name: kind}, location)

    execution, status = catalog.status("SELECT * FROM t")

    if status["State"] == "SUCCEEDED":
        rows = catalog.athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        assert rows[1:] == [{"Data": [{}]}]  # NULL
    else:
        codes = ("HIVE_INVALID_METADATA: column x of", "HIVE_FILESYSTEM_ERROR: table ")
        assert status["StateChangeReason"].startswith(codes)
        assert SECRET not in status["StateChangeReason"]


def test_hostile_column_cannot_write_a_file(catalog):
    """A query could otherwise overwrite the files of its table, such as commit records."""
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
def test_hostile_view_cannot_read_or_write_a_file(catalog, sql):
    """A view must be one query over catalog tables."""
    catalog.view(sql.format(secret=catalog.secret))

    reason = catalog.reason("SELECT * FROM v")

    assert reason.startswith(("INVALID_VIEW", "NOT_SUPPORTED", "TABLE_NOT_FOUND"))
    assert SECRET not in reason.replace(str(catalog.secret), "")
    assert catalog.secret.read_text() == SECRET


def test_invalid_view_does_not_affect_other_tables(catalog):
    """Other tables can be listed and queried; querying the view is an error."""
    catalog.table({"x": "bigint"})
    catalog.view("", original="no base64!")

    assert catalog.rows("SHOW TABLES") == [["t"], ["v"]]
    assert catalog.rows("SELECT * FROM t") == [["x"], ["1"]]
    assert catalog.reason("SELECT * FROM v").startswith(f"INVALID_VIEW: View 'awsdatacatalog.{catalog.name}.v'")


@pytest.mark.parametrize("location", [*OUTSIDE, "", "file:///etc/", "t/"])
def test_table_outside_the_buckets_is_rejected(catalog, location):
    """A query of the table fails."""
    catalog.table({"x": "bigint"}, location)

    assert catalog.reason("SELECT * FROM t").startswith(f"HIVE_FILESYSTEM_ERROR: table {catalog.name}.t: ")


@pytest.mark.parametrize("location", OUTSIDE)
def test_partition_outside_the_buckets_is_rejected(catalog, location):
    """Even if its folder has the name of its value."""
    catalog.table({"x": "bigint"}, keys=("k",))
    storage = {"Location": f"{catalog.address(location)}k=1/"}
    catalog.glue.create_partition(
        DatabaseName=catalog.name, TableName="t", PartitionInput={"Values": ["1"], "StorageDescriptor": storage}
    )

    assert catalog.reason("SELECT * FROM t").startswith(f"HIVE_FILESYSTEM_ERROR: table {catalog.name}.t: ")


def test_symlinks_in_a_table_are_not_followed(catalog):
    """Neither of folders nor of files."""
    outside = catalog.write(catalog.aws.state.root / "outside/part.parquet", {"x": [9]})
    (catalog.bucket / "linked").symlink_to(outside.parent)
    (catalog.bucket / "t/linked.parquet").symlink_to(outside)
    catalog.table({"x": "bigint"})
    catalog.table({"x": "bigint"}, "s3://{bucket}/linked/", name="linked")

    assert catalog.rows("SELECT x FROM t") == [["x"], ["1"]]
    assert "or a link" in catalog.reason("SELECT x FROM linked")


@pytest.mark.parametrize("name", ["*.parquet", "[a].parquet", "?.parquet"])
def test_file_name_with_glob_characters_is_read_literally(catalog, name):
    """That file and the file that the pattern would match are read once each."""
    (catalog.bucket / "t/part.parquet").rename(catalog.bucket / "t/a.parquet")
    catalog.write(catalog.bucket / "t" / name, {"x": [2]})
    catalog.table({"x": "bigint"})

    assert catalog.rows("SELECT x FROM t ORDER BY x") == [["x"], ["1"], ["2"]]


@pytest.mark.parametrize("location", OUTSIDE)
def test_query_result_outside_the_buckets_is_rejected(catalog, location):
    """Whether the location is set by the request or by the workgroup."""
    settings = {"OutputLocation": catalog.address(location)}
    group = f"g{uuid4().hex[:8]}"
    catalog.athena.create_work_group(
        Name=group, Configuration={"EnforceWorkGroupConfiguration": True, "ResultConfiguration": settings}
    )

    for request in ({"ResultConfiguration": settings}, {"WorkGroup": group}):
        with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
            catalog.athena.start_query_execution(QueryString="SELECT 1", **request)


@pytest.mark.parametrize("location", OUTSIDE)
def test_crawl_outside_the_buckets_fails(catalog, location):
    """No table is created."""
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


def test_crawler_does_not_follow_symlinks(catalog):
    """A symlink is not an object."""
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
def test_job_cannot_download_files_outside_the_buckets(catalog, address, argument):
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
    while "CompletedOn" not in (job_run := catalog.glue.get_job_run(JobName=catalog.name, RunId=run)["JobRun"]):
        time.sleep(0.02)

    assert job_run["JobRunState"] == "FAILED"
    assert job_run["ErrorMessage"].startswith(f"Failed to download {address}")
    assert not list(catalog.aws.state.jobs.rglob("world.json"))


def test_policy_cannot_mount_folders_outside_the_bucket(tmp_path, monkeypatch):
    """A policy may name keys that cannot exist."""
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
def test_quoted_identifier_cannot_inject_sql(catalog, expression):
    """Neither in a view nor in a query; here it would overwrite a file of the table."""
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
