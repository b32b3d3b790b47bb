"""The process that keeps Spark's JVM warm: one job after another runs in it, each in a driver process of its own.

It is started as a file, with a mark, the number of a pipe, and how many runs it serves. Its standard input brings one
line of JSON for each run, the assignment that `driver.py` takes, and stays open as long as the endpoint lives: when it
ends, this process ends, and its drivers, whose input it holds, end the rest of the session. After a run that went well
the JVM is left as it was when it had started, the mark is written to standard output and to standard error, before
which all is of that run, and then a byte to the pipe. After any other run, and after the last, this process ends as the
driver did, and the JVM with it.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.java_gateway import launch_gateway

_DRIVER = Path(__file__).with_name("driver.py")

type Driver = subprocess.Popen[bytes]
type Lines = queue.SimpleQueue[bytes]


def _listen(lines: Lines) -> None:
    """Take the lines of standard input until the endpoint has ended."""
    for line in sys.stdin.buffer:
        lines.put(line)
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


def _tidy(jvm: Any, properties: Any) -> None:
    """Leave nothing of a run in the JVM: not its context, nor its settings, nor the file systems that it mounted."""
    if jvm.org.apache.spark.SparkEnv.get():
        jvm.org.apache.spark.SparkContext.getOrCreate().stop()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    jvm.java.lang.System.setProperties(properties.clone())


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
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    lines: Lines = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True, name="listener").start()
    gateway = launch_gateway()
    properties = gateway.jvm.java.lang.System.getProperties().clone()
    parameters = gateway.gateway_parameters
    os.environ |= {"PYSPARK_GATEWAY_PORT": str(parameters.port), "PYSPARK_GATEWAY_SECRET": parameters.auth_token}
    next_driver = _start_driver()
    for runs_left in reversed(range(runs)):
        line = lines.get()
        driver, next_driver = next_driver, _start_driver()
        status = _carry_out(driver, line)
        if status or told_to_end.is_set() or not runs_left:
            _end_like(status)
        try:
            _tidy(gateway.jvm, properties)
        except Py4JError as error:
            sys.stderr.write(f"This JVM is not used again: {error}\n")
            _end_like(status)
        for output in (sys.stdout, sys.stderr):
            output.write(f"\0{mark}\n")
            output.flush()
        os.write(done, b".")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
