"""The local Redshift: databases are isolated from each other, and COPY reads only from buckets."""

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
from local_aws.redshift.statements import FAILED, FINISHED, StatementBatch
from local_aws.state import State
from ops.sandbox import databases
from ops.sandbox.postgres import SUPERUSER, Cluster, PostgresError, ensure_database
from ops.sandbox.settings import SandboxSettings
from tests.local_aws.conftest import REGION, local_aws
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER
from tests.roles import ACCOUNT

__all__ = ["local_aws"]

TURNED_OFF = "SELECT set_config('standard_conforming_strings', 'off', false)"
SJIS = "SELECT set_config('client_encoding', 'SJIS', false), set_config('backslash_quote', 'on', false)"
ROLE = "arn:aws:iam::123456789012:role/copy"


@pytest.fixture
def url_of(tmp_path, postgres_server):
    """Return the function that creates the Postgres database for a Redshift database and returns its URL."""
    state = State(tmp_path)
    passwords = dict.fromkeys((SUPERUSER, WAREHOUSE_OWNER), PASSWORD)
    SandboxSettings(endpoint_port=0, postgres_port=postgres_server.port, passwords=passwords).save(state)
    return databases.redshift_databases(state)


@pytest.mark.parametrize(
    "database",
    ["x?host=evil.example.com", "x@evil.example.com/y", "x#y", "x%3Fy", 'x"; DROP', "../x", "x y"],
)
def test_database_name_with_special_characters_cannot_change_the_server(url_of, postgres_server, database):
    """The characters are part of the database's name."""
    url = url_of("totelake-dev", database)

    parts = conninfo.conninfo_to_dict(url)
    assert (parts["host"], parts["port"]) == ("127.0.0.1", str(postgres_server.port))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (f"redshift_totelake-dev_{database}",)


def test_name_that_postgres_would_truncate_is_rejected(url_of):
    """Otherwise two names with the same prefix would be the same database."""
    with pytest.raises(PostgresError, match="longer than the 63 bytes"):
        url_of("totelake-dev", "x" * 60)


@pytest.fixture
def database_for(local_aws, make_database):
    """Return a function that runs a statement and returns the arguments with which its database was requested."""
    url, places = make_database(owner=WAREHOUSE_OWNER), []
    redshift.mount(lambda *place: places.append(place) or url)
    client = local_aws.client("redshift-data")

    def submit(**where):
        identifier = client.execute_statement(Sql="SELECT 1", **where)["Id"]
        while client.describe_statement(Id=identifier)["Status"] in {"SUBMITTED", "PICKED", "STARTED"}:
            time.sleep(0.02)
        return places[-1]

    return submit


def test_cluster_and_workgroup_with_the_same_name_have_separate_databases(database_for, url_of):
    """The database of a workgroup keeps the name of earlier versions."""
    workgroup, cluster = (
        database_for(WorkgroupName="dwh-1", Database="d"),
        database_for(ClusterIdentifier="dwh-1", Database="d"),
    )

    names = [conninfo.conninfo_to_dict(url_of(*place))["dbname"] for place in (workgroup, cluster)]
    assert names == ["redshift_dwh-1_d", "redshift_cluster:dwh-1_d"]


@pytest.mark.parametrize("name", ["dwh_1", "cluster:dwh", "DWH", "dwh\n", "arn:aws:redshift-serverless:workgroup/1"])
@pytest.mark.parametrize("kind", ["WorkgroupName", "ClusterIdentifier"])
def test_invalid_warehouse_name_is_rejected(database_for, kind, name):
    """So the names of databases are unambiguous: `a` with `b_c`, and `a_b` with `c`, would be the same."""
    with pytest.raises(ClientError, match="lower-case letters, digits and hyphens"):
        database_for(**{kind: name, "Database": "d"})


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
def test_quoted_keyword_cannot_inject_a_statement(statement):
    """The parser would write it without the quotes where it expects a keyword."""
    with pytest.raises(redshift.RedshiftSyntaxError, match="not a keyword"):
        redshift.check(statement.format(INJECTED))


@pytest.mark.parametrize("statement", ['SELECT 1 OPERATOR("{}") 2', "SELECT @x", "SELECT $1"])
def test_operators_and_parameters_of_postgres_are_rejected(statement):
    """The parser would write the name of an operator without quotes."""
    with pytest.raises(redshift.RedshiftSyntaxError, match="Redshift has no"):
        redshift.check(statement.format(INJECTED))


@pytest.mark.parametrize("statement", ["GRANT ALL PRIVILEGES ON t TO PUBLIC", 'SELECT EXTRACT("epoch" FROM x) FROM t'])
def test_valid_keywords_are_accepted(statement):
    """Some have two words, and some may be quoted."""
    redshift.check(statement)


