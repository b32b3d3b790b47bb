"""Outages of what a run stands on: it outlasts the short ones, fails in the long ones, and the next run makes good."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pyspark.sql import SparkSession

from local_aws.state import State
from tests.chaos.outages import Endpoint, World, all_is_well, at, business_goes_on, restart
from tests.lakes import Lake, empty_lake, few_rows
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, login_of, postgres
from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime import failpoints, retry
from totelake.runtime.connections import Login
from totelake.runtime.errors import AwsUnavailableError, DatabaseUnavailableError, StorageFullError
from totesys import roles, schema, seed

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[World]:
    """Start the world that the tests of this module break."""
    state = State(tmp_path_factory.mktemp("outages"))
    with few_rows(spark), postgres() as cluster, pytest.MonkeyPatch.context() as process:
        endpoint = Endpoint(state)
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint.port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "eu-west-2",
            "AWS_MAX_ATTEMPTS": "1",  # boto's own patience would hide that of the run, and take its time
        }.items():
            process.setenv(name, value)
        url = cluster.url("totesys", roles.OWNER, PASSWORD)
        world = World(cluster, endpoint, state.lake, spark, url)
        world.as_superuser(sql.SQL("CREATE DATABASE totesys OWNER {}").format(sql.Identifier(roles.OWNER)))
        with psycopg.connect(url) as connection:
            schema.create(connection, reader=roles.READER)
        seed.seed(url, sales_orders=100)
        yield world
        endpoint.stop()


def is_well(world: World, lake: Lake, warehouse: Login) -> None:
    """Hold the warehouse to totesys and to the log of the lake."""
    committed = [(batch.sequence, batch.batch_id) for batch in CommitLog(lake.processed, ProcessedBatch).since(0)]
    all_is_well(world.totesys, warehouse.conninfo, committed)


@pytest.fixture
def disk() -> Iterator[Callable[[Path, str], None]]:
    """Return a function that puts a small disk of its own in the place of an empty folder."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        owner = folder.stat()
        options = f"size={size},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode:
            pytest.skip(f"a disk that is full needs the right to mount one: {ended.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def leave_room(folder: Path, size: int = 100 * 2**20) -> None:
    """Make the disk in the place of `folder` so large that `size` bytes more have room on it."""
    disk = os.statvfs(folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + size}", str(folder)], check=True)


def attempts_below(folder: Path) -> set[str]:
    """Return the attempts that left a file of any table, committed or not."""
    return {path.parts[-2] for path in folder.glob("*/batch_id=*/*") if path.name != "_temporary"}


@pytest.fixture
def small_disk(world: World, disk: Callable[[Path, str], None]) -> Iterator[Path]:
    """Return the place of a disk that holds an empty warehouse called `small` and has room for little else."""
    folder = Path(tempfile.mkdtemp(prefix="totelake-tablespace-"))  # not below a folder that only root may enter
    owner = world.cluster.folder.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    disk(folder, "100m")
    world.as_superuser(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(folder)))
    world.warehouse("small", tablespace="small")
    leave_room(folder, 2**19)
    yield folder
    world.as_superuser(sql.SQL("DROP DATABASE small WITH (FORCE)"))
    world.as_superuser(sql.SQL("DROP TABLESPACE small"))


def test_a_run_fails_on_a_full_disk_and_the_next_one_goes_on(world, disk, small_disk):
    """The lake's or the warehouse's: the error says so, and what was written until then is read by nobody."""
    with empty_lake(world.lake_root, world.spark) as lake:
        ingested, processed = (world.lake_root / bucket / "tables" for bucket in (lake.ingested, lake.processed))
        disk(ingested, "64k")
        disk(processed, "100k")
        with pytest.raises(StorageFullError, match=r"No space left on device.* Make room and run again"):
            lake.ingest(world.reader)
        leave_room(ingested)
        lake.ingest(world.reader)
        with pytest.raises(StorageFullError, match=r"No space left on device.* Make room and run again"):
            lake.transform()
        leave_room(processed)
        lake.transform()

        assert [len(attempts_below(folder)) for folder in (ingested, processed)] == [2, 2]
        warehouse = login_of(world.cluster.url("small", WAREHOUSE_OWNER, PASSWORD))
        with pytest.raises(StorageFullError, match=r"No space left on device.* Make room and run again"):
            lake.load(warehouse)
        leave_room(small_disk)
        lake.load(warehouse)
        is_well(world, lake, warehouse)


@pytest.fixture(scope="module")
def lake(world: World) -> Iterator[Lake]:
    """Return the lake that the restarts happen to."""
    with empty_lake(world.lake_root, world.spark) as lake:
        yield lake


@pytest.fixture(scope="module")
def warehouse(world: World) -> Login:
    """Return the warehouse that they happen to."""
    return world.warehouse("warehouse")


def test_a_run_outlasts_restarts(world, lake, warehouse, monkeypatch, capsys):
    """Of totesys while it is read, of AWS while files are written, of the warehouse before the merge is committed."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.25)
    with restart(failpoints.TABLE_WRITTEN, world.crash, world.cluster.start):
        lake.ingest(world.reader)
    with restart(failpoints.BEFORE_LOG_CREATED, world.endpoint.stop, world.endpoint.start):
        lake.transform()
    with restart(failpoints.BEFORE_MERGE_COMMITTED, world.cluster.stop, world.cluster.start):
        lake.load(warehouse)

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {line["stage"] for line in said if line["event"] == "retry"} == {"ingest", "transform", "load"}
    is_well(world, lake, warehouse)


def test_a_run_fails_in_an_outage_that_stays_and_the_next_one_goes_on(world, lake, warehouse, monkeypatch):
    """In each stage; the warehouse goes with a table in staging, and again with everything merged but not committed."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    business_goes_on(world.totesys)
    with at(failpoints.SNAPSHOT_EXPORTED, world.cluster.stop), pytest.raises(DatabaseUnavailableError, match="totesys"):
        lake.ingest(world.reader)
    world.cluster.start()
    lake.ingest(world.reader)

    with at(failpoints.TABLE_WRITTEN, world.endpoint.stop), pytest.raises(AwsUnavailableError):
        lake.transform()
    world.endpoint.start()
    lake.transform()

    for boundary, stop in {
        failpoints.TABLE_STAGED: world.crash,
        failpoints.BEFORE_MERGE_COMMITTED: world.cluster.stop,
    }.items():
        with at(boundary, stop), pytest.raises(DatabaseUnavailableError, match="the warehouse"):
            lake.load(warehouse)
        world.cluster.start()
    lake.load(warehouse)

    is_well(world, lake, warehouse)
