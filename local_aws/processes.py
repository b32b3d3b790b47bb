"""The processes of a local world: lock files, free ports, and termination of process trees."""

import contextlib
import ctypes
import fcntl
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

TAG = "TOTELAKE_PROCESS"
"""The environment variable that marks all processes of one family with the same random value."""

_PR_SET_CHILD_SUBREAPER = 36
_KILL_SECONDS = 5.0

# Below the ephemeral ports, so that no outgoing connection takes a world's port while the world is down.
_PORTS = range(20000, 32000)


class LockHeldError(Exception):
    """Another process holds the lock; `pid` is its id, None if unknown."""

    def __init__(self, path: Path, pid: int | None) -> None:
        """Name the lock file and its holder."""
        super().__init__(f"{path} is locked by process {pid}")
        self.path, self.pid = path, pid


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` during the block; raise `LockHeldError` when another process holds it.

    The system releases the lock when the process ends, even by a signal. The file contains the id of the last holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
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
    """Return the id of the process that holds the lock file `path`, None when it is free."""
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
    """Return `count` different free ports of 127.0.0.1."""
    candidates = random.sample(_PORTS, len(_PORTS))
    free = (port for port in candidates if port_is_free(port))
    return [next(free) for _ in range(count)]


def stop(pid: int, seconds: float) -> None:
    """Terminate the process, and kill it if it still runs after `seconds`."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.terminate()
        if not ends(process, seconds):
            process.kill()
            ends(process, seconds)


def has_ended(process: psutil.Process) -> bool:
    """Return whether the process has ended; a zombie counts as ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ends(process: psutil.Process, seconds: float) -> bool:
    """Wait up to `seconds` for the end of the process; return whether it ended. psutil's wait ignores zombies."""
    deadline = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def adopt_orphans() -> None:
    """Make this process the parent of its orphaned descendants; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def family(first: int, tag: str) -> set[psutil.Process]:
    """Return the running processes that originate from the process `first`, without itself and the caller.

    They are its descendants, including orphans if it has called `adopt_orphans`, the members of its session, and
    the processes that were started with the value `tag` of the variable `TAG`.
    """
    processes: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        processes.update(psutil.Process(first).children(recursive=True))
    processes.update(process for process in psutil.process_iter() if _belongs(process, first, tag))
    return {process for process in processes if process.pid not in (first, os.getpid()) and not has_ended(process)}


def _belongs(process: psutil.Process, session: int, tag: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return os.getsid(process.pid) == session or process.environ().get(TAG) == tag
    return False


def kill_family(first: int, tag: str, *, keep: Collection[int] = ()) -> list[int]:
    """Kill the family of `first`, and processes that it starts meanwhile, except `first` and the ids in `keep`.

    Returns the ids of processes that could not be killed within some seconds, such as those of another user.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    while (remaining := [process for process in family(first, tag) if process.pid not in keep]) and (
        time.monotonic() < deadline
    ):
        for process in remaining:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.005)
    if first == os.getpid():
        _reap_children(keep)
    return [process.pid for process in remaining]


def _reap_children(keep: Collection[int]) -> None:
    """Reap the ended children of this process, except the ids in `keep`, whose exit status is still needed."""
    for process in psutil.Process().children():
        if process.pid not in keep and has_ended(process):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)


def exit_with_status(status: int) -> None:
    """End this process immediately with the exit `status` of another one; a negative status is a signal number."""
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def kill_all_below(folder: Path) -> int:
    """Kill every process whose working directory is `folder` or below; return their number."""
    processes = [process for process in psutil.process_iter() if _works_below(process, folder)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    return len(processes)


def _works_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
