"""The two processes that let histories happen, each at a site of its own."""

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

from tests.chaos.site import Site, site
from tests.postgres_servers import PASSWORD, postgres

WORKERS = 2
_ENDS_WITHIN = 30

type Task = Callable[[Site, int], Any]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres server; yield its URL, with places for `database` and `role`."""
    # Hundreds of connections are made in a history; each side would hash the password four thousand times for each.
    with postgres(max_connections="200", autovacuum="off", scram_iterations="1") as cluster:
        yield f"postgresql://{{role}}:{quote(PASSWORD, safe='')}@127.0.0.1:{cluster.port}/{{database}}"


def server_version(server: str) -> str:
    """Return the version of the Postgres server."""
    with psycopg.connect(server.format(database="postgres", role="postgres")) as connection:
        return str(connection.info.parameter_status("server_version"))


class CrewError(Exception):
    """A worker could not go on; the message has its traceback."""


class Crew:
    """The workers, each a process with a site; they begin with the first thing there is to do."""

    def __init__(self, server: str, size: int = WORKERS) -> None:
        """Have `size` workers whose databases are on the Postgres `server`."""
        processes = multiprocessing.get_context("spawn")
        self._wanted, self._found = processes.Queue(), processes.Queue()
        self._workers = [
            processes.Process(target=_work, args=(number, server, self._wanted, self._found)) for number in range(size)
        ]

    def __enter__(self) -> Self:
        """Start the workers."""
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers; what is still wanted is not any more."""
        self._wanted.cancel_join_thread()
        for _ in self._workers:
            self._wanted.put(None)
        for worker in self._workers:
            worker.join(timeout=_ENDS_WITHIN)
            worker.kill()

    def do(self, task: Task, seeds: Iterable[int], *, until: float = math.inf) -> Iterator[Any]:
        """Do `task` for each of `seeds`; yield what it returns, as it comes.

        When it is `until` by the monotonic clock, nothing more is begun, but that something is done at all. Raises
        `CrewError`.
        """
        waiting, begun = iter(seeds), 0
        # One more than there are workers, so that none of them has to wait for this process.
        for seed in itertools.islice(waiting, len(self._workers) + 1):
            self._wanted.put((task, seed))
            begun += 1
        while begun:
            result = self._found.get()
            begun -= 1
            if isinstance(result, CrewError):
                raise result
            if time.monotonic() < until and (seed := next(waiting, None)) is not None:
                self._wanted.put((task, seed))
                begun += 1
            yield result


def _work(number: int, server: str, wanted: Any, found: Any) -> None:
    logging.disable(logging.INFO)  # the endpoint tells of every request
    folder = Path(tempfile.mkdtemp(prefix="totelake-chaos-"))
    _say_into(folder / "worker.log")
    try:
        with site(number, server, folder) as here:
            while work := wanted.get():
                task, seed = work
                found.put(task(here, seed))
    except Exception:  # noqa: BLE001 - it is raised again in the process that waits
        found.put(CrewError(traceback.format_exc()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say_into(log: Path) -> None:
    """Let this process and its JVM, which tells at length of tasks that were cut off, write to `log`."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(opened, stream.fileno())
