"""A totesys that keeps an audit trail, a lake, and the real ingest stage between them."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import psycopg
from psycopg import sql
from pyarrow import dataset
from pyspark.sql import SparkSession

from local_aws.spark import environment
from local_aws.state import State
from ops.sandbox.postgres import Cluster
from tests import lakes, postgres_servers
from tests.chaos import audit
from tests.chaos.audit import Values, place_of_key
from tests.chaos.schedules import Row
from totelake import ingest
from totelake.lake.batches import IngestedBatch
from totelake.runtime.connections import Login
from totelake.tables import SOURCE_TABLES
from totesys import roles, schema, seed

_DATABASE = "totesys"

# So many transactions may be open at a time. Without autovacuum nobody but them takes a transaction id, so that the
# moment of an audit can be told to be the moment of a batch.
_SERVER = {"max_connections": "900", "max_prepared_transactions": "900", "autovacuum": "off"}


class Version(NamedTuple):
    """A version of a row as the raw lake has it."""

    row: Row
    op: str
    values: Values

    def __str__(self) -> str:
        """Name the row and tell its values."""
        return f"{self.row.table} {self.row.key} {self.op} ({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class World:
    """An audited totesys, by its owner's URL and by the login that the ingest reads it with, and a lake."""

    url: str
    reader: Login
    lake: lakes.Lake

    def ingest(self) -> IngestedBatch | None:
        """Run the ingest stage once; any share of a table may vanish, and its work lines are not shown."""
        with redirect_stdout(StringIO()):
            return ingest.run(lakes.job_run(deletable_share="1.0"), self.reader, self.lake.ingested)

    def landed(self, batch: IngestedBatch | None) -> list[Version]:
        """Return what `batch` has brought to the raw lake."""
        versions = []
        for name, part in batch.tables.items() if batch else ():
            table = SOURCE_TABLES[name]
            place = place_of_key(table)
            folder = self.lake.folder / self.lake.ingested / part.path
            rows = dataset.dataset(folder, format="parquet").to_table(["_op", "_source_version", *table.column_names])
            for op, version, *values in zip(*rows.to_pydict().values(), strict=True):
                versions.append(Version(Row(name, values[place]), op, (version, *values)))
        return versions


@contextmanager
def world(spark: SparkSession | None = None) -> Iterator[World]:
    """Make a world on the session `spark`, or on one of its own, and remove it after the block."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the endpoint would tell of every request
    with tempfile.TemporaryDirectory(prefix="totelake-interleavings-") as name, patch.dict(os.environ):
        folder = Path(name)
        session = spark or _spark(folder / "spark")
        try:
            with (
                postgres_servers.postgres(**_SERVER) as cluster,
                lakes.s3_endpoint(folder / "aws") as (buckets, variables),
            ):
                os.environ.update(variables)
                url = _audited_totesys(cluster)
                with lakes.empty_lake(buckets, session) as lake:
                    yield World(url, postgres_servers.login_of(postgres_servers.as_role(url, roles.READER)), lake)
        finally:
            if session is not spark:
                session.stop()


def _spark(folder: Path) -> SparkSession:
    os.environ.update(environment(State(folder)))
    return SparkSession.builder.getOrCreate()


def _audited_totesys(cluster: Cluster) -> str:
    with psycopg.connect(postgres_servers.superuser(cluster, "postgres"), autocommit=True) as connection:
        names = [sql.Identifier(name) for name in (_DATABASE, roles.OWNER)]
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    url = cluster.url(_DATABASE, roles.OWNER, postgres_servers.PASSWORD)
    with psycopg.connect(url) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(url, sales_orders=20)
    with psycopg.connect(url) as connection:
        audit.keep(connection)
    return url
