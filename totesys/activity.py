"""The business going on: people at several connections, some of whom commit late, forget, or think better of it."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

import psycopg
from psycopg import sql

from totesys.business import Business
from totesys.commit_barrier import CommitBarrier
from totesys.errors import NotSeededError
from totesys.events import BATCH_ROWS, EVENTS, PAY, Event, EventContext, open_payments, plan
from totesys.schema import TABLES, connect

__all__ = ["Activity", "Business", "activity"]

RANDOM_SEED = 20241121
TRIES = 10
RETRIED = "events done again after a conflict"

_STATIC_TABLES = ("staff", "counterparty", "currency", "address", "department", "design", "payment_type")


@dataclass(frozen=True)
class Activity:
    """What was done: `counts` by its name in words, in the order of telling; what did not happen is left out."""

    events: int
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Task:
    """One event that is to be done, with the luck of its own and the payments that it may make."""

    event: Event
    random_seed: int
    due: Sequence[int]


def activity(
    url: str,
    *,
    events: int = 300,
    random_seed: int = RANDOM_SEED,
    connections: int = 4,
    late: float = 0.5,
) -> Activity:
    """Let the business go on in the totesys at `url` for `events` events, from several connections at once.

    Which events happen to which rows is settled by `random_seed` and by what is in totesys; how they interleave is not.
    Some transactions stay open until a younger one has committed, for `late` seconds at most. Nothing is deleted.
    Raises NotSeededError, SchemaMissingError and UnreachableError, and ValueError for numbers that make no sense.
    """
    if events < 0 or connections < 1 or late < 0:
        raise ValueError(f"no activity has events={events}, connections={connections} and late={late}")
    began = time.monotonic()
    with connect(url, autocommit=True) as connection:
        last = _last_ids(connection)
        tasks = _tasks(connection, Random(random_seed), events, last)  # noqa: S311 - made-up data, not secrets
    commit_barrier, stopped = CommitBarrier(connections, late), threading.Event()
    with ThreadPoolExecutor(connections, thread_name_prefix="totesys") as pool:
        shares = [tasks[first::connections] for first in range(connections)]
        working = [pool.submit(_work, url, share, last, commit_barrier, stopped) for share in shares]
        try:
            counts: Counter[str] = sum((future.result() for future in working), Counter())
        finally:
            stopped.set()
    names = [*(event.name for event in EVENTS), RETRIED]
    return Activity(events, {name: counts[name] for name in names if counts[name]}, time.monotonic() - began)


def _work(
    url: str, tasks: Sequence[_Task], last: Mapping[str, int], commit_barrier: CommitBarrier, stopped: threading.Event
) -> Counter[str]:
    """Do one person's share, and return how often each thing was done."""
    counts: Counter[str] = Counter()
    try:
        with connect(url, autocommit=True) as connection:
            for task in tasks:
                if stopped.is_set():
                    break
                number = commit_barrier.begin()
                _do(task, connection, last, commit_barrier, counts)
                commit_barrier.end(number)
    except BaseException:
        stopped.set()
        raise
    finally:
        commit_barrier.leave()
    return counts


def _do(
    task: _Task,
    connection: psycopg.Connection,
    last: Mapping[str, int],
    commit_barrier: CommitBarrier,
    counts: Counter[str],
) -> None:
    """Do one event, again from its beginning when it got in the way of another."""
    for tries_left in reversed(range(TRIES)):
        random = Random(task.random_seed)  # noqa: S311 - made-up data, not secrets
        try:
            done = task.event.act(EventContext(Business(connection, random), random, last, task.due, commit_barrier))
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            if not tries_left:
                raise
            counts[RETRIED] += 1
        else:
            counts[task.event.name] += done
            return


def _tasks(connection: psycopg.Connection, random: Random, events: int, last: Mapping[str, int]) -> list[_Task]:
    """Settle what will be done, and divide the payments that are due among those who pay."""
    planned = plan(random, events, last)
    batches = iter(_batches(connection, planned.count(PAY)))
    return [_Task(event, random.getrandbits(64), next(batches) if event is PAY else ()) for event in planned]


def _batches(connection: psycopg.Connection, count: int) -> list[list[int]]:
    """Return open payments in `count` even batches, those due first in the first."""
    due = open_payments(connection, count * BATCH_ROWS)
    return [due[number * len(due) // count : (number + 1) * len(due) // count] for number in range(count)]


def _last_ids(connection: psycopg.Connection) -> dict[str, int]:
    """Return the highest id of each table, 0 for an empty one; the static ones must hold rows."""
    highest = sql.SQL(", ").join(
        sql.SQL("(SELECT coalesce(max({}), 0) FROM {})").format(sql.Identifier(f"{table}_id"), sql.Identifier(table))
        for table in TABLES
    )
    found = connection.execute(sql.SQL("SELECT {}").format(highest)).fetchone() or ()
    last = dict(zip(TABLES, found, strict=True))
    empty = [table for table in _STATIC_TABLES if not last[table]]
    if empty:
        raise NotSeededError(empty)
    return last
