"""The stand-in for Redshift sends its password to the world's own server only, and COPY reads buckets only."""

import json
import time
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from psycopg import conninfo
from pyarrow import parquet

from local_aws import redshift
from local_aws.state import State
from ops.sandbox import databases
from ops.sandbox.postgres import SUPERUSER, PostgresError
from ops.sandbox.settings import Settings
from tests.local_aws.conftest import REGION, local_aws
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER

__all__ = ["local_aws"]

ROLE = "arn:aws:iam::123456789012:role/copy"


@pytest.fixture
def url_of(tmp_path, postgres_server):
    """Return the function that makes the database which stands for one of Redshift's, and returns its URL."""
    state = State(tmp_path)
    passwords = dict.fromkeys((SUPERUSER, WAREHOUSE_OWNER), PASSWORD)
    Settings(endpoint_port=0, postgres_port=postgres_server.port, passwords=passwords).save(state)
    return databases.of_redshift(state)


@pytest.mark.parametrize(
    "database",
    ["x?host=evil.example.com", "x@evil.example.com/y", "x#y", "x%3Fy", 'x"; DROP', "../x", "x y"],
)
def test_a_database_of_any_name_is_on_the_server_of_the_world(url_of, postgres_server, database):
    """Whatever is in its name is a name."""
    url = url_of("totelake-dev", database)

    parts = conninfo.conninfo_to_dict(url)
    assert (parts["host"], parts["port"]) == ("127.0.0.1", str(postgres_server.port))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (f"redshift_totelake-dev_{database}",)


def test_a_name_that_postgres_would_cut_off_is_refused(url_of):
    """Else two databases with the same beginning would be one."""
    with pytest.raises(PostgresError, match="longer than the 63 bytes"):
        url_of("totelake-dev", "x" * 60)


@pytest.fixture
def asked(local_aws, make_database):
    """Return a function that hands in a statement, and returns the database that was asked for it."""
    url, places = make_database(owner=WAREHOUSE_OWNER), []
    redshift.install(lambda *place: places.append(place) or url)
    client = local_aws.client("redshift-data")

    def submit(**where):
        identifier = client.execute_statement(Sql="SELECT 1", **where)["Id"]
        while client.describe_statement(Id=identifier)["Status"] in {"SUBMITTED", "PICKED", "STARTED"}:
            time.sleep(0.02)
        return places[-1]

    return submit


def test_a_cluster_and_a_workgroup_of_one_name_have_databases_of_their_own(asked, url_of):
    """That of a workgroup has the name that it has always had."""
    workgroup, cluster = asked(WorkgroupName="dwh-1", Database="d"), asked(ClusterIdentifier="dwh-1", Database="d")

    names = [conninfo.conninfo_to_dict(url_of(*place))["dbname"] for place in (workgroup, cluster)]
    assert names == ["redshift_dwh-1_d", "redshift_cluster:dwh-1_d"]


@pytest.mark.parametrize("name", ["dwh_1", "cluster:dwh", "DWH", "dwh\n", "arn:aws:redshift-serverless:workgroup/1"])
@pytest.mark.parametrize("kind", ["WorkgroupName", "ClusterIdentifier"])
def test_no_two_databases_share_a_name(asked, kind, name):
    """`a` and `b_c` would be `a_b` and `c`: a warehouse has the name that AWS gives one, and no other."""
    with pytest.raises(ClientError, match="lower-case letters, digits and hyphens"):
        asked(**{kind: name, "Database": "d"})


INJECTED = "x; DROP TABLE paid; --"


@pytest.mark.parametrize(
    "statement",
    [
        'SET timezone TO "{}"',
        'GRANT "{}" ON paid TO PUBLIC',
        'REVOKE SELECT, "{}" ON paid FROM PUBLIC',
        'SELECT EXTRACT("{}" FROM CURRENT_DATE)',
        'SELECT DATE_PART("{}", CURRENT_DATE)',
        'SELECT CAST(1 AS VARCHAR("{}"))',
        'CREATE TABLE other (LIKE paid INCLUDING "{}")',
        'SELECT abs("{}" => 1)',
        'SELECT :"{}"',
    ],
)
def test_a_quoted_word_is_no_statement(statement):
    """What the parser takes for a word it writes as it stands, without the quotes."""
    with pytest.raises(redshift.RedshiftSyntaxError, match="no word of SQL"):
        redshift.check(statement.format(INJECTED))


