"""Simulated business activity over several connections, with late commits, stale timestamps and rollbacks."""

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
from totesys.events import EVENTS, MAX_BATCH_ROWS, PAY, Event, EventContext, open_payments, plan
from totesys.schema import TABLES, connect

__all__ = ["Activity", "Business", "activity"]

RANDOM_SEED = 20241121
MAX_ATTEMPTS = 10
RETRIED = "events retried after a conflict"

_STATIC_TABLES = ("staff", "counterparty", "currency", "address", "department", "design", "payment_type")


@dataclass(frozen=True)
class Activity:
    """The result of a run: `counts` by event name, in the order of `EVENTS`, without zeros; duration in `seconds`."""

    events: int
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Task:
    """One planned event, with its random seed and the ids of the payments that it may make."""

    event: Event
    random_seed: int
    due_payments: Sequence[int]


def activity(
    url: str,
    *,
    events: int = 300,
    random_seed: int = RANDOM_SEED,
    connections: int = 4,
    late: float = 0.5,
) -> Activity:
    """Simulate `events` events in the totesys at `url`, over several concurrent connections.

    `random_seed` and the contents of totesys determine the events and their rows, but not how they interleave.
    Some transactions stay open until a newer one has committed, for at most `late` seconds. No rows are deleted.
    Raises NotSeededError, SchemaMissingError and UnreachableError, and ValueError for arguments out of range.
    """
    if events < 0 or connections < 1 or late < 0:
        raise ValueError(
            f"events={events}, connections={connections}, late={late}: at least one connection is needed, and neither "
            "events nor late may be negative"
        )
    started = time.monotonic()
    with connect(url, autocommit=True) as connection:
        max_ids = _max_ids(connection)
        tasks = _plan_tasks(connection, Random(random_seed), events, max_ids)  # noqa: S311 - simulated data, not secrets
    commit_barrier, stopped = CommitBarrier(connections, late), threading.Event()
    with ThreadPoolExecutor(connections, thread_name_prefix="totesys") as pool:
        shares = [tasks[first::connections] for first in range(connections)]
        workers = [pool.submit(_run_tasks, url, share, max_ids, commit_barrier, stopped) for share in shares]
        try:
            counts: Counter[str] = sum((worker.result() for worker in workers), Counter())
        finally:
            stopped.set()
    names = [*(event.name for event in EVENTS), RETRIED]
    return Activity(events, {name: counts[name] for name in names if counts[name]}, time.monotonic() - started)


def _run_tasks(
    url: str,
    tasks: Sequence[_Task],
    max_ids: Mapping[str, int],
    commit_barrier: CommitBarrier,
    stopped: threading.Event,
) -> Counter[str]:
    """Run the tasks of one worker on its own connection; return the number of events by name."""
    counts: Counter[str] = Counter()
    try:
        with connect(url, autocommit=True) as connection:
            for task in tasks:
                if stopped.is_set():
                    break
                number = commit_barrier.begin()
                _run_task(task, connection, max_ids, commit_barrier, counts)
                commit_barrier.end(number)
    except BaseException:
        stopped.set()
        raise
    finally:
        commit_barrier.leave()
    return counts


def _run_task(
    task: _Task,
    connection: psycopg.Connection,
    max_ids: Mapping[str, int],
    commit_barrier: CommitBarrier,
    counts: Counter[str],
) -> None:
    """Run one event; after a deadlock or a serialization failure, retry it with the same random numbers."""
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        random = Random(task.random_seed)  # noqa: S311 - simulated data, not secrets
        context = EventContext(Business(connection, random), random, max_ids, task.due_payments, commit_barrier)
        try:
            done = task.event.act(context)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            if not attempts_left:
                raise
            counts[RETRIED] += 1
        else:
            counts[task.event.name] += done
            return


def _plan_tasks(connection: psycopg.Connection, random: Random, events: int, max_ids: Mapping[str, int]) -> list[_Task]:
    """Plan the events and divide the due payments among the payment events."""
    planned = plan(random, events, max_ids)
    batches = iter(_payment_batches(connection, planned.count(PAY)))
    return [_Task(event, random.getrandbits(64), next(batches) if event is PAY else ()) for event in planned]


def _payment_batches(connection: psycopg.Connection, count: int) -> list[list[int]]:
    """Return the ids of open payments in `count` batches of about equal size, earliest due first."""
    due = open_payments(connection, count * MAX_BATCH_ROWS)
    return [due[number * len(due) // count : (number + 1) * len(due) // count] for number in range(count)]


def _max_ids(connection: psycopg.Connection) -> dict[str, int]:
    """Return the highest id of each table, 0 for an empty one; raises NotSeededError when a static table is empty."""
    columns = sql.SQL(", ").join(
        sql.SQL("(SELECT coalesce(max({}), 0) FROM {})").format(sql.Identifier(f"{table}_id"), sql.Identifier(table))
        for table in TABLES
    )
    row = connection.execute(sql.SQL("SELECT {}").format(columns)).fetchone() or ()
    max_ids = dict(zip(TABLES, row, strict=True))
    empty = [table for table in _STATIC_TABLES if not max_ids[table]]
    if empty:
        raise NotSeededError(empty)
    return max_ids
