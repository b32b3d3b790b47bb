"""The stand-in for Redshift: each database is apart from the others, and from the files outside of the buckets."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
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
from ops.sandbox.postgres import SUPERUSER, Cluster, PostgresError, ensure_database
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


REFUSED = [
    "CREATE FUNCTION f() RETURNS INT LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    "CREATE OR REPLACE FUNCTION f() RETURNS INT AS $$ SELECT 1 $$ LANGUAGE sql",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN END $$",
    "DO $$ BEGIN END $$",
    "CALL p()",
    "CREATE TRIGGER t BEFORE INSERT ON paid EXECUTE FUNCTION f()",
    "CREATE TYPE t AS ENUM ('a')",
    "CREATE SEQUENCE s",
    "CREATE EXTENSION dblink",
    "CREATE ROLE another",
    "ALTER ROLE warehouse_owner PASSWORD 'another'",
    "ALTER SYSTEM SET max_connections = 1",
    "CREATE DATABASE another",
    "ALTER DATABASE warehouse CONNECTION LIMIT 0",
    "DROP DATABASE warehouse",
    "DROP FUNCTION f",
    "DROP OWNED BY warehouse_owner",
    "COPY paid FROM PROGRAM 'id'",
    f"COPY paid FROM program IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
    "COPY paid FROM STDIN",
    f"COPY paid TO 's3://b/m' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
    f"COPY (SELECT 1) FROM 's3://b/m' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
    "LISTEN x",
    "KILL 1",
    "USE warehouse",
    "DESCRIBE paid",
    "PRAGMA x",
    "VALUES (1)",
    "paid",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_a_statement_that_makes_no_table_view_or_schema_is_refused(statement):
    """A function could do what no statement may, and what is on the server beside the database is not Redshift's."""
    with pytest.raises(redshift.RedshiftSyntaxError):
        redshift.check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE TABLE t (LIKE paid)",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "CREATE SCHEMA IF NOT EXISTS s",
        "ALTER TABLE t ADD COLUMN x INTEGER",
        "DROP TABLE IF EXISTS t",
        "DROP VIEW v",
        "DROP SCHEMA s CASCADE",
        "SELECT 1 UNION ALL SELECT 2",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "SELECT * INTO t FROM paid",
        "INSERT INTO t SELECT 1",
        "UPDATE t SET x = 1",
        "DELETE FROM t",
        "COMMENT ON COLUMN t.x IS 'y'",
        "REVOKE SELECT ON t FROM PUBLIC",
        "SET timezone TO 'UTC'",
        "ANALYZE t",
    ],
)
def test_statements_on_tables_views_and_schemas_remain(statement):
    """And queries of course."""
    redshift.check(statement)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return the state and the settings of a world of which there is the Postgres server."""
    state = State(tmp_path_factory.mktemp("world"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = Settings.new(0, free.getsockname()[1])
    settings.save(state)
    server = Cluster(state.postgres, settings.postgres_port, state.root / "postgres.log", durable=False)
    try:
        databases.ensure(server, settings)
        yield state, settings
    finally:
        server.remove()


@pytest.fixture
def place(world):
    """Return a workgroup that no other test asks for, and the function that makes its databases."""
    return f"w{uuid4().hex[:12]}", databases.of_redshift(world[0])


def test_the_owner_of_a_database_is_nobody_elsewhere(world, place):
    """It enters no other database, and is a plain role, to which only its own tables belong."""
    (_, settings), (workgroup, url_of) = world, place
    url, other = url_of(workgroup, "a"), url_of(workgroup, "b")

    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolname = "
            "(SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone() == (False, False, False, False, False, True)
        assert connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"
        ).fetchone() == (0,)
    elsewhere = [conninfo.conninfo_to_dict(other)["dbname"], "warehouse", "totesys", "postgres", "template1"]
    for database in elsewhere:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url, dbname=database)
    for role in ("warehouse_owner", "totesys_owner"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url, user=role, password=settings.passwords[role])


@pytest.mark.parametrize(
    ("database", "role"),
    [("totesys", "totesys_owner"), ("totesys", "totelake_reader"), ("warehouse", "warehouse_owner")],
)
def test_the_roles_of_totesys_and_of_the_warehouse_enter_their_own(world, database, role):
    """The others are shut out, and they are not."""
    _, settings = world
    login = settings.login(database, role)

    with psycopg.connect(
        host=login["host"], port=login["port"], dbname=database, user=role, password=login["password"]
    ) as connection:
        assert connection.execute("SELECT current_database(), current_user").fetchone() == (database, role)


def test_sessions_on_other_databases_are_neither_read_nor_ended(world, place):
    """Neither those on another database of Redshift's nor that of a load."""
    (_, settings), (workgroup, url_of) = world, place
    with (
        psycopg.connect(url_of(workgroup, "a")) as intruder,
        psycopg.connect(url_of(workgroup, "b")) as other,
        psycopg.connect(settings.warehouse_url) as load,
    ):
        for session in (other, load):
            session.execute("SELECT 'card 4711'")
            pid = session.info.backend_pid
            assert intruder.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() == (
                "<insufficient privilege>",
            )
            with pytest.raises(psycopg.errors.InsufficientPrivilege), intruder.transaction():
                intruder.execute("SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(psycopg.errors.InsufficientPrivilege), intruder.transaction():
                intruder.execute("SET LOCAL ROLE warehouse_owner")
            assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_database_of_the_owner_of_the_warehouse_becomes_its_own(world, place):
    """As all were once: its tables go on, and the owner's other databases and their tables remain the owner's."""
    (_, settings), (workgroup, url_of) = world, place
    names = [f"redshift_{workgroup}_{database}" for database in ("old", "later")]
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        for name in names:
            ensure_database(connection, name, WAREHOUSE_OWNER)
    old, later = (conninfo.make_conninfo(settings.warehouse_url, dbname=name) for name in names)
    for url in (old, later, settings.warehouse_url):
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE SCHEMA staging; CREATE TABLE paid (n INTEGER GENERATED ALWAYS AS IDENTITY, x INTEGER)"
            )
            connection.execute("CREATE TABLE staging.paid (x INTEGER); CREATE VIEW v AS SELECT x FROM paid")
            connection.execute("INSERT INTO paid (x) VALUES (7)")

    url = url_of(workgroup, "old")

    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO paid (x) SELECT x + 1 FROM v")
        connection.execute("ALTER TABLE staging.paid ADD COLUMN y INTEGER; DROP VIEW v; CREATE TABLE s (x INTEGER)")
        assert connection.execute("SELECT n, x FROM paid").fetchall() == [(1, 7), (2, 8)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(old)
    for url in (later, settings.warehouse_url):
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO paid (x) VALUES (8); CREATE SCHEMA more")
    with psycopg.connect(url_of(workgroup, "later")) as connection:
        assert connection.execute("SELECT x FROM paid").fetchall() == [(7,), (8,)]


def test_an_endpoint_that_starts_anew_takes_over_the_databases(world, place):
    """The password is made anew with each endpoint, and the rows stay."""
    (state, _), (workgroup, url_of) = world, place
    before = url_of(workgroup, "d")
    with psycopg.connect(before) as connection:
        connection.execute("CREATE TABLE paid (x INTEGER)")

    after = databases.of_redshift(state)(workgroup, "d")

    with psycopg.connect(after) as connection:
        connection.execute("DROP TABLE paid")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(before)


def test_many_statements_at_once_find_one_new_database(place):
    """Whichever makes it, each gets in."""
    workgroup, url_of = place
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: url_of(workgroup, "d"), range(8)))

    (url,) = urls
    psycopg.connect(url).close()


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