@pytest.mark.parametrize("statement", ["GRANT ALL PRIVILEGES ON t TO PUBLIC", 'SELECT EXTRACT("epoch" FROM x) FROM t'])
def test_words_remain_words(statement):
    """Some of SQL's have two parts, and some may be quoted."""
    redshift.check(statement)


@pytest.fixture
def lake(local_aws):
    """Return a local AWS, and a bucket in it beside which a Parquet file and a manifest of it lie in folders."""
    bucket = f"b{uuid4().hex[:12]}"
    local_aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for folder in (local_aws.state.root / "outside", local_aws.state.lake / "unknown", local_aws.state.lake / bucket):
        folder.mkdir(exist_ok=True)
        parquet.write_table(pa.table({"x": pa.array([7], pa.int32())}), folder / "part.parquet")
    return local_aws, bucket


@pytest.fixture
def copy(lake, make_database):
    """Return a function that copies what a manifest says into a table, and returns its rows and why it failed."""
    aws, _ = lake
    url = make_database(owner=WAREHOUSE_OWNER)
    redshift.install(lambda *_: url)
    client = aws.client("redshift-data")

    def run(manifest, table="paid"):
        identifier = table.replace('"', '""')
        statements = [
            f'CREATE TABLE "{identifier}" (x INTEGER)',
            f"COPY \"{identifier}\" FROM '{manifest}' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
            f'SELECT x FROM "{identifier}"',
        ]
        batch = client.batch_execute_statement(WorkgroupName="totelake", Database="warehouse", Sqls=statements)["Id"]
        while (told := client.describe_statement(Id=batch))["Status"] in {"SUBMITTED", "PICKED", "STARTED"}:
            time.sleep(0.02)
        if told["Status"] == "FAILED":
            return [], told["Error"]
        return client.get_statement_result(Id=f"{batch}:3")["Records"], ""

    return run


def manifest(folder, url):
    """Write a manifest with one entry, which has the length of the Parquet file beside it, and return its name."""
    length = (folder / "part.parquet").stat().st_size
    (folder / "m").write_text(json.dumps({"entries": [{"url": url, "meta": {"content_length": length}}]}))
    return "m"


ELSEWHERE = [
    "s3://../outside/",
    "s3://{bucket}/../../outside/",
    "s3://{root}/outside/",
    "s3://unknown/",
    "s3://{bucket}/link/",
]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_copy_reads_no_manifest_outside_the_buckets(copy, lake, place):
    """Nor one in a folder of the lake that is no bucket, nor behind a link."""
    aws, bucket = lake
    for folder in (aws.state.root / "outside", aws.state.lake / "unknown", aws.state.lake / bucket):
        manifest(folder, f"s3://{bucket}/part.parquet")
    (aws.state.lake / bucket / "link").symlink_to(aws.state.root / "outside")
    address = f"{place.format(bucket=bucket, root=aws.state.root)}m"

    assert copy(address)[1].startswith(f"ERROR: Problem reading {address}: ")


@pytest.mark.parametrize("place", ELSEWHERE)
def test_copy_reads_no_file_outside_the_buckets(copy, lake, place):
    """Whatever the manifest lists."""
    aws, bucket = lake
    (aws.state.lake / bucket / "link").symlink_to(aws.state.root / "outside")
    address = f"{place.format(bucket=bucket, root=aws.state.root)}part.parquet"
    manifest(aws.state.lake / bucket, address)

    assert copy(f"s3://{bucket}/m")[1].startswith(f"ERROR: Problem reading {address}: ")


@pytest.mark.parametrize("name", ["paid", 'a"b', "ü x"])
def test_copy_fills_a_table_of_any_name(copy, lake, name):
    """From the files that are objects of a bucket."""
    aws, bucket = lake
    manifest(aws.state.lake / bucket, f"s3://{bucket}/part.parquet")

    assert copy(f"s3://{bucket}/m", name) == ([[{"longValue": 7}]], "")
