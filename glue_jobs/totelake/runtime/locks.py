"""Waiting for locks of a database: who blocks a session is logged, and named when the wait was too long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from totelake.runtime import worklog
from totelake.runtime.connections import Login
from totelake.runtime.error_mapping import explain
from totelake.runtime.errors import DatabaseInterruptedError

_POLL_SECONDS = 0.5
_JOIN_SECONDS = 10.0
# A prepared transaction has no process: Postgres gives it the number 0. What sessions of other roles do is hidden from
# a role without pg_read_all_stats; who they are is not.
_BLOCKERS = """
SELECT DISTINCT blocker, blocking.usename, blocking.application_name, blocking.state, blocking.xact_start
FROM pg_stat_activity AS waiting
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker
LEFT JOIN pg_stat_activity AS blocking ON blocking.pid = blocker
WHERE waiting.application_name = %(name)s AND waiting.usename = session_user AND waiting.wait_event_type = 'Lock'
    AND waiting.datname = current_database()
    AND (blocking.application_name IS DISTINCT FROM %(name)s OR blocking.usename IS DISTINCT FROM session_user)
ORDER BY blocker
"""


@contextmanager
def named_blockers(login: Login, application_name: str, *, database: str, stage: str) -> Iterator[None]:
    """Log who blocks a session of the block that waits for a lock, and name them when `lock_timeout` ends the wait.

    The sessions are those of `login` under `application_name`; `database` is what errors call it, as in
    `attempts.retried`. Raises `DatabaseInterruptedError` with the blockers in place of the database's own error.
    """
    watch = _Watch(login, application_name, stage)
    watcher = threading.Thread(target=watch.run, name="lock watch", daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        explained = explain(error, database, login) or error
        if watch.blockers and isinstance(explained, DatabaseInterruptedError) and _is_lock_timeout(error, explained):
            said = f"{explained.said}, blocked by {watch.blockers}"
            raise DatabaseInterruptedError(explained.database, said) from error
        raise
    finally:
        watch.ended.set()
        watcher.join(_JOIN_SECONDS)  # it may ask a server that does not answer any more


def _is_lock_timeout(error: Exception, explained: DatabaseInterruptedError) -> bool:
    return isinstance(error, psycopg.errors.LockNotAvailable) or "lock timeout" in explained.said


class _Watch:
    """Asks every half second who blocks the sessions of an application; `blockers` are the last that were seen."""

    def __init__(self, login: Login, application_name: str, stage: str) -> None:
        self._login = login
        self._name = application_name
        self._stage = stage
        self.blockers = ""
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask until `ended` is set; a database that cannot be asked is the watched sessions' own error."""
        if self.ended.wait(_POLL_SECONDS):
            return  # as a rule: then it needs no connection
        try:
            with psycopg.connect(self._login.conninfo, autocommit=True, connect_timeout=5) as connection:
                while not self.ended.wait(_POLL_SECONDS):
                    self._ask(connection)
        except psycopg.Error as error:
            worklog.say("lock_watch", status="ended", stage=self._stage, error=f"{type(error).__name__}: {error}")

    def _ask(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(_BLOCKERS, {"name": self._name}).fetchall()
        blockers = "; ".join(_described(*row) for row in rows)
        if blockers and blockers != self.blockers:
            worklog.say("lock_wait", status="waiting", stage=self._stage, blocked_by=blockers)
        self.blockers = blockers or self.blockers


def _described(process: int, role: str | None, application: str | None, state: str | None, since: object) -> str:
    if not process:
        return "a prepared transaction (see pg_prepared_xacts)"
    said = [f"role {role or 'unknown'}", *([application] if application else []), *([state] if state else [])]
    return f"process {process} ({', '.join(said)}{f', in a transaction since {since}' if since else ''})"
