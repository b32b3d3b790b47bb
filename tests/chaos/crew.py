"""The two processes that let histories happen, each at a site of its own."""

import logging
import multiprocessing
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.chaos.site import Site, site
from tests.worlds import PASSWORD, postgres

WORKERS = 2

type Task = Callable[[Site, int], Any]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres server; yield its URL, with places for `database` and `role`."""
    with postgres(max_connections="200", autovacuum="off") as cluster:
        yield f"postgresql://{{role}}:{quote(PASSWORD, safe='')}@127.0.0.1:{cluster.port}/{{database}}"


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
        for worker in workers:
            worker.join(timeout=30)
            worker.kill()


def _work(number: int, server: str, task: Task, wanted: Any, found: Any) -> None:
    logging.disable(logging.INFO)  # the endpoint tells of every request
    try:
        with tempfile.TemporaryDirectory(prefix="totelake-chaos-") as folder, site(number, server, Path(folder)) as here:
            while (seed := wanted.get()) is not None:
                found.put(task(here, seed))
    except Exception:  # noqa: BLE001 - it is raised again in the process that waits
        found.put(CrewError(traceback.format_exc()))
