"""A Spark that is started once and serves one forked process after the other, each of which can be killed.

Starting a JVM takes seconds, and forking none. A forked process speaks to the JVM of its parent through a connection
of its own, runs one stage of the platform in it, and ends or is killed; what it had asked of the JVM goes on for a
while without it, as the executors of a driver that was lost do.
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
class Point:
    """The `nth` time, counted from 1, that a run comes to a boundary."""

    boundary: str
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended: the boundaries that it came to, whether it was killed, else its error if it had one."""

    reached: tuple[str, ...]
    killed: bool
    error: str | None


class Process:
    """A forked process that runs one job."""

    def __init__(self, pid: int, said: int) -> None:
        """Follow the process `pid`, which writes a line of JSON for each thing to `said`."""
        self.pid = pid
        self._said = said

    def outcome(self) -> Outcome:
        """Wait for the end of the process and return how it ended."""
        with os.fdopen(self._said) as lines:
            said = [json.loads(line) for line in lines if line.endswith("\n")]
        _, status = os.waitpid(self.pid, 0)
        ended = [line for line in said if "ended" in line]
        reached = tuple(line["boundary"] for line in said if "boundary" in line)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not ended and not killed:
            raise ChildProcessError(f"a forked process ended with status {status} and did not say why")
        return Outcome(reached, killed, ended[0]["ended"] if ended else None)


class WarmSpark:
    """The JVM of this process' session, and the processes that work with it."""

    def __init__(self, spark: SparkSession, log: Path) -> None:
        """Serve processes by the JVM of `spark`; what they print goes to `log`."""
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

    def start(self, job: Job, *, kill: Point | None = None, watcher: failpoints.Watcher | None = None) -> Process:
        """Fork a process that runs `job`, is killed at the point `kill`, and tells `watcher` of each boundary."""
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Python warns of forks beside threads: the threads of this process wait for requests and hold nothing.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            os.close(reading)
            self._be_child(job, writing, kill, watcher)
        os.close(writing)
        return Process(pid, reading)

    def run(self, job: Job, *, kill: Point | None = None) -> Outcome:
        """Run `job` in a process of its own and return how that ended; nothing of it goes on in the JVM."""
        outcome = self.start(job, kill=kill).outcome()
        self.settle()
        return outcome

    def settle(self) -> None:
        """End what dead processes have left running in the JVM, and forget what they have left in it."""
        self._end_jobs()
        _objects_held().retainAll(self._own)

    def _end_jobs(self) -> None:
        """End what runs, and clear the cache.

        The last request of a dead process goes on until its jobs are cancelled, and may begin another one. The cache
        is cleared when the last request has ended: Spark locks itself up when it is cleared while a query fills it.
        """
        deadline = time.monotonic() + _SETTLES_WITHIN
        while self._is_at_work():
            if time.monotonic() > deadline:
                raise TimeoutError(f"a request of a dead process is still served after {_SETTLES_WITHIN:g} s")
            self._spark.sparkContext.cancelAllJobs()
            time.sleep(_PAUSE)
        self._spark.catalog.clearCache()

    def _is_at_work(self) -> bool:
        """Return whether the JVM serves a request besides this one, or fills its cache."""
        jvm = SparkContext._jvm
        stacks = get_method(jvm.java.lang.Thread.getAllStackTraces(), "values")()  # Python's own would come one by one
        text = jvm.java.util.Arrays.deepToString(stacks.toArray())
        return text.count(_REQUEST) > 1 or _FILLING in text

    def _be_child(self, job: Job, writing: int, kill: Point | None, watcher: failpoints.Watcher | None) -> None:
        told = os.fdopen(writing, "w", buffering=1)
        ended = "the process ended early"
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, sys.stdout.fileno())
            os.dup2(log, sys.stderr.fileno())
            self._adopt_jvm()
            with failpoints.watched(_teller(told, kill)), failpoints.watched(watcher or _ignore):
                job()
            ended = None
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told to the parent
            ended = f"{type(error).__name__}: {error}"
        finally:
            told.write(json.dumps({"ended": ended}) + "\n")
            told.flush()
            sys.stdout.flush()
            os._exit(0)

    def _adopt_jvm(self) -> None:
        """Take the JVM of the parent by a new connection; the parent's own belongs to the parent."""
        os.environ.update(self._gateway)
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = None
        gateway = launch_gateway()
        running = gateway.jvm.org.apache.spark.SparkContext.getOrCreate()
        java = gateway.jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(running)
        SparkContext(gateway=gateway, jsc=java, conf=SparkConf(_jconf=java.getConf()))


def _objects_held():
    """Return the names of the Java objects that the JVM holds for Python; a process that ends gives none of them up."""
    return SparkContext._gateway.java_gateway_server.getGateway().getBindings().keySet()


def _teller(told, kill: Point | None) -> failpoints.Watcher:
    """Return the watcher that writes every boundary to `told` and kills the process at the point `kill`."""
    lock, times = threading.Lock(), Counter()

    def tell(boundary: str) -> None:
        with lock:
            times[boundary] += 1
            told.write(json.dumps({"boundary": boundary}) + "\n")
            told.flush()
            if kill and (boundary, times[boundary]) == (kill.boundary, kill.nth):
                os.kill(os.getpid(), signal.SIGKILL)

    return tell


def _ignore(_boundary: str) -> None:
    """Take no notice."""
