"""A totesys, a lake and a warehouse that can be restored to a saved state in a fraction of a second."""

import copy
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from moto.core import DEFAULT_ACCOUNT_ID
from moto.glue.models import glue_backends
from psycopg import sql
from pyspark.sql import SparkSession

from local_aws.spark import environment
from local_aws.state import State
from tests.chaos import oracle, restructuring
from tests.chaos.shared_jvm import Job, SharedJvm
from tests.lakes import Lake, empty_lake, job_run, s3_endpoint
from tests.postgres_servers import WAREHOUSE_OWNER, login_of
from totelake import compact, ingest, transform
from totelake.compact import plan
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime.connections import Login
from totelake.runtime.glue import FOR_FEW_ROWS
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres
from totesys import roles, schema, seed

REGION = "eu-west-2"
SALES_ORDERS = 12
# A database recreated with the same OID is still the one of the last batch.
_FIRST_OID = 60_000
_SETTLES_WITHIN = 30.0
# A compaction merges the batches of a history although they have few rows.
_MERGES_ALL = 1_000_000
_SETTINGS = FOR_FEW_ROWS | {
    "spark.default.parallelism": "1",
    "spark.shuffle.compress": "false",
    "spark.broadcast.compress": "false",
    # Room for the garbage of a run, so that it is seldom promoted to where only a full GC collects it.
    "spark.driver.extraJavaOptions": "-Xms1g -Xmn500m",
    # Keep no history of past runs.
    "spark.sql.ui.retainedExecutions": "1",
    "spark.ui.retainedJobs": "1",
    "spark.ui.retainedStages": "1",
}
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND usename = ANY(%s)"
)
_SHARES = {"ingest": {"deletable_share": "1"}, "transform": {"quarantine_share": "1"}}
BASE, EMPTY = "base", "empty"
# The tables with a copy and a child older than the first batch.
TABLES_WITH_COPY = ("payment", "sales_order", "department", "design")
# The table whose child is attached from the beginning.
TABLE_WITH_CHILD = "design"


@dataclass
class PipelineTestbed:
    """Databases and buckets in which histories run one after the other.

    `server` is the URL of the Postgres server with placeholders for `database` and `role`; `admin` is a superuser's.
    """

    number: int
    server: str
    folder: Path
    lake: Lake
    jvm: SharedJvm
    admin: psycopg.Connection[Any]
    catalogs: dict[str, Any] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def totesys(self) -> str:
        """The URL of totesys for its owner."""
        return self._url(f"totesys_{self.number}", roles.OWNER)

    @property
    def reader(self) -> Login:
        """The login of the ingest."""
        return login_of(self._url(f"totesys_{self.number}", roles.READER))

    @property
    def warehouse(self) -> Login:
        """The login of the load."""
        return login_of(self._url(f"warehouse_{self.number}", WAREHOUSE_OWNER))

    def job(self, stage: str) -> Job:
        """Return the job that runs `stage`; any share of rows may be deleted or quarantined."""
        run = job_run(**_SHARES.get(stage, {}))
        jobs: dict[str, Job] = {
            "ingest": lambda: ingest.run(run, self.reader, self.lake.ingested),
            "transform": lambda: transform.run(run, self.lake.ingested, self.lake.processed),
            "load": lambda: load.run(run, self.lake.processed, Postgres(self.warehouse)),
            "compact": lambda: compact.run(run, self.lake.ingested, self.lake.processed),
        }
        return jobs[stage]

    def save_state(self, name: str) -> None:
        """Save the state of databases, buckets and catalog as `name`."""
        for database in ("totesys", "warehouse"):
            self._copy_database(f"{database}_{self.number}", f"{name}_{database}_{self.number}")
        shutil.copytree(self.lake.folder, self.folder / name, dirs_exist_ok=True)
        self.catalogs[name] = copy.deepcopy(self.glue.databases)

    def restore_state(self, name: str) -> None:
        """Restore the state saved as `name`."""
        for offset, database in enumerate(("totesys", "warehouse")):
            oid = _FIRST_OID + 2 * self.number + offset
            self._copy_database(f"{name}_{database}_{self.number}", f"{database}_{self.number}", oid)
        for bucket in (self.lake.ingested, self.lake.processed):
            shutil.rmtree(self.lake.folder / bucket)
            shutil.copytree(self.folder / name / bucket, self.lake.folder / bucket, copy_function=shutil.copyfile)
        self.glue.databases = copy.deepcopy(self.catalogs[name])
        self.checksums = {}
        self.record_checksums()

    def wait_for_disconnects(self) -> None:
        """Wait until Postgres has closed the sessions of a killed process."""
        databases = [f"totesys_{self.number}", f"warehouse_{self.number}"]
        deadline = time.monotonic() + _SETTLES_WITHIN
        while self.admin.execute(_SESSIONS, (databases, [roles.READER, WAREHOUSE_OWNER])).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise TimeoutError(f"sessions of a killed process are still there after {_SETTLES_WITHIN:g} s")
            time.sleep(0.01)

    def ingested(self) -> list[IngestedBatch]:
        """Return the committed batches of the ingested zone."""
        return CommitLog(self.lake.ingested, IngestedBatch).since(0)

    def processed(self) -> list[ProcessedBatch]:
        """Return the committed batches of the processed zone."""
        return CommitLog(self.lake.processed, ProcessedBatch).since(0)

    def record_checksums(self) -> None:
        """Record the checksum of every committed file that has none yet."""
        for bucket in (self.lake.ingested, self.lake.processed):
            for record in sorted((self.lake.folder / bucket / "log").glob("*.json")):
                if (name := str(record.relative_to(self.lake.folder))) not in self.checksums:
                    self.checksums |= {path: self.checksum(path) for path in [name, *self._files_of(bucket, record)]}

    def batches(self) -> list[oracle.OracleBatch]:
        """Return the ingested batches in the form of the oracle."""
        return [
            oracle.OracleBatch(
                batch.sequence,
                _snapshot(batch),
                batch.snapshot.taken_at.rstrip("Z"),
                frozenset(getattr(batch, "reloaded", {})),
            )
            for batch in self.ingested()
        ]

    def last_snapshot(self) -> str | None:
        """Return the snapshot of the last ingested batch, None before the first one."""
        batches = self.ingested()
        return _snapshot(batches[-1]) if batches else None

    @property
    def glue(self) -> Any:
        """The catalog's databases in the endpoint."""
        return glue_backends[DEFAULT_ACCOUNT_ID][REGION]

    def _url(self, database: str, role: str) -> str:
        return self.server.format(database=database, role=role)

    def _copy_database(self, template: str, name: str, oid: int | None = None) -> None:
        self.admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        owner = roles.OWNER if "totesys" in name else WAREHOUSE_OWNER
        number = sql.SQL(" OID {}").format(oid) if oid else sql.SQL("")
        self.admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}{}").format(
                sql.Identifier(name), sql.Identifier(template), sql.Identifier(owner), number
            )
        )

    def _files_of(self, bucket: str, record: Path) -> Iterator[str]:
        """Yield the files of the batch that `record` describes, including quarantined rows."""
        batch = json.loads(record.read_text())
        for part in (*batch["tables"].values(), *batch.get("held", {}).values()):
            files = (self.lake.folder / bucket / part["path"]).rglob("*.parquet")
            yield from (str(file.relative_to(self.lake.folder)) for file in files)

    def checksum(self, path: str) -> str:
        """Return the checksum of the file at `path` below the lake's folder, `missing` if there is none."""
        file = self.lake.folder / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "missing"


