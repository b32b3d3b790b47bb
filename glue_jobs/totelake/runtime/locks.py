"""Lock waits in a database: the blocking sessions are logged, and named in the error when the wait times out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from totelake.runtime import log
from totelake.runtime.connections import Login
from totelake.runtime.error_mapping import explain
from totelake.runtime.errors import DatabaseInterruptedError

_POLL_SECONDS = 0.5
_JOIN_SECONDS = 10.0
# A prepared transaction has no process: Postgres lists it under pid 0. Without pg_read_all_stats a role sees who the
# sessions of other roles are, not what they do.
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
    """Log the sessions that block the block's own, and name them in the error when `lock_timeout` ends the wait.

    The block's sessions are those of `login` under `application_name`; `database` is its name in errors, as in
    `retry.retried`. Raises `DatabaseInterruptedError` with the blockers in place of the database's own error.
    """
    monitor = _BlockerMonitor(login, application_name, stage)
    thread = threading.Thread(target=monitor.run, name="blocker monitor", daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        explained = explain(error, database, login) or error
        if monitor.blockers and isinstance(explained, DatabaseInterruptedError) and _is_lock_timeout(error, explained):
            message = f"{explained.message}, blocked by {monitor.blockers}"
            raise DatabaseInterruptedError(explained.database, message) from error
        raise
    finally:
        monitor.ended.set()
        thread.join(_JOIN_SECONDS)  # it may be waiting for a server that no longer answers


def _is_lock_timeout(error: Exception, explained: DatabaseInterruptedError) -> bool:
    return isinstance(error, psycopg.errors.LockNotAvailable) or "lock timeout" in explained.message


class _BlockerMonitor:
    """Queries every half second what blocks the sessions of an application; `blockers` describes the latest ones."""

    def __init__(self, login: Login, application_name: str, stage: str) -> None:
        self._login = login
        self._name = application_name
        self._stage = stage
        self.blockers = ""
        self.ended = threading.Event()

    def run(self) -> None:
        """Query until `ended` is set; when the database fails, the monitored sessions raise the error."""
        if self.ended.wait(_POLL_SECONDS):
            return  # a short block needs no connection
        try:
            with psycopg.connect(self._login.conninfo, autocommit=True, connect_timeout=5) as connection:
                while not self.ended.wait(_POLL_SECONDS):
                    self._query(connection)
        except psycopg.Error as error:
            log.event("lock_watch", status="ended", stage=self._stage, error=f"{type(error).__name__}: {error}")

    def _query(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(_BLOCKERS, {"name": self._name}).fetchall()
        blockers = "; ".join(_description(*row) for row in rows)
        if blockers and blockers != self.blockers:
            log.event("lock_wait", status="waiting", stage=self._stage, blocked_by=blockers)
        self.blockers = blockers or self.blockers


def _description(process: int, role: str | None, application: str | None, state: str | None, since: object) -> str:
    if not process:
        return "a prepared transaction (see pg_prepared_xacts)"
    details = [f"role {role or 'unknown'}", *([application] if application else []), *([state] if state else [])]
    return f"process {process} ({', '.join(details)}{f', in a transaction since {since}' if since else ''})"
