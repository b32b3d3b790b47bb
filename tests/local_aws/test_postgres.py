"""The Postgres server of a local world comes up, goes down, and comes up again after anything."""

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
def made(tmp_path_factory):
    """Create a cluster that is never started itself, and return its folder."""
    cluster = Cluster(tmp_path_factory.mktemp("made") / "data", 1, Path("unused"))
    cluster.create(PASSWORD)
    yield cluster.folder
    cluster.remove()


@pytest.fixture
def cluster(made, tmp_path):
    """Copy it below a folder with a space in its name; stop it in the end."""
    folder = tmp_path / "my world" / "postgres"
    shutil.copytree(made, folder)
    owner = made.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(folder, port, tmp_path / "logs" / "postgres.log")
    yield cluster
    cluster.remove()


def postmaster(cluster):
    """Return the server's process."""
    return psutil.Process(int((cluster.folder / "postmaster.pid").read_text().split()[0]))


def connect(cluster, **how):
    """Connect as the superuser."""
    return psycopg.connect(cluster.url("postgres", "postgres", PASSWORD), **how)


def test_it_starts_and_stops_and_both_are_fine_twice(cluster):
    """Creating it again leaves it as it is."""
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


def test_it_lives_in_a_session_of_its_own(cluster):
    """Ctrl-C in the terminal that started it does not reach it."""
    cluster.start()
    assert os.getsid(postmaster(cluster).pid) != os.getsid(0)


def test_a_password_is_asked_for(cluster):
    """Of the superuser too, and it is in no log."""
    cluster.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.url("postgres", "postgres", "wrong"))
    assert PASSWORD not in cluster.log.read_text()


def test_what_was_committed_survives_a_kill(cluster):
    """The server starts again over its own stale files, even at once and while old connections linger."""
    cluster.start()
    with connect(cluster, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        postmaster(cluster).send_signal(signal.SIGKILL)
        cluster.start()
    with connect(cluster) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]


def test_a_number_that_somebody_else_inherited_is_not_the_server(cluster):
    """After a reboot the process of a stale `postmaster.pid` may be anybody's."""
    cluster.start()
    lines = (cluster.folder / "postmaster.pid").read_text().split("\n")
    cluster.stop()
    (cluster.folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert not cluster.running()
    cluster.start()
    assert cluster.running()


def test_a_taken_port_is_named(cluster):
    """At once, with what the server said."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port))
        taken.listen()
        began = time.monotonic()
        with pytest.raises(PostgresError, match=f"port {cluster.port}(?s:.*)Address already in use"):
            cluster.start()
        assert time.monotonic() - began < 30
    assert not cluster.running()


def test_what_was_never_created_is_not_started(tmp_path):
    """The error says what to do."""
    with pytest.raises(PostgresError, match="create it"):
        Cluster(tmp_path / "nothing", 1, tmp_path / "log").start()


def test_an_unfinished_creation_is_begun_again(tmp_path):
    """What a killed `create` left is swept away."""
    unfinished = tmp_path / "data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    cluster = Cluster(tmp_path / "data", 1, tmp_path / "log", durable=False)
    cluster.create(PASSWORD)
    assert (cluster.folder / "postgresql.conf").exists()
    assert not unfinished.exists()
    cluster.remove()


def test_a_database_is_made_once_and_for_its_owner_only(cluster):
    """A name that would be SQL stays a name."""
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
