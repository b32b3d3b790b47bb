"""The process that keeps Spark's JVM warm: one job after another runs in it, each in a driver process of its own.

It is started as a file in an empty folder, with a mark, the number of a pipe, and how many runs it serves. Its standard
input brings one line of JSON for each run, the assignment that `driver.py` takes, and stays open as long as the
endpoint lives: when it ends, this process ends, and its drivers, whose input it holds, end the rest of the session. A
byte to the pipe says that a line was taken. After a run that went well the JVM is left as it was when it had started,
the mark is written to standard output and to standard error, before which all is of that run, and then another byte to
the pipe. After any other run, and after the last, this process ends as the driver did, and the JVM with it.
"""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from py4j.protocol import Py4JError
from pyspark.java_gateway import launch_gateway

_DRIVER = Path(__file__).with_name("driver.py")
_TIDY_SECONDS = 30.0
_MOST_KEPT = 0.25
"""The share of the heap that a run may leave filled: py4j lets go of nothing that a driver held at its end."""

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


def _end_others(*kept: int) -> None:
    """Kill what a run has left running: all of this session but this process and those that are `kept`."""
    for number in psutil.pids():
        with suppress(OSError):
            if number not in (os.getpid(), *kept) and os.getsid(number) == os.getsid(0):
                os.kill(number, signal.SIGKILL)


def _tidied(jvm: Any, properties: Any, files: set[Path]) -> bool:
    """Do as `_tidy`; where that fails return false, and where it takes too long end, as after a run that went well."""
    limit = threading.Timer(_TIDY_SECONDS, os._exit, (0,))
    limit.start()
    try:
        return _tidy(jvm, properties, files)
    except (Py4JError, OSError) as error:
        sys.stderr.write(f"This JVM is not used again: {error}\n")
        return False
    finally:
        limit.cancel()


def _tidy(jvm: Any, properties: Any, files: set[Path]) -> bool:
    """Leave nothing of a run: not its context, nor what it mounted, its settings, its files beside these `files`.

    Returns whether the heap is as good as empty, so that the next run has all of it.
    """
    if jvm.org.apache.spark.SparkEnv.get():
        jvm.org.apache.spark.SparkContext.getOrCreate().stop()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    jvm.java.lang.System.setProperties(properties.clone())
    for path in set(Path.cwd().iterdir()) - files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    jvm.java.lang.System.gc()
    heap = jvm.java.lang.Runtime.getRuntime()
    return bool(heap.totalMemory() - heap.freeMemory() < _MOST_KEPT * heap.maxMemory())


def _end_like(status: int) -> None:
    """End as a process that has ended with `status`."""
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def main(mark: str, done: int, runs: int) -> None:
    """Start the JVM and serve runs."""
    os.set_inheritable(done, False)
    # Who ends a run sends SIGTERM to all of its processes: its driver decides how it ends, and this one ends likewise.
    told_to_end, busy = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    lines: Lines = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, busy, done), daemon=True, name="listener").start()
    gateway = launch_gateway()
    java: Driver = gateway.proc
    threading.Thread(target=_watch, args=(java, busy), daemon=True, name="watch").start()
    properties = gateway.jvm.java.lang.System.getProperties().clone()
    files = set(Path.cwd().iterdir())
    parameters = gateway.gateway_parameters
    os.environ |= {"PYSPARK_GATEWAY_PORT": str(parameters.port), "PYSPARK_GATEWAY_SECRET": parameters.auth_token}
    next_driver = _start_driver()
    for runs_left in reversed(range(runs)):
        line = lines.get()
        driver = next_driver if next_driver.poll() is None else _start_driver()
        next_driver = _start_driver()
        status = _carry_out(driver, line)
        if status or told_to_end.is_set() or not runs_left:
            _end_like(status)
        _end_others(java.pid, next_driver.pid)
        if not _tidied(gateway.jvm, properties, files):
            _end_like(status)
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
