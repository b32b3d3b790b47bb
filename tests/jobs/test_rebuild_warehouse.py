"""The rebuild of a warehouse, and batches that replace all earlier ones."""

import datetime as dt

import psycopg
import pytest

from tests.jobs.loaded_rows import contents, rows_without_surrogate_keys
from tests.star_batches import DIMENSIONS, FIRST, order, payment
from totelake.warehouse import load


def test_rebuilt_warehouse_has_the_same_rows(commit, side, run_load, query):
    """History, deletions and the latest state of each dimension; rows not in the lake are gone."""
    commit({**FIRST, "fact_purchase_order": [order(version=101), order(8)]})
    commit({"fact_purchase_order": [order(version=100, batch=2, quantity=4)]})
    deleted = (*order(version=100, batch=3, quantity=4)[:-1], dt.datetime(2024, 11, 21, 9))
    commit({"fact_purchase_order": [deleted], "dim_currency": [(1, "GBP", "Sterling", 3, None)]})
    run_load()
    loaded = "SELECT processed_sequence, batch_id, rows FROM load_ledger ORDER BY 1"
    before, ledger_before = rows_without_surrogate_keys(query), query(loaded)
    with psycopg.connect(side.url) as connection:
        connection.execute("UPDATE fact_payment SET payment_amount = 0")
        connection.execute("DELETE FROM fact_purchase_order WHERE _ingested_sequence = 2")
        connection.execute("INSERT INTO dim_currency VALUES (5, 'XXX', 'None', 1, NULL)")

    run_load(rebuild="true")

    assert rows_without_surrogate_keys(query) == before
    assert query(loaded) == ledger_before
    run_load()
    assert rows_without_surrogate_keys(query) == before


def test_many_batches_are_loaded_together(commit, run_load, query, monkeypatch):
    """Into an empty warehouse, with one ledger entry; later ones follow it."""
    monkeypatch.setattr(load, "_SINGLE_BATCHES", 2)
    commit(FIRST)
    commit({"fact_payment": [payment(paid=True, batch=2)], "dim_currency": [(1, "GBP", "Sterling", 2, None)]})
    last = commit({"fact_payment": [payment(paid=False, batch=3)]})

    run_load()

    ledger = "SELECT processed_sequence, batch_id, first_ingested, last_ingested FROM load_ledger ORDER BY 1"
    assert query(ledger) == [(3, last.batch_id, 1, 3)]
    assert query("SELECT paid, _ingested_sequence FROM fact_payment ORDER BY 2") == [(False, 1), (True, 2), (False, 3)]
    assert query("SELECT currency_name FROM dim_currency WHERE currency_id = 1") == [("Sterling",)]
    following = commit({"fact_payment": [payment(paid=True, batch=4)]})
    run_load()
    assert query(ledger)[1:] == [(4, following.batch_id, 4, 4)]
    assert query("SELECT count(*) FROM fact_payment") == [(4,)]


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
def test_all_foreign_keys_exist_after_a_load_and_after_a_rebuild(commit, side, run_load, query):
    """A load adds them last."""
    commit(FIRST)
    for rebuild in ("false", "true"):
        run_load(rebuild=rebuild)
        assert query("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(24,)]


def test_rebuild_that_fails_leaves_the_warehouse_unchanged(commit, run_load, query, side, monkeypatch):
    """The rebuild is one transaction."""
    commit(FIRST)
    run_load()
    before = contents(query)
    with monkeypatch.context() as broken:
        side.break_its_end(broken)
        with pytest.raises(side.failure):
            run_load(rebuild="true")
    assert contents(query) == before


def test_full_refresh_batch_replaces_the_earlier_ones(commit, run_load, query):
    """Rows only in earlier batches are deleted, and the ledger continues from it."""
    commit(FIRST)
    run_load()
    commit({"fact_payment": [payment(paid=True, batch=2)]})
    full_refresh = commit({**DIMENSIONS, "fact_payment": [payment(paid=False)]}, ingested=(1, 2))
    last = commit({"fact_payment": [payment(paid=True, batch=3)]}, ingested=(3, 3))

    run_load()

    assert query("SELECT processed_sequence, batch_id FROM load_ledger ORDER BY 1") == [
        (full_refresh.sequence, full_refresh.batch_id),
        (last.sequence, last.batch_id),
    ]
    assert query("SELECT paid, _ingested_sequence FROM fact_payment ORDER BY 2") == [(False, 1), (True, 3)]
    assert query("SELECT count(*) FROM fact_purchase_order") == [(0,)]
