"""The process of a warm JVM of Spark: job runs use it one after another, each in a driver process of its own.

The drivers are forks of one process that has imported what nearly every job imports; see `driver.py`.

It is started as a file in an empty folder, with a mark, the number of a pipe, and the maximum number of runs. Its
standard input carries one line of JSON for each run, the assignment that `driver.py` reads, and stays open while the
endpoint lives: when it ends, this process ends, and its drivers, whose input it holds, kill the rest of the session. A
byte to the pipe acknowledges a line. After a run its processes are killed, the mark is written to standard output and
standard error, which ends the output of that run, and the exit status of the driver, a byte, to the pipe. Then the
run's context, mounts, settings and files are removed. If the JVM is in its initial state after that, the next line is
acknowledged. If it is not, this process exits with the reason on standard error, and the JVM ends with it; so it does,
with the status of the driver, after a run that was ended by a signal, and after the last one.
"""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.java_gateway import launch_gateway

from local_aws import processes
from local_aws.spark.jvm_state import JvmState

_DRIVER = Path(__file__).with_name("driver.py")
_CLEAR_SECONDS = 30.0
_MOST_HEAP_IN_USE = 0.25
"""The share of the heap that may be in use after a run: py4j never releases objects that a driver still held."""

_CONNECTIONS = 2
"""Of Py4J to the JVM: that of the main thread, and that of the thread which reports collected objects."""

type Process = subprocess.Popen[bytes]
type Lines = queue.SimpleQueue[bytes]


def _listen(lines: Lines, ready: threading.Event, busy: threading.Event, done: int) -> None:
    """Read the lines of standard input, and acknowledge each when `ready`, until the endpoint has ended."""
    try:
        for line in sys.stdin.buffer:
            ready.wait()
            ready.clear()
            busy.set()
            os.write(done, b"+")
            lines.put(line)
    finally:
        os._exit(1)


def _watch(process: Process, busy: threading.Event) -> None:
    """Exit when `process`, such as the JVM, ends while idle; its end during a run fails the run."""
    process.wait()
    if not busy.is_set():
        os._exit(1)


class _Drivers:
    """The process that forks the driver of each run."""

    def __init__(self) -> None:
        """Start it."""
        read, write = os.pipe()
        try:
            command = [sys.executable, "-P", "-u", str(_DRIVER), str(write)]
            self.process: Process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, pass_fds=(write,))
        finally:
            os.close(write)
        self._statuses = os.fdopen(read, "rb")

    def run(self, line: bytes) -> int:
        """Run the assignment in `line` in a new driver, and return its exit status (negative: a signal)."""
        if self.process.stdin is None:
            raise ValueError("the process was started without a pipe")
        try:
            self.process.stdin.write(line)
            status = self._statuses.readline()
        except BrokenPipeError:
            status = b""
        return int(status) if status else -signal.SIGKILL  # the process that forks was killed


def _left_after_run(jvm: Any, state: JvmState, files: set[Path]) -> list[str]:
    """Call `_clear` and return what is left of the run; exit when that takes too long."""
    limit = threading.Timer(_CLEAR_SECONDS, os._exit, (1,))
    limit.start()
    try:
        return [*_clear(jvm, files), *_changes(state)]
    except (Py4JError, OSError) as error:
        return [str(error)]
    finally:
        limit.cancel()


def _clear(jvm: Any, files: set[Path]) -> list[str]:
    """Stop a run's context, close its file systems, and remove all files but `files`.

    Returns a message when the heap is still full: the next run is to have all of it.
    """
    if jvm.org.apache.spark.SparkEnv.get():
        jvm.org.apache.spark.SparkContext.getOrCreate().stop()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    for path in set(Path.cwd().iterdir()) - files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not _is_heap_full(jvm):
        return []
    jvm.java.lang.System.gc()
    return ["objects that fill the heap"] if _is_heap_full(jvm) else []


def _is_heap_full(jvm: Any) -> bool:
    heap = jvm.java.lang.Runtime.getRuntime()
    in_use, limit = heap.totalMemory() - heap.freeMemory(), _MOST_HEAP_IN_USE * heap.maxMemory()
    return bool(in_use >= limit)


def connect_finalizer(gateway: Any) -> None:
    """Have Py4J's thread that reports collected objects to the JVM connect to it; raise TimeoutError if it does not.

    Each connection has a thread in the JVM. This one is made within about a second of the first report, and would count
    as a thread that a run has left.
    """
    connections = gateway._gateway_client.deque  # noqa: SLF001 - Py4J does not name it
    gateway.jvm.java.lang.Object()  # is collected at once
    deadline = time.monotonic() + _CLEAR_SECONDS
    while len(connections) < _CONNECTIONS:
        if time.monotonic() > deadline:
            raise TimeoutError("Py4J has not connected to report collected objects")
        time.sleep(0.05)


def _changes(state: JvmState) -> list[str]:
    state.restore_settings()
    return state.differences()


def main(mark: str, done: int, runs: int) -> None:
    """Start the JVM and serve runs."""
    os.set_inheritable(done, False)
    tag = os.environ[processes.TAG]
    processes.adopt_orphans()
    # SIGTERM is sent to all processes of a run: this one exits like the driver.
    terminated, busy, ready = threading.Event(), threading.Event(), threading.Event()
    ready.set()
    signal.signal(signal.SIGTERM, lambda *_: terminated.set())
    lines: Lines = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, ready, busy, done), daemon=True, name="listener").start()
    gateway = launch_gateway()
    java: Process = gateway.proc
    threading.Thread(target=_watch, args=(java, busy), daemon=True, name="watch").start()
    files = set(Path.cwd().iterdir())
    parameters = gateway.gateway_parameters
    os.environ |= {"PYSPARK_GATEWAY_PORT": str(parameters.port), "PYSPARK_GATEWAY_SECRET": parameters.auth_token}
    drivers = _Drivers()
    threading.Thread(target=_watch, args=(drivers.process, busy), daemon=True, name="watch drivers").start()
    connect_finalizer(gateway)
    state = JvmState(gateway.jvm)
    for runs_left in reversed(range(runs)):
        line = lines.get()
        status = drivers.run(line)
        # Also before an exit: then this process is no longer the parent of the run's orphans.
        left_running = processes.kill_family(os.getpid(), tag, keep=(java.pid, drivers.process.pid))
        if left_running or status < 0 or terminated.is_set() or not runs_left:
            processes.exit_with_status(status)
        for output in (sys.stdout, sys.stderr):
            output.write(f"\0{mark}\n")
            output.flush()
        os.write(done, bytes((status,)))
        if left := _left_after_run(gateway.jvm, state, files):
            sys.exit(f"the last run has left in it: {', '.join(left)}")
        busy.clear()
        ready.set()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except SystemExit as left:
        sys.stderr.write(f"{left}\n")
        os._exit(1)
    except BaseException:  # noqa: BLE001 - whatever it is, it is how this process ended
        traceback.print_exc()
        os._exit(1)  # an orderly end would wait for standard input, which the listener holds
