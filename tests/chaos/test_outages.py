"""Outages of the services of a run: short ones are retried, long ones fail the run, and the next run finishes it."""

import errno
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

from local_aws.s3 import storage
from local_aws.state import State
from tests.chaos.outages import (
    OutageServices,
    StoppableEndpoint,
    assert_warehouse_matches_source,
    at_failpoint,
    change_source_rows,
    restart,
)
from tests.lakes import Lake, empty_lake, few_rows
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, login_of, postgres
from totelake.lake import scan
from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime import failpoints, retry
from totelake.runtime.connections import Login
from totelake.runtime.errors import AwsUnavailableError, DatabaseUnavailableError, StorageFullError
from totesys import roles, schema, seed

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[OutageServices]:
    """Return the services that the tests of this module stop."""
    state = State(tmp_path_factory.mktemp("outages"))
    with few_rows(spark), postgres() as cluster, pytest.MonkeyPatch.context() as process:
        endpoint = StoppableEndpoint(state)
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint.port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "eu-west-2",
            "AWS_MAX_ATTEMPTS": "1",  # boto's own retries would hide those of the run and take long
        }.items():
            process.setenv(name, value)
        url = cluster.url("totesys", roles.OWNER, PASSWORD)
        services = OutageServices(cluster, endpoint, state.lake, spark, url)
        services.as_superuser(sql.SQL("CREATE DATABASE totesys OWNER {}").format(sql.Identifier(roles.OWNER)))
        with psycopg.connect(url) as connection:
            schema.create(connection, reader=roles.READER)
        seed.seed(url, sales_orders=100)
        yield services
        endpoint.stop()


def check_warehouse(services: OutageServices, lake: Lake, warehouse: Login) -> None:
    """Check the warehouse against totesys and the commit log."""
    committed = [(batch.sequence, batch.batch_id) for batch in CommitLog(lake.processed, ProcessedBatch).since(0)]
    assert_warehouse_matches_source(services.totesys, warehouse.conninfo, committed)


@pytest.fixture
def disk() -> Iterator[Callable[[Path, str], None]]:
    """Return a function that mounts a small disk on an empty folder."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        owner = folder.stat()
        options = f"size={size},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode:
            pytest.skip(f"mounting a small disk needs root: {ended.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def leave_room(folder: Path, size: int = 100 * 2**20) -> None:
    """Resize the disk on `folder` so that `size` bytes are free."""
    disk = os.statvfs(folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + size}", str(folder)], check=True)


def attempts_below(folder: Path) -> set[str]:
    """Return the attempts with a file of any table, committed or not."""
    return {path.parts[-2] for path in folder.glob("*/batch_id=*/*") if path.name != "_temporary"}


@pytest.fixture
def small_disk(services: OutageServices, disk: Callable[[Path, str], None]) -> Iterator[Path]:
    """Return the folder of a disk with an empty warehouse called `small` and little free space."""
    folder = Path(tempfile.mkdtemp(prefix="totelake-tablespace-"))  # not below a folder that only root can enter
    owner = services.cluster.folder.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    disk(folder, "100m")
    services.as_superuser(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(folder)))
    services.warehouse("small", tablespace="small")
    leave_room(folder, 2**19)
    yield folder
    services.as_superuser(sql.SQL("DROP DATABASE small WITH (FORCE)"))
    services.as_superuser(sql.SQL("DROP TABLESPACE small"))


def test_run_fails_on_a_full_disk_and_the_next_one_finishes(services, disk, small_disk, monkeypatch):
    """The lake's or the warehouse's: the error says so, and incomplete files are never read."""
    monkeypatch.setattr(scan, "FEW_ROWS", 0)  # so that Spark's tasks write
    with empty_lake(services.lake_root, services.spark) as lake:
        ingested, processed = (services.lake_root / bucket / "tables" for bucket in (lake.ingested, lake.processed))
        disk(ingested, "64k")
        disk(processed, "100k")
        with pytest.raises(StorageFullError, match=r"No space left on device.* Free disk space and run again"):
            lake.ingest(services.reader)
        leave_room(ingested)
        lake.ingest(services.reader)
        with pytest.raises(StorageFullError, match=r"No space left on device.* Free disk space and run again"):
            lake.transform()
        leave_room(processed)
        lake.transform()

        assert [len(attempts_below(folder)) for folder in (ingested, processed)] == [2, 2]
        warehouse = login_of(services.cluster.url("small", WAREHOUSE_OWNER, PASSWORD))
        with pytest.raises(StorageFullError, match=r"No space left on device.* Free disk space and run again"):
            lake.load(warehouse)
        leave_room(small_disk)
        lake.load(warehouse)
        check_warehouse(services, lake, warehouse)


@pytest.mark.parametrize("stage", ["ingest", "transform"])
def test_few_rows_on_a_full_disk_fail_the_run_and_the_next_one_finishes(services, monkeypatch, stage):
    """The driver writes them; S3 reports that it has no storage left."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with empty_lake(services.lake_root, services.spark) as lake:
        run = {"ingest": lambda: lake.ingest(services.reader), "transform": lake.transform}
        if stage == "transform":
            lake.ingest(services.reader)
        with monkeypatch.context() as disk:
            disk.setattr(storage, "_copy", full)
            with pytest.raises(StorageFullError, match="Free disk space and run again"):
                run[stage]()
        assert run[stage]().sequence == 1


@pytest.fixture(scope="module")
def lake(services: OutageServices) -> Iterator[Lake]:
    """Return the lake of the restart tests."""
    with empty_lake(services.lake_root, services.spark) as lake:
        yield lake


@pytest.fixture(scope="module")
def warehouse(services: OutageServices) -> Login:
    """Return the warehouse of the restart tests."""
    return services.warehouse("warehouse")


def test_run_is_retried_after_restarts(services, lake, warehouse, monkeypatch, capsys):
    """Of totesys during the read, of AWS during the write, of the warehouse before the merge is committed."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.25)
    with restart(failpoints.TABLE_WRITTEN, services.crash, services.cluster.start):
        lake.ingest(services.reader)
    with restart(failpoints.BEFORE_LOG_CREATED, services.endpoint.stop, services.endpoint.start):
        lake.transform()
    with restart(failpoints.BEFORE_MERGE_COMMITTED, services.cluster.stop, services.cluster.start):
        lake.load(warehouse)

    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {line["stage"] for line in logged if line["event"] == "retry"} == {"ingest", "transform", "load"}
    check_warehouse(services, lake, warehouse)


def test_run_fails_in_a_long_outage_and_the_next_one_finishes(services, lake, warehouse, monkeypatch):
    """In each stage; the warehouse stops with a table staged, and again with everything merged but not committed."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.01)
    change_source_rows(services.totesys)
    with (
        at_failpoint(failpoints.SNAPSHOT_EXPORTED, services.cluster.stop),
        pytest.raises(DatabaseUnavailableError, match="totesys"),
    ):
        lake.ingest(services.reader)
    services.cluster.start()
    lake.ingest(services.reader)

    with at_failpoint(failpoints.TABLE_WRITTEN, services.endpoint.stop), pytest.raises(AwsUnavailableError):
        lake.transform()
    services.endpoint.start()
    lake.transform()

    for boundary, stop in {
        failpoints.TABLE_STAGED: services.crash,
        failpoints.BEFORE_MERGE_COMMITTED: services.cluster.stop,
    }.items():
        with at_failpoint(boundary, stop), pytest.raises(DatabaseUnavailableError, match="the warehouse"):
            lake.load(warehouse)
        services.cluster.start()
    lake.load(warehouse)

    check_warehouse(services, lake, warehouse)
