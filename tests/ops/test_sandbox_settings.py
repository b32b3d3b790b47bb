"""Settings, free ports and locks of a local environment."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws import processes
from local_aws.state import State
from ops.sandbox.settings import SandboxSettings
from tests.chaos.outages import wait_until

ROOT = Path(__file__).resolve().parents[2]
HOLD_LOCK = """
import sys, time
from pathlib import Path
from local_aws import processes

with processes.locked(Path(sys.argv[1])):
    time.sleep(600)
"""


def test_lock_is_released_when_its_holder_is_killed(tmp_path):
    """Until then the error names the holder's pid."""
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LOCK, str(lock)], cwd=ROOT)
    wait_until(lambda: processes.holder(lock) == holder.pid, seconds=60)
    with pytest.raises(processes.LockHeldError, match=str(holder.pid)), processes.locked(lock):
        pass

    holder.kill()
    holder.wait()

    assert processes.holder(lock) is None


def test_free_ports_are_available_and_distinct(tmp_path):
    """A server can listen on each of them."""
    first, second = processes.free_ports(2)

    assert first != second
    with socket.create_server(("127.0.0.1", first)), socket.create_server(("127.0.0.1", second)):
        assert not processes.port_is_free(first)


def test_settings_are_saved_and_loaded(tmp_path):
    """Every role has a different password."""
    state = State(tmp_path)
    settings = SandboxSettings.new(1, 2)
    settings.save(state)

    assert SandboxSettings.load(state) == settings
    assert len(set(settings.passwords.values())) == len(settings.passwords) == 6


def test_repr_of_settings_has_no_passwords():
    """Representations may be logged."""
    settings = SandboxSettings.new(1, 2)

    assert not any(password in repr(settings) for password in settings.passwords.values())
