"""A Spark JVM that is started once and shared by forked processes, each of which can be killed.

Starting a JVM takes seconds, forking does not. A forked process connects to the JVM of its parent, runs one stage in
it, and ends or is killed; its requests to the JVM continue for a while without it, as do the executors of a lost
driver.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from py4j.java_gateway import get_method
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from totelake.runtime import failpoints

_REQUEST = "py4j.commands.CallCommand.execute("
_FILLING = "execution.columnar.CachedRDDBuilder."
_SETTLES_WITHIN = 30.0
_PAUSE = 0.005

type Job = Callable[[], object]


@dataclass(frozen=True, slots=True)
class KillPoint:
    """The `nth` time, counted from 1, that a run hits a boundary."""

    boundary: str
    nth: int = 1


@dataclass(frozen=True, slots=True)
class ProcessOutcome:
    """How a process ended: the boundaries that it hit, whether it was killed, and otherwise its error, if any."""

    reached: tuple[str, ...]
    killed: bool
    error: str | None


class ForkedProcess:
    """A forked process that runs one job."""

    def __init__(self, pid: int, events: int) -> None:
        """Follow the process `pid`, which writes its events as lines of JSON to the pipe `events`."""
        self.pid = pid
        self._events = events

    def outcome(self) -> ProcessOutcome:
        """Wait for the end of the process and return its outcome."""
        with os.fdopen(self._events) as lines:
            events = [json.loads(line) for line in lines if line.endswith("\n")]
        _, status = os.waitpid(self.pid, 0)
        ended = [line for line in events if "ended" in line]
        reached = tuple(line["boundary"] for line in events if "boundary" in line)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not ended and not killed:
            raise ChildProcessError(f"a forked process ended with status {status} without an outcome")
        return ProcessOutcome(reached, killed, ended[0]["ended"] if ended else None)


class SharedJvm:
    """The JVM of this process's session, and the processes that share it."""

    def __init__(self, spark: SparkSession, log: Path) -> None:
        """Share the JVM of `spark`; the output of forked processes goes to `log`."""
        parameters = SparkContext._gateway.gateway_parameters
        self._gateway = {
            "PYSPARK_GATEWAY_PORT": str(parameters.port),
            "PYSPARK_GATEWAY_SECRET": parameters.auth_token,
        }
        self._spark = spark
        self._log = log
        self._end_jobs()
        self._own = SparkContext._jvm.java.util.HashSet()
        self._own.addAll(_objects_held())

    def start(
        self, job: Job, *, kill: KillPoint | None = None, watcher: failpoints.Watcher | None = None
    ) -> ForkedProcess:
        """Fork a process that runs `job`, is killed at `kill`, and calls `watcher` at each boundary."""
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Python warns of forks of multithreaded processes: the threads here wait for requests and hold no locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            os.close(reading)
            self._run_child(job, writing, kill, watcher)
        os.close(writing)
        return ForkedProcess(pid, reading)

    def run(self, job: Job, *, kill: KillPoint | None = None) -> ProcessOutcome:
        """Run `job` in a forked process and return its outcome, after its requests have ended in the JVM."""
        outcome = self.start(job, kill=kill).outcome()
        self.release_requests()
        return outcome

    def release_requests(self) -> None:
        """Cancel the requests of ended processes and release their objects in the JVM."""
        self._end_jobs()
        _objects_held().retainAll(self._own)

    def _end_jobs(self) -> None:
        """Cancel running jobs and clear the cache.

        The last request of a killed process runs until its jobs are cancelled, and may start another job. The cache
        is cleared after the last request: Spark deadlocks when it is cleared while a query fills it.
        """
        deadline = time.monotonic() + _SETTLES_WITHIN
        while self._is_busy():
            if time.monotonic() > deadline:
                raise TimeoutError(f"a request of an ended process is still running after {_SETTLES_WITHIN:g} s")
            self._spark.sparkContext.cancelAllJobs()
            time.sleep(_PAUSE)
        self._spark.catalog.clearCache()

    def _is_busy(self) -> bool:
        """Return whether the JVM serves another request or fills its cache."""
        jvm = SparkContext._jvm
        stacks = get_method(jvm.java.lang.Thread.getAllStackTraces(), "values")()  # Python would fetch them one by one
        text = jvm.java.util.Arrays.deepToString(stacks.toArray())
        return text.count(_REQUEST) > 1 or _FILLING in text

    def _run_child(self, job: Job, writing: int, kill: KillPoint | None, watcher: failpoints.Watcher | None) -> None:
        events = os.fdopen(writing, "w", buffering=1)
        ended = "the process ended early"
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, sys.stdout.fileno())
            os.dup2(log, sys.stderr.fileno())
            self._connect_to_jvm()
            with failpoints.watched(_reporter(events, kill)), failpoints.watched(watcher or _ignore):
                job()
            ended = None
        except BaseException as error:  # noqa: BLE001 - every error is sent to the parent
            ended = f"{type(error).__name__}: {error}"
        finally:
            events.write(json.dumps({"ended": ended}) + "\n")
            events.flush()
            sys.stdout.flush()
            os._exit(0)

    def _connect_to_jvm(self) -> None:
        """Connect to the JVM of the parent; its own connection stays the parent's."""
        os.environ.update(self._gateway)
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = None
        gateway = launch_gateway()
        running = gateway.jvm.org.apache.spark.SparkContext.getOrCreate()
        java = gateway.jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(running)
        SparkContext(gateway=gateway, jsc=java, conf=SparkConf(_jconf=java.getConf()))


def _objects_held():
    """Return the names of the Java objects that the JVM keeps for Python; an ended process does not release its own."""
    return SparkContext._gateway.java_gateway_server.getGateway().getBindings().keySet()


def _reporter(events, kill: KillPoint | None) -> failpoints.Watcher:
    """Return the watcher that writes every boundary to `events` and kills the process at `kill`."""
    lock, times = threading.Lock(), Counter()

    def report(boundary: str) -> None:
        with lock:
            times[boundary] += 1
            events.write(json.dumps({"boundary": boundary}) + "\n")
            events.flush()
            if kill and (boundary, times[boundary]) == (kill.boundary, kill.nth):
                os.kill(os.getpid(), signal.SIGKILL)

    return report


def _ignore(_boundary: str) -> None:
    """Do nothing."""
