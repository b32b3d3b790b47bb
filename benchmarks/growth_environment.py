"""The environment of a benchmark in one process: a Postgres server, a local AWS, and Spark as in a Glue job."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from pyspark.sql import SparkSession

from local_aws.spark import environment
from local_aws.state import State
from ops.sandbox.postgres import Cluster
from tests.lakes import Lake, empty_lake, s3_endpoint
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, login_of, postgres, superuser
from totelake.runtime.connections import Login
from totelake.tables import SOURCE_TABLES
from totesys import roles, schema, seed

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Totesys:
    """The database of a totesys: its owner's URL, and the login of the ingest."""

    url: str

    @property
    def reader(self) -> Login:
        """The login with which the ingest reads it."""
        return replace(login_of(self.url), user=roles.READER)

    def bytes(self) -> int:
        """Return the size of its tables, without indexes: what a scan reads."""
        with psycopg.connect(self.url) as connection:
            sizes = [
                connection.execute("SELECT pg_table_size(%s::regclass)", (f"public.{name}",)).fetchone() or (0,)
                for name in SOURCE_TABLES
            ]
        return sum(size for (size,) in sizes)


@dataclass(frozen=True)
class Environment:
    """A Postgres server, the folder of the buckets of the local AWS, and a Spark session."""

    server: Cluster
    buckets: Path
    spark: SparkSession

    def totesys(self, *, orders: int = 0, like: Totesys | None = None) -> Totesys:
        """Create a totesys with so many sales orders, or a copy of another one, which nobody uses meanwhile."""
        template = login_of(like.url).database if like else "template1"
        totesys = Totesys(self._database(roles.OWNER, template))
        with psycopg.connect(totesys.url) as connection:
            if like:
                schema.grant(connection, roles.READER)
            else:
                schema.create(connection, reader=roles.READER)
        if not like:
            seed.seed(totesys.url, sales_orders=orders)
        return totesys

    def warehouse(self) -> Login:
        """Create an empty database for a warehouse."""
        return login_of(self._database(WAREHOUSE_OWNER, "template1"))

    @contextmanager
    def lake(self) -> Iterator[Lake]:
        """Create an empty lake, the only one until the block ends."""
        with empty_lake(self.buckets, self.spark) as lake:
            yield lake

    def _database(self, owner: str, template: str) -> str:
        """Create a database, and return its owner's URL."""
        name = f"growth_{uuid4().hex[:8]}"
        names = [sql.Identifier(each) for each in (name, template, owner)]
        with psycopg.connect(superuser(self.server, "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
        return self.server.url(name, owner, PASSWORD)


@contextmanager
def started(folder: Path) -> Iterator[Environment]:
    """Start the environment with the files of AWS and Spark in `folder`; stop it after the block."""
    with postgres() as server, s3_endpoint(folder / "aws") as (buckets, variables):
        packages = os.pathsep.join((str(ROOT / "glue_jobs"), str(ROOT)))
        os.environ |= environment(State(folder / "spark")) | variables | {"PYTHONPATH": packages}
        spark = SparkSession.builder.getOrCreate()
        try:
            yield Environment(server, buckets, spark)
        finally:
            spark.stop()
