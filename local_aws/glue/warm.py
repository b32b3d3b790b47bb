"""A warm spare: one driver process that has started its JVM and waits for the next Spark job.

A job that gets it begins some seconds earlier, and is otherwise run as in a process of its own: the spare serves one
run and ends with it. `TOTELAKE_WARM_SPARK=0` switches it off.
"""

import os
import shutil
import threading

from local_aws import spark
from local_aws.glue.process import Assignment, DriverProcess
from local_aws.glue.world import World

MEMORY = "2g"


def wanted() -> bool:
    """Whether this process should keep a spare."""
    return os.environ.get("TOTELAKE_WARM_SPARK", "1") != "0"


class Spare:
    """Keeps at most one warm driver."""

    def __init__(self, world: World) -> None:
        """Begin without a spare; `prepare` starts one."""
        self._world = world
        self._lock = threading.Lock()
        self._process: DriverProcess | None = None
        self._made = 0
        self._closed = False

    def prepare(self) -> None:
        """Start a spare unless there is one."""
        with self._lock:
            if self._closed or (self._process and self._process.alive):
                return
            self._discard()
            self._made += 1
            folder = self._world.state.jobs.resolve() / f"spare-{os.getpid()}-{self._made}"
            folder.mkdir(parents=True, exist_ok=True)
            variables = spark.environment(self._world.state, driver_memory=MEMORY, scratch=folder, mounts={})
            environment = {**self._world.inherited(), **variables, **self._world.environment()}
            self._process = DriverProcess(folder, environment, spare=True)

    @property
    def process_id(self) -> int | None:
        """Number of the process that waits, if one does."""
        with self._lock:
            return self._process.id if self._process else None

    def take(self, assignment: Assignment) -> DriverProcess | None:
        """Return the spare with this assignment; none where there is none alive."""
        with self._lock:
            process, self._process = self._process, None
        taken = process is not None and process.assign(assignment)
        if process and not taken:
            process.kill()
            process.wait()
            shutil.rmtree(process.folder, ignore_errors=True)
        return process if taken else None

    def close(self) -> None:
        """End the spare, and make no other."""
        with self._lock:
            self._closed = True
            self._discard()

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            shutil.rmtree(process.folder, ignore_errors=True)
