"""The Postgres server of a local environment: start, stop, crash recovery, ports, passwords and databases."""

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.sandbox.postgres import Cluster, PostgresError, ensure_database

PASSWORD = "pass'word \\ @/:%"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Create a cluster that is only copied, and return its folder."""
    cluster = Cluster(tmp_path_factory.mktemp("made") / "data", 1, Path("unused"))
    cluster.create(PASSWORD)
    yield cluster.folder
    cluster.remove()


@pytest.fixture
def cluster(template, tmp_path):
    """Copy the template to a path with a space; remove the cluster after the test."""
    folder = tmp_path / "my world" / "postgres"
    shutil.copytree(template, folder)
    owner = template.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(folder, port, tmp_path / "logs" / "postgres.log")
    yield cluster
    cluster.remove()


def postmaster(cluster):
    """Return the process of the server."""
    return psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split()[0]))


def connect(cluster, **how):
    """Connect as the superuser."""
    return psycopg.connect(cluster.url("postgres", "postgres", PASSWORD), **how)


def test_start_stop_and_create_are_idempotent(cluster):
    """A second creation changes nothing."""
    assert not cluster.running()
    cluster.stop()
    cluster.start()
    first = postmaster(cluster)
    cluster.start()
    cluster.create("another password")
    assert cluster.running()
    assert postmaster(cluster) == first
    with connect(cluster) as connection:
        settings = "SELECT current_setting('fsync'), current_setting('listen_addresses'), current_setting('timezone')"
        assert connection.execute(settings).fetchone() == ("on", "127.0.0.1", "UTC")
    cluster.stop()
    cluster.stop()
    assert not cluster.running()


def test_server_runs_in_its_own_session(cluster):
    """So Ctrl-C in the terminal that started it does not stop it."""
    cluster.start()
    assert os.getsid(postmaster(cluster).pid) != os.getsid(0)


def test_connection_requires_the_password(cluster):
    """Also for the superuser; the password is not in the log."""
    cluster.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.url("postgres", "postgres", "wrong"))
    assert PASSWORD not in cluster.log.read_text()


def test_committed_data_survives_a_kill(cluster):
    """The server restarts over its stale files, even at once and with old connections open."""
    cluster.start()
    with connect(cluster, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        postmaster(cluster).send_signal(signal.SIGKILL)
        cluster.start()
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def test_stale_pid_of_another_process_is_not_the_server(cluster):
    """After a reboot, the pid in a stale `postmaster.pid` may belong to another process."""
    cluster.start()
    lines = (cluster.folder / "postmaster.pid").read_text().split("\n")
    cluster.stop()
    (cluster.folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert not cluster.running()
    cluster.start()
    assert cluster.running()


def test_start_fails_with_the_port_when_it_is_in_use(cluster):
    """Without delay, and with the server's message."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port))
        taken.listen()
        began = time.monotonic()
        with pytest.raises(PostgresError, match=f"port {cluster.port}(?s:.*)Address already in use"):
            cluster.start()
        assert time.monotonic() - began < 30
    assert not cluster.running()


def test_start_fails_before_creation(tmp_path):
    """The message says to create the cluster."""
    with pytest.raises(PostgresError, match="there is no Postgres cluster"):
        Cluster(tmp_path / "nothing", 1, tmp_path / "log").start()


def test_create_removes_the_leftovers_of_an_interrupted_creation(tmp_path):
    """Then it creates the cluster."""
    unfinished = tmp_path / "data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    cluster = Cluster(tmp_path / "data", 1, tmp_path / "log", durable=False)
    cluster.create(PASSWORD)
    assert (cluster.folder / "postgresql.conf").exists()
    assert not unfinished.exists()
    cluster.remove()


def test_ensure_database_is_idempotent_and_gives_access_to_the_owner_only(cluster):
    """The name is quoted as an identifier."""
    cluster.start()
    name = 'world"; DROP DATABASE postgres; --'
    with connect(cluster, autocommit=True) as connection:
        connection.execute("CREATE ROLE owner LOGIN PASSWORD 'o'; CREATE ROLE stranger LOGIN PASSWORD 's'")
        ensure_database(connection, name, "owner")
        ensure_database(connection, name, "owner")
    with psycopg.connect(cluster.url(name, "owner", "o")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (name,)
        connection.execute("CREATE TABLE public.mine (a int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(cluster.url(name, "stranger", "s"))
