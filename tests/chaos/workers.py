"""Worker processes that run histories, each in its own testbed."""

import itertools
import logging
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tests.chaos.testbed import PipelineTestbed, make_testbed
from tests.postgres_servers import PASSWORD, postgres

WORKERS = 2
_ENDS_WITHIN = 30

type Task = Callable[[PipelineTestbed, int], Any]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres server; yield its URL with placeholders for `database` and `role`."""
    # A history makes hundreds of connections; each would hash the password four thousand times on both sides.
    with postgres(max_connections="200", autovacuum="off", scram_iterations="1") as cluster:
        yield f"postgresql://{{role}}:{quote(PASSWORD, safe='')}@127.0.0.1:{cluster.port}/{{database}}"


def server_version(server: str) -> str:
    """Return the version of the Postgres server."""
    with psycopg.connect(server.format(database="postgres", role="postgres")) as connection:
        return str(connection.info.parameter_status("server_version"))


class WorkerError(Exception):
    """A worker failed; the message has its traceback."""


class WorkerPool:
    """Worker processes, each with a testbed, which start with the context."""

    def __init__(self, server: str, size: int = WORKERS) -> None:
        """Use `size` workers, with their databases on the Postgres `server`."""
        processes = multiprocessing.get_context("spawn")
        self._tasks, self._results = processes.Queue(), processes.Queue()
        self._workers = [
            processes.Process(target=_work, args=(number, server, self._tasks, self._results)) for number in range(size)
        ]

    def __enter__(self) -> Self:
        """Start the workers."""
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers; pending tasks are dropped."""
        self._tasks.cancel_join_thread()
        for _ in self._workers:
            self._tasks.put(None)
        for worker in self._workers:
            worker.join(timeout=_ENDS_WITHIN)
            worker.kill()

    def do(self, task: Task, seeds: Iterable[int], *, until: float = math.inf) -> Iterator[Any]:
        """Run `task` for each of `seeds`; yield the results as they complete.

        After `until` (monotonic clock) no further task is started, but at least one is. Raises
        `WorkerError`.
        """
        pending, running = iter(seeds), 0
        # One more than there are workers, so that none of them waits for this process.
        for seed in itertools.islice(pending, len(self._workers) + 1):
            self._tasks.put((task, seed))
            running += 1
        while running:
            result = self._results.get()
            running -= 1
            if isinstance(result, WorkerError):
                raise result
            if time.monotonic() < until and (seed := next(pending, None)) is not None:
                self._tasks.put((task, seed))
                running += 1
            yield result


def _work(number: int, server: str, tasks: Any, results: Any) -> None:
    logging.disable(logging.INFO)  # the endpoint logs every request
    folder = Path(tempfile.mkdtemp(prefix="totelake-chaos-"))
    _redirect_output(folder / "worker.log")
    try:
        with make_testbed(number, server, folder) as testbed:
            while work := tasks.get():
                task, seed = work
                results.put(task(testbed, seed))
    except Exception:  # noqa: BLE001 - raised again in the waiting process
        results.put(WorkerError(traceback.format_exc()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _redirect_output(log: Path) -> None:
    """Redirect the output of this process and its JVM, which logs every cancelled task, to `log`."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(opened, stream.fileno())
