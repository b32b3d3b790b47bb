"""Concurrent loads into Redshift, and loads whose job was killed."""

import json
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from tests.star_batches import FIRST, SMALL
from totelake.runtime import retry
from totelake.warehouse.redshift import load as redshift_load
from totelake.warehouse.redshift import shape
from totelake.warehouse.redshift.data_api import DataApi


@pytest.fixture(params=["redshift"])
def kind(request):
    """Return the only kind of warehouse of this module."""
    return request.param


@pytest.fixture
def immediate_retry(monkeypatch):
    """Let a run retry without a wait; return the monkeypatch."""
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.01)
    return monkeypatch


@contextmanager
def locked(side, table):
    """Lock `table` in the block, and after it until another session waits for the ledger."""
    waiters = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'load_ledger'::regclass"
    with psycopg.connect(side.url) as connection, psycopg.connect(side.url, autocommit=True) as observer:
        connection.execute(f"LOCK TABLE {table}")
        yield
        deadline = time.monotonic() + 30
        while observer.execute(waiters).fetchone() == (0,):
            assert time.monotonic() < deadline, "no session waits for the ledger"
            time.sleep(0.02)


def in_background(function):
    """Run `function` in a thread; return the thread and a list that receives its error."""
    errors = []

    def run():
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - the test checks it
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_concurrent_loads_load_a_batch_once(commit, run_load, query, immediate_retry, capsys):
    """Both see it as pending; the second waits, sees that the ledger changed, retries and has nothing to do."""
    run_load()
    commit(FIRST)
    both = threading.Barrier(2, timeout=30)
    real = redshift_load._RedshiftLoad._within_limit

    def start_together(opened, steps):
        if opened.run.attempt == 1:
            both.wait()
        return real(opened, steps)

    immediate_retry.setattr(redshift_load._RedshiftLoad, "_within_limit", start_together)
    loads = [in_background(run_load) for _ in range(2)]
    for thread, errors in loads:
        thread.join(60)
        assert errors == []

    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]
    assert query("SELECT count(*) FROM fact_payment") == [(1,)]
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (retried,) = [line["error"] for line in logged if line["event"] == "retry"]
    assert "another load has changed load_ledger since it was read" in retried


class KilledError(BaseException):
    """Simulates the end of a process."""


def test_transaction_of_a_killed_job_is_loaded_once(commit, side, run_load, query, immediate_retry):
    """It ends without the job; the next run waits for it and reads the batch in the ledger."""
    run_load()
    commit(FIRST)
    real = DataApi._wait

    def die(api, identifier):
        if "MERGE" in api._client.describe_statement(Id=identifier)["QueryString"]:
            raise KilledError
        return real(api, identifier)

    with locked(side, "fact_payment"):
        with immediate_retry.context() as killing:
            killing.setattr(DataApi, "_wait", die)
            with pytest.raises(KilledError):
                run_load()
        thread, errors = in_background(run_load)
    thread.join(60)

    assert errors == []
    assert query("SELECT processed_sequence FROM load_ledger") == [(1,)]
    assert query("SELECT count(*) FROM fact_purchase_order") == [(1,)]


def test_staged_rows_of_a_killed_job_are_not_loaded(commit, side, run_load, query):
    """They were staged outside a transaction."""
    commit(SMALL)
    shape.apply(side.warehouse.api)
    with psycopg.connect(side.url) as connection:
        connection.execute("INSERT INTO staging.staged_dim_currency VALUES (9, 'XXX', 'None', 1, NULL)")
    run_load()
    assert query("SELECT currency_id FROM dim_currency") == [(1,)]
