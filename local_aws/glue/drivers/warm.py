"""A warm spare: one JVM of Spark that is running, and waits for the next Spark job.

A job that gets it starts some seconds earlier, and otherwise runs as in a process of its own: its driver is one.
A JVM that has run a job is kept for the jobs of the same deployment, whose code is compiled in it already; one that
has run any other job, or a job that failed, is ended. `TOTELAKE_WARM_SPARK=0` switches it off.
"""

import logging
import os
import shlex
import shutil
import threading

from local_aws import spark
from local_aws.glue.drivers.process import Assignment, WarmProcess
from local_aws.glue.world import World
from local_aws.process_environment import inherited
from local_aws.spark.jvm_state import JAVA_OPTIONS

_LOG = logging.getLogger(__name__)

DRIVER_MEMORY = "2g"
"""The memory of every worker type, since all jobs share one machine. (Choice.)"""

MOST_RUNS = 50
"""The number of runs after which a JVM is replaced: each leaks two megabytes and a thread of Spark's."""


def wanted() -> bool:
    """Whether this process should keep a spare."""
    return os.environ.get("TOTELAKE_WARM_SPARK", "1") != "0"


class Spare:
    """Keeps at most one waiting JVM."""

    def __init__(self, world: World, most_runs: int = MOST_RUNS) -> None:
        """Begin without a spare; `prepare` starts one, which serves at most so many runs."""
        self._world = world
        self._most_runs = most_runs
        self._lock = threading.Lock()
        self._process: WarmProcess | None = None
        self._made = 0
        self._closed = False

    def prepare(self) -> None:
        """Start a spare unless there is one; a failure is logged."""
        with self._lock:
            if self._closed or (self._process and self._process.alive):
                return
            self._discard()
            self._made += 1
            folder = self._world.state.jobs.resolve() / f"spare-{os.getpid()}-{self._made}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                variables = spark.environment(
                    self._world.state,
                    driver_memory=DRIVER_MEMORY,
                    conf={"spark.driver.extraJavaOptions": shlex.join(JAVA_OPTIONS)},
                    scratch=folder,
                    mounts={},
                )
                environment = {**inherited(), "HOME": str(folder), **variables, **self._world.environment()}
                self._process = WarmProcess(folder, environment, self._most_runs)
            except OSError:
                _LOG.exception("the warm spare could not be started: the next Spark job starts a JVM of its own")

    @property
    def process_id(self) -> int | None:
        """The process id of the waiting spare, if any."""
        with self._lock:
            return self._process.id if self._process else None

    def take(self, assignment: Assignment, deployment: str | None) -> WarmProcess | None:
        """Assign a run to the spare and return it; None where none is alive that may run it.

        One that has run a job runs those of the same `deployment` only; None stands for code of no deployment.
        """
        with self._lock:
            process = self._process
            if process and process.used and deployment is None:
                return None
            self._process = None
        fitting = process is not None and (not process.used or process.deployment == deployment)
        taken = process is not None and fitting and process.assign(assignment)
        if process and not taken:
            _end(process)
            if fitting and (reason := process.output[1].read()):
                _LOG.warning("a JVM of job runs was not reused: %s", reason.decode("utf-8", "replace").strip())
            self.prepare()
        if process and taken:
            process.used, process.deployment = True, deployment
        return process if taken else None

    def give_back(self, process: WarmProcess, *, sound: bool) -> None:
        """Keep the process of an ended run for the next, in place of a waiting one; end it if not `sound`.

        The process of a run with code of no deployment is always ended.
        """
        with self._lock:
            kept = sound and process.deployment is not None and not self._closed
            if kept:
                self._discard()
                self._process = process
        if not kept:
            _end(process)
            self.prepare()

    def close(self) -> None:
        """End the spare; no other is started."""
        with self._lock:
            self._closed = True
            self._discard()

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process:
            _end(process)


def _end(process: WarmProcess) -> None:
    process.end()
    shutil.rmtree(process.folder, ignore_errors=True)