REJECTED = [
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


@pytest.mark.parametrize("statement", REJECTED)
def test_statements_on_functions_roles_or_the_server_are_rejected(statement):
    """A function could execute rejected statements, and roles and the server are not part of Redshift."""
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
def test_queries_and_statements_on_tables_views_and_schemas_are_accepted(statement):
    """They are all that the jobs need."""
    redshift.check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT 1 OPERATOR("pg_catalog.+) 1; CREATE SEQUENCE s; --") 1',
        "SELECT @$a, '$$; CREATE SEQUENCE s; --'",
        "SELECT 1 FROM pg_class AS $x$u; CREATE SEQUENCE s; --$x$ (c)",
    ],
)
def test_text_that_is_generated_without_quotes_is_no_second_statement(make_database, statement):
    """The parser takes it for an operator, a parameter or a name, and writes it as it was."""
    url = make_database()
    batch = StatementBatch.of({}, [statement])
    batch.start(lambda: url, ACCOUNT)
    while not batch.whole.has_ended:
        time.sleep(0.02)

    assert batch.whole.status == FAILED
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_sequence").fetchone() == (0,)


@pytest.mark.parametrize(
    ("setting", "string"),
    [("SET standard_conforming_strings TO off", r"'\\'"), (TURNED_OFF, r"'\\'"), (SJIS, r"e'Á\\'")],
)
def test_setting_of_an_earlier_statement_cannot_end_a_string(make_database, setting, string):
    """With it a backslash would escape the quote after it, and the next string would be SQL.

    In SJIS, the second byte of Á in UTF-8 and the first of the two backslashes are one character.
    """
    statement = f"SELECT {string}, '; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; --'"
    url = make_database()
    batch = StatementBatch.of({}, [setting, statement])
    batch.start(lambda: url, ACCOUNT)
    while not batch.whole.has_ended:
        time.sleep(0.02)

    assert batch.whole.status == FINISHED, batch.whole.error
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_proc WHERE proname = 'f'").fetchone() == (0,)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Start only the Postgres server of an environment; yield its state and settings."""
    state = State(tmp_path_factory.mktemp("world"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = SandboxSettings.new(0, free.getsockname()[1])
    settings.save(state)
    server = Cluster(state.postgres, settings.postgres_port, state.root / "postgres.log", durable=False)
    try:
        databases.ensure(server, settings)
        yield state, settings
    finally:
        server.remove()


@pytest.fixture
def place(world):
    """Return a unique workgroup's name, and the function that creates its databases."""
    return f"w{uuid4().hex[:12]}", databases.redshift_databases(world[0])


def test_owner_of_a_database_has_no_access_to_other_databases(world, place):
    """It is a role without attributes or memberships; other owners cannot connect to its database."""
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
    [
        ("totesys", "totesys_owner"),
        ("totesys", "totelake_reader"),
        ("warehouse", "warehouse_owner"),
        ("warehouse", "warehouse_reader"),
    ],
)
def test_roles_of_totesys_and_warehouse_can_connect_to_their_databases(world, database, role):
    """Only other roles are excluded."""
    _, settings = world
    login = settings.login(database, role)

    with psycopg.connect(
        host=login["host"], port=login["port"], dbname=database, user=role, password=login["password"]
    ) as connection:
        assert connection.execute("SELECT current_database(), current_user").fetchone() == (database, role)


def test_reader_of_the_warehouse_reads_tables_of_later_loads_and_changes_nothing(world):
    """The status, the demonstration and the dashboard connect as this role."""
    _, settings = world
    with psycopg.connect(settings.warehouse_url) as owner:
        owner.execute("CREATE TABLE public.later (amount int)")
        owner.execute("CREATE VIEW public.current_later AS SELECT amount FROM public.later")
    try:
        with psycopg.connect(settings.warehouse_reader_url, autocommit=True) as reader:
            assert reader.execute("SELECT count(*) FROM public.current_later").fetchone() == (0,)
            reader.execute("SET default_transaction_read_only = off")
            for statement in (
                "INSERT INTO public.later VALUES (1)",
                "TRUNCATE public.later",
                "DROP TABLE public.later CASCADE",
                "CREATE TABLE public.mine (amount int)",
                "CREATE SCHEMA mine",
                "SET ROLE warehouse_owner",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(statement)
    finally:
        with psycopg.connect(settings.warehouse_url) as owner:
            owner.execute("DROP TABLE public.later CASCADE")


def test_sessions_on_other_databases_cannot_be_read_or_terminated(world, place):
    """Neither those of another Redshift database nor those of a load."""
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


def test_database_of_an_earlier_version_gets_its_own_owner(world, place):
    """Earlier versions used the warehouse's owner; tables are kept, and the owner's other databases are not changed."""
    (_, settings), (workgroup, url_of) = world, place
    names = [f"redshift_{workgroup}_{database}" for database in ("old", "later")]
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        for name in names:
            ensure_database(connection, name, WAREHOUSE_OWNER)
    old, later = (conninfo.make_conninfo(settings.warehouse_url, dbname=name) for name in names)
    for url in (old, later, settings.warehouse_url):
        with psycopg.connect(url) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS staging")
            connection.execute("CREATE TABLE paid (n INTEGER GENERATED ALWAYS AS IDENTITY, x INTEGER)")
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


def test_restarted_endpoint_keeps_the_databases_and_changes_the_passwords(world, place):
    """Each endpoint sets a new password, and the rows are kept."""
    (state, _), (workgroup, url_of) = world, place
    before = url_of(workgroup, "d")
    with psycopg.connect(before) as connection:
        connection.execute("CREATE TABLE paid (x INTEGER)")

    after = databases.redshift_databases(state)(workgroup, "d")

    with psycopg.connect(after) as connection:
        connection.execute("DROP TABLE paid")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(before)


def test_concurrent_statements_share_one_new_database(place):
    """It is created once."""
    workgroup, url_of = place
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: url_of(workgroup, "d"), range(8)))

    (url,) = urls
    psycopg.connect(url).close()


