"""The process that keeps Spark's JVM warm: one job after another runs in it, each in a driver process of its own.

It is started as a file in an empty folder, with a mark, the number of a pipe, and how many runs it serves. Its standard
input brings one line of JSON for each run, the assignment that `driver.py` takes, and stays open as long as the
endpoint lives: when it ends, this process ends, and its drivers, whose input it holds, end the rest of the session. A
byte to the pipe says that a line was taken. When a run has gone well, its context, mounts, settings, files and
processes are removed. Where the JVM then is as it was when it had started, the mark is written to standard output and
to standard error, before which all is of that run, and then another byte to the pipe. Where it is not, after any other
run, and after the last, this process ends as the driver did, and the JVM with it.
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
from local_aws.jvm_state import JvmState

_DRIVER = Path(__file__).with_name("driver.py")
_TIDY_SECONDS = 30.0
_MOST_KEPT = 0.25
"""The share of the heap that a run may leave filled: py4j lets go of nothing that a driver held at its end."""

_CONNECTIONS = 2
"""Of Py4J to the JVM: that of the main thread, and that of the thread which reports collected objects."""

type Driver = subprocess.Popen[bytes]
type Lines = queue.SimpleQueue[bytes]


def _listen(lines: Lines, busy: threading.Event, done: int) -> None:
    """Take the lines of standard input, and say so, until the endpoint has ended."""
    try:
        for line in sys.stdin.buffer:
            busy.set()
            os.write(done, b"+")
            lines.put(line)
    finally:
        os._exit(1)


def _watch(java: Driver, busy: threading.Event) -> None:
    """End when the JVM ends while it waits; one that ends in a run fails the run."""
    java.wait()
    if not busy.is_set():
        os._exit(1)


def _start_driver() -> Driver:
    """Start the driver of the next run, which loads what it needs while it waits."""
    return subprocess.Popen([sys.executable, "-P", "-u", str(_DRIVER), "--warm"], stdin=subprocess.PIPE, bufsize=0)


def _carry_out(driver: Driver, line: bytes) -> int:
    """Have `driver` run the assignment in `line`, and return its exit status (negative: a signal)."""
    if driver.stdin is None:
        raise ValueError("the driver was started without a pipe")
    driver.stdin.write(line)
    status = driver.wait()
    driver.stdin.close()
    return status


def _left_as_it_was(jvm: Any, state: JvmState, files: set[Path]) -> bool:
    """Do as `_clear` and return whether nothing of the run is left; where that takes too long, end as after success."""
    limit = threading.Timer(_TIDY_SECONDS, os._exit, (0,))
    limit.start()
    try:
        left = [*_clear(jvm, files), *_changes(state)]
    except (Py4JError, OSError) as error:
        left = [str(error)]
    finally:
        limit.cancel()
    if left:
        sys.stderr.write(f"This JVM is not used again, since the run has left in it: {', '.join(left)}\n")
    return not left


def _clear(jvm: Any, files: set[Path]) -> list[str]:
    """End a run's context, close what it mounted, and remove its files beside these `files`.

    Returns a full heap, if it is one: the next run shall have all of it.
    """
    if jvm.org.apache.spark.SparkEnv.get():
        jvm.org.apache.spark.SparkContext.getOrCreate().stop()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    for path in set(Path.cwd().iterdir()) - files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    jvm.java.lang.System.gc()
    heap = jvm.java.lang.Runtime.getRuntime()
    full = heap.totalMemory() - heap.freeMemory() >= _MOST_KEPT * heap.maxMemory()
    return ["objects that fill the heap"] if full else []


def connect_finalizer(gateway: Any) -> None:
    """Have Py4J's thread that reports collected objects to the JVM connect to it; raise TimeoutError if it does not.

    Each connection has a thread in the JVM. This one is made within a second or so of the first report, and would be
    taken for a thread that a run has left.
    """
    connections = gateway._gateway_client.deque  # noqa: SLF001 - Py4J does not name it
    gateway.jvm.java.lang.Object()  # is collected at once
    deadline = time.monotonic() + _TIDY_SECONDS
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
    # Who ends a run sends SIGTERM to all of its processes: its driver decides how it ends, and this one ends likewise.
    told_to_end, busy = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    lines: Lines = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, busy, done), daemon=True, name="listener").start()
    gateway = launch_gateway()
    java: Driver = gateway.proc
    threading.Thread(target=_watch, args=(java, busy), daemon=True, name="watch").start()
    files = set(Path.cwd().iterdir())
    parameters = gateway.gateway_parameters
    os.environ |= {"PYSPARK_GATEWAY_PORT": str(parameters.port), "PYSPARK_GATEWAY_SECRET": parameters.auth_token}
    next_driver = _start_driver()
    connect_finalizer(gateway)
    state = JvmState(gateway.jvm)
    for runs_left in reversed(range(runs)):
        line = lines.get()
        driver = next_driver if next_driver.poll() is None else _start_driver()
        next_driver = _start_driver()
        status = _carry_out(driver, line)
        if status or told_to_end.is_set() or not runs_left:
            processes.exit_with_status(status)
        unkilled = processes.kill_family(os.getpid(), tag, keep=(java.pid, next_driver.pid))
        if unkilled or not _left_as_it_was(gateway.jvm, state, files):
            processes.exit_with_status(status)
        busy.clear()
        for output in (sys.stdout, sys.stderr):
            output.write(f"\0{mark}\n")
            output.flush()
        os.write(done, b".")


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except BaseException:  # noqa: BLE001 - whatever it is, it is how this process ended
        traceback.print_exc()
        os._exit(1)  # an orderly end would wait for standard input, which the listener holds
