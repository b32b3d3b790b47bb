"""A totesys, a lake and a warehouse of their own, which go back to their beginning in a fraction of a second."""

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
from tests.chaos.warm import Job, WarmSpark
from tests.lakes import FEW_ROWS, Lake, empty_lake, job_run, s3_endpoint
from tests.postgres_servers import WAREHOUSE_OWNER, login_of
from totelake import ingest, transform
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime.connections import Login
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres
from totesys import roles, schema, seed

REGION = "eu-west-2"
SALES_ORDERS = 12
# A database that is made anew under the same number still is the one of the last batch.
_FIRST_OID = 60_000
_SETTLES_WITHIN = 30.0
_SETTINGS = FEW_ROWS | {
    "spark.default.parallelism": "1",
    "spark.shuffle.compress": "false",
    "spark.broadcast.compress": "false",
    # Room for what a run leaves behind, so that it is seldom moved to where only a full collection finds it.
    "spark.driver.extraJavaOptions": "-Xms1g -Xmn500m",
    # What a JVM of a thousand runs would remember of them all.
    "spark.sql.ui.retainedExecutions": "1",
    "spark.ui.retainedJobs": "1",
    "spark.ui.retainedStages": "1",
}
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND usename = ANY(%s)"
)
_SHARES = {"ingest": {"deletable_share": "1"}, "transform": {"quarantine_share": "1"}}
BASE, EMPTY = "base", "empty"
# The tables that have a copy and a child beside them, older than the first batch.
DOUBLED = ("payment", "sales_order", "department", "design")
# The one that has its child from the beginning.
ATTACHED = "design"


@dataclass
class Site:
    """One place at which histories take place, one after the other.

    `server` is the URL of the Postgres server, with places for `database` and `role`; `admin` is its superuser's.
    """

    number: int
    server: str
    folder: Path
    lake: Lake
    warm: WarmSpark
    admin: psycopg.Connection[Any]
    catalogs: dict[str, Any] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def totesys(self) -> str:
        """The URL of totesys, as its owner."""
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
        """Return what a process runs as the `stage`; any number of rows may be deleted, and held back."""
        run = job_run(**_SHARES.get(stage, {}))
        jobs: dict[str, Job] = {
            "ingest": lambda: ingest.run(run, self.reader, self.lake.ingested),
            "transform": lambda: transform.run(run, self.lake.ingested, self.lake.processed),
            "load": lambda: load.run(run, self.lake.processed, Postgres(self.warehouse)),
        }
        return jobs[stage]

    def keep_as(self, name: str) -> None:
        """Keep the state of everything under `name`."""
        for database in ("totesys", "warehouse"):
            self._copy_database(f"{database}_{self.number}", f"{name}_{database}_{self.number}")
        shutil.copytree(self.lake.folder, self.folder / name, dirs_exist_ok=True)
        self.catalogs[name] = copy.deepcopy(self.glue.databases)

    def go_back_to(self, name: str) -> None:
        """Make everything as it was when it was kept under `name`."""
        for offset, database in enumerate(("totesys", "warehouse")):
            oid = _FIRST_OID + 2 * self.number + offset
            self._copy_database(f"{name}_{database}_{self.number}", f"{database}_{self.number}", oid)
        for bucket in (self.lake.ingested, self.lake.processed):
            shutil.rmtree(self.lake.folder / bucket)
            shutil.copytree(self.folder / name / bucket, self.lake.folder / bucket, copy_function=shutil.copyfile)
        self.glue.databases = copy.deepcopy(self.catalogs[name])
        self.checksums = {}
        self.note_committed()

    def await_quiet(self) -> None:
        """Wait until Postgres has noticed that the clients of a killed process are gone."""
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

    def note_committed(self) -> None:
        """Take the checksum of every file of a committed batch that has none yet."""
        for bucket in (self.lake.ingested, self.lake.processed):
            for record in sorted((self.lake.folder / bucket / "log").glob("*.json")):
                if (name := str(record.relative_to(self.lake.folder))) not in self.checksums:
                    self.checksums |= {path: self.checksum(path) for path in [name, *self._files_of(bucket, record)]}

    def batches(self) -> list[oracle.Batch]:
        """Return what the oracle has to know of the ingested batches."""
        return [
            oracle.Batch(
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
        """The databases of the catalog, as the endpoint has them."""
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
        """Yield the files of the batch that `record` describes, those with the rows held back included."""
        batch = json.loads(record.read_text())
        for part in (*batch["tables"].values(), *batch.get("held", {}).values()):
            files = (self.lake.folder / bucket / part["path"]).rglob("*.parquet")
            yield from (str(file.relative_to(self.lake.folder)) for file in files)

    def checksum(self, path: str) -> str:
        """Return the checksum of the file at `path` below the lake's folder, `gone` where it is not there."""
        file = self.lake.folder / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "gone"


def _snapshot(batch: IngestedBatch) -> str:
    snapshot = batch.snapshot
    return f"{snapshot.xmin}:{snapshot.xmax}:{','.join(map(str, sorted(snapshot.xip)))}"


@contextmanager
def site(number: int, server: str, folder: Path) -> Iterator[Site]:
    """Make a site on the Postgres server whose URLs `server` spells, in the empty `folder`, with two beginnings.

    `EMPTY`: totesys has rows, and nothing was ingested. `BASE`: all of it went through all stages.
    """
    superuser = server.format(database="postgres", role="postgres")
    with s3_endpoint(folder / "world") as (buckets, variables), psycopg.connect(superuser, autocommit=True) as admin:
        os.environ.update(variables)
        os.environ.update(environment(State(folder / "world"), conf=_SETTINGS, driver_memory="1g"))
        spark = SparkSession.builder.getOrCreate()
        with empty_lake(buckets, spark) as lake:
            made = Site(number, server, folder, lake, WarmSpark(spark, folder / "jobs.log"), admin)
            _begin(made)
            yield made
        spark.stop()


def _begin(made: Site) -> None:
    number, admin = made.number, made.admin
    for offset, (name, owner) in enumerate((("totesys", roles.OWNER), ("warehouse", WAREHOUSE_OWNER))):
        statement = sql.SQL("CREATE DATABASE {} OWNER {} OID {}")
        oid = _FIRST_OID + 2 * number + offset
        admin.execute(statement.format(sql.Identifier(f"{name}_{number}"), sql.Identifier(owner), oid))
    with psycopg.connect(made.totesys) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(made.totesys, sales_orders=SALES_ORDERS)
    with psycopg.connect(made.totesys) as connection:
        oracle.keep_trail(connection)
        for table in DOUBLED:
            restructuring.make_copy(connection, table)
            restructuring.make_child(connection, table)
        restructuring.inherit(connection, ATTACHED)
        oracle.note_restructured(connection, ATTACHED)
    made.keep_as(EMPTY)
    for stage in ("ingest", "transform", "load"):
        outcome = made.warm.run(made.job(stage))
        if outcome.error:
            raise RuntimeError(f"the first {stage} failed: {outcome.error}")
    made.await_quiet()
    made.keep_as(BASE)
