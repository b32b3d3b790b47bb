"""A world whose state folder was removed, moved or replaced while it ran."""

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
    """Make a state folder."""
    state = State(tmp_path / "state")
    state.root.mkdir()
    return state


@pytest.fixture
def watch(state):
    """Watch it; `seen` of the watch is set when its folder is gone."""
    watch = FolderWatch(state)
    watch.seen = threading.Event()
    watch.start(watch.seen.set)
    return watch


def test_a_folder_that_stays_is_left_alone(watch, state):
    """Whatever is written in it."""
    (state.root / "file").touch()
    assert not watch.seen.wait(1.5)
    watch.close()
    assert (state.root / "file").exists()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_folder_that_is_gone_is_noticed(watch, state, how):
    """However it went."""
    if how == "removed":
        state.root.rmdir()
    else:
        state.root.rename(state.root.with_name("moved"))
    if how == "replaced":
        state.root.mkdir()
    assert watch.seen.wait(5)
    watch.close()


def test_what_jobs_wrote_into_a_removed_folder_is_removed(watch, state):
    """A job that still runs makes the folders that it writes to."""
    state.root.rmdir()
    assert watch.seen.wait(5)
    (state.lake / "bucket" / "rows").mkdir(parents=True)
    watch.close()
    assert not state.root.exists()


def test_a_world_in_the_place_of_a_removed_one_stays(watch, state):
    """As when `totelake up` follows at once."""
    state.root.rmdir()
    assert watch.seen.wait(5)
    state.lake.mkdir(parents=True)
    (state.root / "world.lock").touch()
    watch.close()
    assert state.lake.exists()


@pytest.mark.parametrize("removed", [True, False])
def test_the_server_ends_with_the_folder(state, removed):
    """Its data goes only where the folder was removed, and not where it was moved."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(state.postgres, port, state.logs / "postgres.log", durable=False)
    cluster.create(PASSWORD)
    cluster.start()
    data, moved = state.postgres.resolve(), State(state.root.with_name("moved"))
    server = find(data)
    watch, seen = FolderWatch(state), threading.Event()
    watch.start(seen.set)
    while watch._server is None:
        assert not seen.wait(0.1)
    if removed:
        shutil.rmtree(state.root)
    else:
        state.root.rename(moved.root)
    assert seen.wait(5)
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


def test_no_descriptor_is_left_open(state):
    """A watch that is closed holds nothing."""
    before = len(list(Path("/dev/fd").iterdir()))
    watch = FolderWatch(state)
    watch.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