@pytest.fixture
def lake(local_aws):
    """Return a local AWS and a bucket; the bucket and two folders outside the buckets have a Parquet file."""
    bucket = f"b{uuid4().hex[:12]}"
    local_aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for folder in (local_aws.state.root / "outside", local_aws.state.lake / "unknown", local_aws.state.lake / bucket):
        folder.mkdir(exist_ok=True)
        parquet.write_table(pa.table({"x": pa.array([7], pa.int32())}), folder / "part.parquet")
    return local_aws, bucket


@pytest.fixture
def copy(lake, make_database):
    """Return a function that runs COPY with a manifest, and returns the table's rows and the error."""
    aws, _ = lake
    url = make_database(owner=WAREHOUSE_OWNER)
    redshift.mount(lambda *_: url)
    client = aws.client("redshift-data")

    def run(manifest, table="paid"):
        identifier = table.replace('"', '""')
        statements = [
            f'CREATE TABLE "{identifier}" (x INTEGER)',
            f"COPY \"{identifier}\" FROM '{manifest}' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
            f'SELECT x FROM "{identifier}"',
        ]
        batch = client.batch_execute_statement(WorkgroupName="totelake", Database="warehouse", Sqls=statements)["Id"]
        while (description := client.describe_statement(Id=batch))["Status"] in {"SUBMITTED", "PICKED", "STARTED"}:
            time.sleep(0.02)
        if description["Status"] == "FAILED":
            return [], description["Error"]
        return client.get_statement_result(Id=f"{batch}:3")["Records"], ""

    return run


def manifest(folder, url):
    """Write a manifest with one entry, with the length of the folder's Parquet file, and return its name."""
    length = (folder / "part.parquet").stat().st_size
    (folder / "m").write_text(json.dumps({"entries": [{"url": url, "meta": {"content_length": length}}]}))
    return "m"


OUTSIDE_THE_BUCKETS = [
    "s3://../outside/",
    "s3://{bucket}/../../outside/",
    "s3://{root}/outside/",
    "s3://unknown/",
    "s3://{bucket}/link/",
]


@pytest.mark.parametrize("place", OUTSIDE_THE_BUCKETS)
def test_copy_rejects_a_manifest_outside_the_buckets(copy, lake, place):
    """Including folders that are not a bucket, and symlinks."""
    aws, bucket = lake
    for folder in (aws.state.root / "outside", aws.state.lake / "unknown", aws.state.lake / bucket):
        manifest(folder, f"s3://{bucket}/part.parquet")
    (aws.state.lake / bucket / "link").symlink_to(aws.state.root / "outside")
    address = f"{place.format(bucket=bucket, root=aws.state.root)}m"

    assert copy(address)[1].startswith(f"ERROR: Problem reading {address}: ")


@pytest.mark.parametrize("place", OUTSIDE_THE_BUCKETS)
def test_copy_rejects_files_outside_the_buckets(copy, lake, place):
    """The files are listed in a valid manifest."""
    aws, bucket = lake
    (aws.state.lake / bucket / "link").symlink_to(aws.state.root / "outside")
    address = f"{place.format(bucket=bucket, root=aws.state.root)}part.parquet"
    manifest(aws.state.lake / bucket, address)

    assert copy(f"s3://{bucket}/m")[1].startswith(f"ERROR: Problem reading {address}: ")


@pytest.mark.parametrize("name", ["paid", 'a"b', "ü x"])
def test_copy_loads_a_table_with_special_characters_in_its_name(copy, lake, name):
    """From an object of a bucket."""
    aws, bucket = lake
    manifest(aws.state.lake / bucket, f"s3://{bucket}/part.parquet")

    assert copy(f"s3://{bucket}/m", name) == ([[{"longValue": 7}]], "")