def _snapshot(batch: IngestedBatch) -> str:
    snapshot = batch.snapshot
    return f"{snapshot.xmin}:{snapshot.xmax}:{','.join(map(str, sorted(snapshot.xip)))}"


@contextmanager
def make_testbed(number: int, server: str, folder: Path) -> Iterator[PipelineTestbed]:
    """Create a testbed in the empty `folder`, on the server with the URL template `server`, with two saved states.

    `EMPTY`: totesys has rows, and nothing was ingested. `BASE`: all stages have run.
    """
    superuser = server.format(database="postgres", role="postgres")
    with s3_endpoint(folder / "world") as (buckets, variables), psycopg.connect(superuser, autocommit=True) as admin:
        os.environ.update(variables)
        os.environ.update(environment(State(folder / "world"), conf=_SETTINGS, driver_memory="1g"))
        spark = SparkSession.builder.getOrCreate()
        plan.RATIO = _MERGES_ALL
        with empty_lake(buckets, spark) as lake:
            testbed = PipelineTestbed(number, server, folder, lake, SharedJvm(spark, folder / "jobs.log"), admin)
            _initialize(testbed)
            yield testbed
        spark.stop()


def _initialize(testbed: PipelineTestbed) -> None:
    number, admin = testbed.number, testbed.admin
    for offset, (name, owner) in enumerate((("totesys", roles.OWNER), ("warehouse", WAREHOUSE_OWNER))):
        statement = sql.SQL("CREATE DATABASE {} OWNER {} OID {}")
        oid = _FIRST_OID + 2 * number + offset
        admin.execute(statement.format(sql.Identifier(f"{name}_{number}"), sql.Identifier(owner), oid))
    with psycopg.connect(testbed.totesys) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(testbed.totesys, sales_orders=SALES_ORDERS)
    with psycopg.connect(testbed.totesys) as connection:
        oracle.install_trail(connection)
        for table in TABLES_WITH_COPY:
            restructuring.make_copy(connection, table)
            restructuring.make_child(connection, table)
        restructuring.attach_child(connection, TABLE_WITH_CHILD)
        oracle.record_restructuring(connection, TABLE_WITH_CHILD)
    testbed.save_state(EMPTY)
    for stage in ("ingest", "transform", "load"):
        outcome = testbed.jvm.run(testbed.job(stage))
        if outcome.error:
            raise RuntimeError(f"the first {stage} failed: {outcome.error}")
    testbed.wait_for_disconnects()
    testbed.save_state(BASE)
