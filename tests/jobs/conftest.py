"""Fixtures of the stage tests: each gets its own lake, two empty buckets as folders and their tables in the catalog."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest
from pyspark.sql import SparkSession

from ops.sandbox.postgres import Cluster
from tests import star_batches
from tests.lakes import Lake, empty_lake, few_rows, job_run, s3_endpoint
from tests.postgres_servers import WAREHOUSE_OWNER, login_of, superuser
from tests.warehouses import WarehouseUnderTest, postgres_side, redshift_side
from totelake.lake.zones import Zone
from totelake.runtime.connections import Login
from totelake.warehouse import load
from totelake.warehouse.redshift import shape
from totesys import roles, schema


@pytest.fixture(scope="module", autouse=True)
def _few_rows(spark: SparkSession) -> Iterator[None]:
    """Configure Spark for the few rows of these tests."""
    with few_rows(spark):
        yield


@pytest.fixture(scope="module")
def lake_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve all buckets from an endpoint; return the folder that they are in."""
    with s3_endpoint(tmp_path_factory.mktemp("lake")) as (buckets, variables), pytest.MonkeyPatch.context() as process:
        for name, value in variables.items():
            process.setenv(name, value)
        yield buckets


@pytest.fixture
def totesys(totesys_database: str) -> str:
    """Return the URL of a totesys with 200 sales orders, as its owner."""
    return totesys_database


@pytest.fixture
def reader(totesys_reader: str) -> Login:
    """Return the login with which the ingest stage reads the same totesys."""
    return login_of(totesys_reader)


@pytest.fixture(scope="module")
def shared_totesys(make_module_database: Callable[..., str], totesys_template: str) -> str:
    """Return the URL of one totesys shared by the tests of a module; changes carry over from test to test."""
    url = make_module_database(totesys_template, roles.OWNER)
    with psycopg.connect(url) as connection:
        schema.grant(connection, roles.READER)
    return url


@pytest.fixture(scope="module")
def shared_reader(shared_totesys: str) -> Login:
    """Return the login with which the ingest stage reads `shared_totesys`."""
    return replace(login_of(shared_totesys), user=roles.READER)


@pytest.fixture
def empty_reader(empty_totesys: str) -> Login:
    """Return the login with which the ingest stage reads the test's `empty_totesys`."""
    return replace(login_of(empty_totesys), user=roles.READER)


@pytest.fixture(scope="module")
def shared_lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Return one lake shared by the tests of a module, so that the first batch, the largest, is made once."""
    with empty_lake(lake_root, spark) as lake:
        yield lake


@pytest.fixture
def lake(lake_root: Path, spark: SparkSession) -> Iterator[Lake]:
    """Return a lake of two empty buckets and empty catalog tables."""
    with empty_lake(lake_root, spark) as lake:
        yield lake


@pytest.fixture(params=["postgres", "redshift"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of warehouse in turn."""
    return str(request.param)


@pytest.fixture
def processed(request: pytest.FixtureRequest, kind: str, lake_root: Path) -> str:
    """Return an empty processed bucket for that kind of warehouse: for Postgres a lake's, which Spark reads."""
    if kind == "postgres":
        return str(request.getfixturevalue("lake").processed)
    bucket = f"processed-{uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    return bucket


@pytest.fixture(scope="module")
def redshift_template(make_module_database: Callable[..., str], lake_root: Path) -> str:
    """Return the name of a template database that emulates Redshift and has all tables."""
    url = make_module_database(owner=WAREHOUSE_OWNER)
    shape.apply(redshift_side(url, "s3://nothing/is-copied").warehouse.api)
    return login_of(url).database


@pytest.fixture
def side(request: pytest.FixtureRequest, kind: str, processed: str, lake_root: Path) -> WarehouseUnderTest:
    """Return a warehouse of that kind without rows."""
    if kind == "postgres":
        return postgres_side(request.getfixturevalue("warehouse_database"))
    make_database, template = map(request.getfixturevalue, ("make_database", "redshift_template"))
    return redshift_side(make_database(template, WAREHOUSE_OWNER), f"s3://{processed}/temporary")


@pytest.fixture
def commit(processed: str) -> Callable[..., Any]:
    """Return a function that commits rows of star tables as the next batch of the processed bucket."""
    return partial(star_batches.commit, processed)


@pytest.fixture
def run_load(processed: str, side: WarehouseUnderTest) -> Callable[..., None]:
    """Return a function that runs the load stage once."""
    return lambda **arguments: load.run(job_run(**arguments), processed, side.warehouse)


@pytest.fixture
def admin(postgres_server: Cluster) -> Iterator[psycopg.Connection]:
    """Return a superuser's connection."""
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def partitions() -> Callable[[Zone, str], list[list[str]]]:
    """Return a function that lists the partitions registered in the catalog for a table."""

    def registered(zone: Zone, table: str) -> list[list[str]]:
        pages = (
            boto3.client("glue").get_paginator("get_partitions").paginate(DatabaseName=zone.database, TableName=table)
        )
        return sorted(partition["Values"] for page in pages for partition in page["Partitions"])

    return registered


@pytest.fixture
def query(side: WarehouseUnderTest) -> Callable[[str], list[Any]]:
    """Return a function that runs a query on the warehouse and returns its rows."""

    def rows(statement: str) -> list[Any]:
        with psycopg.connect(side.url) as connection:
            return connection.execute(statement).fetchall()

    return rows


@pytest.fixture
def execute(side: WarehouseUnderTest) -> Callable[[str], list[Any]]:
    """Return a function that runs a script in the warehouse and returns the rows of its last statement."""

    def run(script: str) -> list[Any]:
        with psycopg.connect(side.url) as connection:
            cursor = connection.execute(script)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    return run
