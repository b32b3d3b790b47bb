"""The processes of a local world: who holds a lock, which port is free, what a dead endpoint left behind."""

import contextlib
import fcntl
import os
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

# Below the ports that systems give to outgoing connections, so that none of those takes it while the world is down.
_PORTS = range(20000, 32000)


class LockHeldError(Exception):
    """Another process holds the lock; `pid` is its id, if it said so."""

    def __init__(self, path: Path, pid: int | None) -> None:
        """Name the lock's file and its holder."""
        super().__init__(f"{path} is locked by process {pid}")
        self.path, self.pid = path, pid


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` during the block; raise `LockHeldError` when another process does.

    The system frees the lock when its holder dies, however it dies. The file holds the id of the last holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockHeldError(path, _pid_in(path)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock file `path`, None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(path)
    else:
        return None
    finally:
        os.close(descriptor)


def _pid_in(path: Path) -> int | None:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 on which nobody listens."""
    candidates = random.sample(_PORTS, len(_PORTS))
    free = (port for port in candidates if port_is_free(port))
    return [next(free) for _ in range(count)]


def stop(pid: int, seconds: float) -> None:
    """Ask the process to end, and kill it when it has not ended after `seconds`."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(seconds)


def kill_all_below(folder: Path) -> int:
    """Kill every process whose working folder is below `folder`; return how many there were."""
    found = [process for process in psutil.process_iter() if _works_below(process, folder)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=10)
    return len(found)


def _works_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
