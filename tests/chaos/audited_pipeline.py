"""A totesys with an audit trail, a lake, and the real ingest stage between them."""

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
from tests.chaos.audit import Values, key_index
from tests.chaos.schedules import RowId
from totelake import ingest
from totelake.lake.batches import IngestedBatch
from totelake.runtime.connections import Login
from totelake.tables import SOURCE_TABLES
from totesys import roles, schema, seed

_DATABASE = "totesys"

# Limits for concurrently open transactions. Without autovacuum only they use transaction ids, so that the snapshot of
# the audit can be compared with that of the batch.
_SERVER = {"max_connections": "900", "max_prepared_transactions": "900", "autovacuum": "off"}


class RowVersion(NamedTuple):
    """A version of a row in the raw zone."""

    row: RowId
    op: str
    values: Values

    def __str__(self) -> str:
        """Return the row and its values."""
        return f"{self.row.table} {self.row.key} {self.op} ({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class AuditedPipeline:
    """An audited totesys, with its owner's URL and the ingest's login, and a lake."""

    url: str
    reader: Login
    lake: lakes.Lake

    def ingest(self) -> IngestedBatch | None:
        """Run the ingest stage once; any share of a table may be deleted, and the log is not printed."""
        with redirect_stdout(StringIO()):
            return ingest.run(lakes.job_run(deletable_share="1.0"), self.reader, self.lake.ingested)

    def ingested_versions(self, batch: IngestedBatch | None) -> list[RowVersion]:
        """Return the row versions that `batch` has written to the raw zone."""
        versions = []
        for name, part in batch.tables.items() if batch else ():
            table = SOURCE_TABLES[name]
            place = key_index(table)
            folder = self.lake.folder / self.lake.ingested / part.path
            rows = dataset.dataset(folder, format="parquet").to_table(["_op", "_source_version", *table.column_names])
            for op, version, *values in zip(*rows.to_pydict().values(), strict=True):
                versions.append(RowVersion(RowId(name, values[place]), op, (version, *values)))
        return versions


@contextmanager
def audited_pipeline(spark: SparkSession | None = None) -> Iterator[AuditedPipeline]:
    """Yield an audited pipeline with the session `spark`, or with its own; remove it after the block."""
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
                    yield AuditedPipeline(
                        url, postgres_servers.login_of(postgres_servers.as_role(url, roles.READER)), lake
                    )
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
        audit.install(connection)
    return url
