"""Locks of other sessions on the warehouse: waits are limited, logged and retried."""

import re
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from tests.jobs.log_lines import log_lines
from tests.jobs.warehouse_kinds import postgres_only, redshift_only
from tests.postgres_servers import WAREHOUSE_OWNER
from tests.star_batches import FIRST, payment
from totelake.runtime import connections, locks, retry
from totelake.runtime.errors import (
    DatabaseInterruptedError,
)
from totelake.warehouse.postgres.shape import _APPLY_LOCK
from totelake.warehouse.redshift import data_api


@contextmanager
def blocking(side, statement):
    """Run `statement` in an analyst's session and leave it uncommitted until the block ends."""
    with psycopg.connect(side.url, application_name="an analyst") as connection:
        connection.execute(statement)
        yield connection
        connection.rollback()


BLOCKS = {
    "a table": "LOCK TABLE fact_payment",
    "an alteration": "ALTER TABLE dim_currency ADD CHECK (currency_id > 0)",
    "a row": "UPDATE dim_currency SET currency_name = 'Sterling'",
    "the definition": f"SELECT pg_advisory_xact_lock({_APPLY_LOCK[0]}, {_APPLY_LOCK[1]})",
}


@pytest.fixture
def short_waits(monkeypatch):
    """Shorten the lock timeout, the poll for blocking sessions and the wait before a retry."""
    monkeypatch.setitem(connections._SESSION, "lock_timeout", "2s")
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.02)
    return monkeypatch


@postgres_only
@pytest.mark.parametrize("block", BLOCKS)
def test_wait_for_a_lock_is_limited_and_names_the_blocking_session(
    commit, run_load, execute, side, *, short_waits, capsys, block
):
    """In a log line while it waits and in the error; nothing stays in staging, and the next run succeeds."""
    commit(FIRST)
    run_load()
    commit({"dim_currency": [(1, "GBP", "Pound", 2, None)], "fact_payment": [payment(paid=True, batch=2)]})
    short_waits.setattr(retry, "MAX_ATTEMPTS", 1)
    with blocking(side, BLOCKS[block]) as analyst:
        process = rf"process {analyst.info.backend_pid} \(role {WAREHOUSE_OWNER}, an analyst, idle in transaction"
        with pytest.raises(DatabaseInterruptedError, match=f"lock timeout.*, blocked by {process}"):
            run_load()
        [wait] = log_lines(capsys, "lock_wait")
        assert re.match(process, wait["blocked_by"])
        assert side.left_in_staging() == []

    run_load()
    assert execute("SELECT currency_name FROM dim_currency") == [("Pound",)]


def wait_until(condition):
    """Wait until the condition is true; fail after 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def release_lock(side, analyst, *, given_up):
    """Roll back the `analyst` a second after a session waits for its lock, with `given_up` once none waits any more."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'fact_payment'::regclass"
    with psycopg.connect(side.url, autocommit=True) as observer:
        wait_until(lambda: observer.execute(waiting).fetchone() != (0,))
        time.sleep(1)
        wait_until(lambda: not given_up or observer.execute(waiting).fetchone() == (0,))
    analyst.rollback()


@postgres_only
def test_load_is_retried_when_a_lock_is_released(commit, run_load, execute, side, *, short_waits, capsys):
    """Within the run."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        releaser = threading.Thread(target=release_lock, args=(side, analyst), kwargs={"given_up": True})
        releaser.start()
        run_load()
        releaser.join()
    [retry] = log_lines(capsys, "retry")
    assert ", blocked by process" in retry["error"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]


@redshift_only
def test_wait_in_redshift_is_logged(commit, run_load, execute, side, *, monkeypatch, capsys):
    """There is no lock timeout: the line has the statement that waits and the view that lists the blocking sessions."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    monkeypatch.setattr(data_api, "LOG_WAIT_SECONDS", 0.2)
    with psycopg.connect(side.url) as analyst:
        analyst.execute("LOCK TABLE fact_payment")
        releaser = threading.Thread(target=release_lock, args=(side, analyst), kwargs={"given_up": False})
        releaser.start()
        run_load()
        releaser.join()
    wait = log_lines(capsys, "statement_wait")
    assert "fact_payment" in wait[0]["statement"]
    assert "svv_transactions" in wait[0]["blockers"]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]
