"""The two processes that let histories happen, each at a site of its own."""

import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.chaos.site import Site, site
from tests.worlds import PASSWORD, postgres

WORKERS = 2
_ENDS_WITHIN = 30

type Task = Callable[[Site, int], Any]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres server; yield its URL, with places for `database` and `role`."""
    with postgres(max_connections="200", autovacuum="off") as cluster:
        yield f"postgresql://{{role}}:{quote(PASSWORD, safe='')}@127.0.0.1:{cluster.port}/{{database}}"


def server_version(server: str) -> str:
    """Return the version of the Postgres server."""
    with psycopg.connect(server.format(database="postgres", role="postgres")) as connection:
        return str(connection.info.parameter_status("server_version"))


class CrewError(Exception):
    """A worker could not go on; the message has its traceback."""


def done(server: str, task: Task, seeds: Iterable[int]) -> Iterator[Any]:
    """Do `task` for each of `seeds`, by as many workers as there are to be; yield what it returns, as it comes."""
    processes = multiprocessing.get_context("spawn")
    wanted, found = processes.Queue(), processes.Queue()
    seeds = list(seeds)
    for seed in seeds:
        wanted.put(seed)
    workers = [
        processes.Process(target=_work, args=(number, server, task, wanted, found), daemon=True)
        for number in range(min(WORKERS, len(seeds)))
    ]
    for worker in workers:
        wanted.put(None)
        worker.start()
    try:
        for _ in seeds:
            result = found.get()
            if isinstance(result, CrewError):
                raise result
            yield result
    finally:
        wanted.cancel_join_thread()  # what is still wanted is not, when one of them has failed
        for worker in workers:
            worker.join(timeout=_ENDS_WITHIN)
            worker.kill()


def _work(number: int, server: str, task: Task, wanted: Any, found: Any) -> None:
    logging.disable(logging.INFO)  # the endpoint tells of every request
    try:
        with (
            tempfile.TemporaryDirectory(prefix="totelake-chaos-") as folder,
            site(number, server, Path(folder)) as here,
        ):
            while (seed := wanted.get()) is not None:
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
