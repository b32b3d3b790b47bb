"""A local environment whose state folder is removed, moved or replaced while it runs."""

import shutil
import socket
import threading
from pathlib import Path

import pytest

from local_aws.processes import has_ended
from local_aws.state import State
from ops.sandbox.folder_watch import FolderWatch
from ops.sandbox.postgres import Cluster
from ops.sandbox.postgres.process import find

PASSWORD = "secret"


@pytest.fixture
def state(tmp_path):
    """Return an empty state folder."""
    state = State(tmp_path / "state")
    state.root.mkdir()
    return state


@pytest.fixture
def watch(state):
    """Start a watch of the state folder; its event `fired` is set when the folder is gone."""
    watch = FolderWatch(state)
    watch.fired = threading.Event()
    watch.start(watch.fired.set)
    return watch


def test_watch_does_not_fire_while_the_folder_exists(watch, state):
    """Changes in the folder do not count."""
    (state.root / "file").touch()
    assert not watch.fired.wait(1.5)
    watch.close()
    assert (state.root / "file").exists()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_watch_fires_when_the_folder_is_gone(watch, state, how):
    """Removed, moved, or replaced by another folder."""
    if how == "removed":
        state.root.rmdir()
    else:
        state.root.rename(state.root.with_name("moved"))
    if how == "replaced":
        state.root.mkdir()
    assert watch.fired.wait(5)
    watch.close()


def test_files_that_jobs_write_after_the_removal_are_removed(watch, state):
    """A job that is still running recreates the folders that it writes to."""
    state.root.rmdir()
    assert watch.fired.wait(5)
    (state.lake / "bucket" / "rows").mkdir(parents=True)
    watch.close()
    assert not state.root.exists()


def test_new_environment_in_the_same_folder_is_kept(watch, state):
    """As when `totelake up` follows immediately."""
    state.root.rmdir()
    assert watch.fired.wait(5)
    state.lake.mkdir(parents=True)
    (state.root / "world.lock").touch()
    watch.close()
    assert state.lake.exists()


@pytest.mark.parametrize("removed", [True, False])
def test_postgres_stops_when_the_folder_is_gone(state, removed):
    """Its data is deleted only if the folder was removed, not if it was moved."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(state.postgres, port, state.logs / "postgres.log", durable=False)
    cluster.create(PASSWORD)
    cluster.start()
    data, moved = state.postgres.resolve(), State(state.root.with_name("moved"))
    server = find(data)
    watch, fired = FolderWatch(state), threading.Event()
    watch.start(fired.set)
    while watch._server is None:
        assert not fired.wait(0.1)
    if removed:
        shutil.rmtree(state.root)
    else:
        state.root.rename(moved.root)
    assert fired.wait(5)
    watch.close()
    assert has_ended(server)
    if removed:
        assert not data.exists()
        assert not state.root.exists()
    else:
        cluster = Cluster(moved.postgres, port, moved.logs / "postgres.log", durable=False)
        cluster.start()
        assert cluster.running()
        cluster.remove()


def test_closed_watch_leaves_no_file_descriptor_open(state):
    """The number of open descriptors is the same as before."""
    before = len(list(Path("/dev/fd").iterdir()))
    watch = FolderWatch(state)
    watch.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
