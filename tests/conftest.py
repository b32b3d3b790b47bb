"""Fixtures for all tests: a real Postgres, with a fresh database per test, and Spark; marks for what a test needs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from ops.sandbox.postgres import SUPERUSER, Cluster
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, as_role, login_of, postgres, superuser
from totesys import roles, schema, seed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from totelake.runtime.connections import Login

# A scheduled run in the middle of a test would disturb it.
os.environ.setdefault("TOTELAKE_SCHEDULES", "0")

REPOSITORY = Path(__file__).resolve().parents[1]
TEMPLATE = "totesys_template"

type MakeDatabase = Callable[..., str]

_MARKS_OF_FIXTURES = {
    "postgres_server": "postgres",
    "spark": "spark",
    "window": "browser",
    "configuration": "terraform",
}
_MARKS_OF_FOLDERS = {"e2e": "world", "terraform": "terraform"}


def pytest_configure() -> None:
    """Accept SIGINT: in the background a shell ignores it, and so would the processes to which tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs, by its fixtures and its folder; other marks are set on the test itself."""
    for item in items:
        marks = {_MARKS_OF_FIXTURES.get(name) for name in getattr(item, "fixturenames", ())}
        marks.add(_MARKS_OF_FOLDERS.get(item.path.parent.name))
        for mark in marks - {None}:
            item.add_marker(mark)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Cluster]:
    """Start a Postgres server with the platform's roles; it is removed when the session ends, also by a failure."""
    with postgres() as cluster:
        yield cluster


@pytest.fixture
def make_database(postgres_server: Cluster) -> Iterator[MakeDatabase]:
    """Return `make(template="template1", owner="postgres")`, which creates a database and returns its owner's URL."""
    with _databases(postgres_server) as make:
        yield make


@pytest.fixture(scope="module")
def make_module_database(postgres_server: Cluster) -> Iterator[MakeDatabase]:
    """Return a `make_database` whose databases are shared by all tests of a module, which must not change them."""
    with _databases(postgres_server) as make:
        yield make


@contextmanager
def _databases(server: Cluster) -> Iterator[MakeDatabase]:
    created: list[str] = []
    with psycopg.connect(superuser(server, "postgres"), autocommit=True) as connection:

        def make(template: str = "template1", owner: str = SUPERUSER) -> str:
            created.append(f"test_{uuid4().hex}")
            names = [sql.Identifier(name) for name in (created[-1], template, owner)]
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
            return server.url(created[-1], owner, PASSWORD)

        try:
            yield make
        finally:
            for name in created:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def totesys_template(postgres_server: Cluster) -> str:
    """Seed a totesys with 200 sales orders once, and return the name of its database, a template for copies."""
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
        names = [sql.Identifier(name) for name in (TEMPLATE, roles.OWNER)]
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    url = postgres_server.url(TEMPLATE, roles.OWNER, PASSWORD)
    with psycopg.connect(url) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(url, sales_orders=200)
    return TEMPLATE


@pytest.fixture
def totesys_database(make_database: MakeDatabase, totesys_template: str) -> str:
    """Return the owner's URL of a new totesys with 200 sales orders."""
    url = make_database(totesys_template, roles.OWNER)
    with psycopg.connect(url) as connection:
        schema.grant(connection, roles.READER)
    return url


@pytest.fixture
def totesys_reader(totesys_database: str) -> str:
    """Return the read-only role's URL of the test's `totesys_database`, as the ingest uses it."""
    return as_role(totesys_database, roles.READER)


@pytest.fixture
def empty_totesys(make_database: MakeDatabase) -> str:
    """Return the owner's URL of a new totesys whose tables are empty."""
    url = make_database(owner=roles.OWNER)
    with psycopg.connect(url) as connection:
        schema.create(connection, reader=roles.READER)
    return url


@pytest.fixture
def warehouse_database(make_database: MakeDatabase) -> str:
    """Return the owner's URL of a new empty database."""
    return make_database(owner=WAREHOUSE_OWNER)


@pytest.fixture
def warehouse(warehouse_database: str) -> Login:
    """Return the login to the test's `warehouse_database`, as the load uses it."""
    return login_of(warehouse_database)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Start Spark once, configured as for a Glue job of a local environment; the lake has no bucket yet."""
    # Importing Spark takes a second, and most tests do not need it.
    from pyspark.sql import SparkSession  # noqa: PLC0415

    from local_aws.spark import environment  # noqa: PLC0415
    from local_aws.state import State  # noqa: PLC0415

    packages = os.pathsep.join(str(REPOSITORY / folder) for folder in ("glue_jobs", "."))
    # Java's second compiler would take a third of the CPU time, and pays off only with more rows than tests have.
    conf = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -Xmn400m"}
    variables = environment(State(tmp_path_factory.mktemp("spark")), conf=conf) | {"PYTHONPATH": packages}
    with pytest.MonkeyPatch.context() as process:
        for name, value in variables.items():
            process.setenv(name, value)
        session = SparkSession.builder.getOrCreate()
        yield session
        session.stop()
