"""A warehouse changed, locked or configured by others: the error names what is missing and how to restore it."""

import re

import pytest

from tests.jobs.warehouse_kinds import postgres_only
from tests.star_batches import FIRST, SMALL, payment
from tests.unit.totelake.predefined_schema import FOREIGN_KEYS, KEYS
from totelake.runtime.errors import (
    StagingError,
    StatementError,
    WarehouseReferenceError,
    WarehouseTablesError,
)

REBUILD = "totelake rebuild warehouse"


LOSSES = {
    "DROP TABLE fact_payment CASCADE": "fact_payment is missing",
    "ALTER TABLE fact_payment RENAME TO fact_payment_old": "fact_payment is missing",
    "ALTER TABLE dim_currency RENAME TO dim_currency_old": "dim_currency is missing",
    "DROP TABLE load_ledger": "load_ledger is missing, while there are rows in .*fact_payment",
    "TRUNCATE fact_payment": "fact_payment has no row",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_table_is_named_and_restored_by_a_rebuild(commit, run_load, execute, side, *, loss):
    """Dropped, renamed or emptied by hand: nothing is loaded while the ledger lists batches that the table lacks."""
    commit(FIRST)
    run_load()
    execute(loss)
    before = execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")

    with pytest.raises(WarehouseTablesError, match=f"{LOSSES[loss]}.*{REBUILD}"):
        run_load()
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    with pytest.raises(WarehouseTablesError, match=f"{LOSSES[loss]}.*{REBUILD}"):
        run_load()
    assert execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1") == before

    run_load(rebuild="true")

    assert execute(
        "SELECT count(*), max(currency_code) FROM current_fact_payment JOIN dim_currency USING (currency_id)"
    ) == [(1, "GBP")]
    assert execute("SELECT count(*) FROM fact_payment") == [(2,)]
    assert execute("SELECT processed_sequence FROM load_ledger ORDER BY 1") == [(1,), (2,)]
    if side.kind == "postgres":
        foreign_keys = {(table, column): (to, key) for table, column, to, key in execute(KEYS)}
        assert foreign_keys == FOREIGN_KEYS
    run_load()


def test_failed_rebuild_does_not_hide_a_lost_table(commit, run_load, execute, side, monkeypatch):
    """In Postgres it is one transaction; in Redshift the ledger is emptied, and the next load loads everything."""
    commit(FIRST)
    run_load()
    execute("DROP TABLE fact_payment CASCADE")
    with monkeypatch.context() as broken:
        side.break_its_end(broken)
        with pytest.raises(side.failure):
            run_load(rebuild="true")

    if side.kind == "postgres":
        with pytest.raises(WarehouseTablesError, match="fact_payment is missing"):
            run_load()
        run_load(rebuild="true")
    else:
        run_load()
    assert execute("SELECT count(*) FROM current_fact_payment") == [(1,)]


def test_missing_table_without_loaded_rows_is_created(commit, run_load, execute):
    """As after a release that declares a new table; the same for a view."""
    commit(SMALL)
    run_load()
    execute("DROP TABLE fact_payment CASCADE; DROP VIEW current_dim_currency")
    run_load()
    assert execute("SELECT count(*) FROM current_fact_payment") == [(0,)]
    assert execute("SELECT count(*) FROM current_dim_currency") == [(1,)]


def test_view_with_the_name_of_a_table_is_rejected(commit, run_load, execute):
    """Rows would be merged into the view; a rebuild fails too."""
    commit(SMALL)
    run_load()
    execute("ALTER TABLE dim_currency RENAME TO kept; CREATE VIEW dim_currency AS SELECT * FROM kept")
    for rebuild in ("false", "true"):
        with pytest.raises(WarehouseTablesError, match=r"(?i)dim_currency is a view, not a table: rename or drop it"):
            run_load(rebuild=rebuild)


@postgres_only
def test_foreign_key_of_another_table_that_blocks_a_rebuild_is_named(commit, run_load, execute):
    """With the statements that drop it and add it again; nothing is changed before."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE TABLE budget (currency_id int CONSTRAINT in_currency REFERENCES dim_currency);
        INSERT INTO budget VALUES (1)""")
    with pytest.raises(WarehouseReferenceError) as raised:
        run_load(rebuild="true")
    message = str(raised.value)
    assert "in_currency of public.budget references dim_currency" in message
    drop, add = re.findall(r"`(ALTER TABLE [^`]+)`", message)
    assert execute("SELECT count(*) FROM fact_payment") == [(1,)]

    execute(drop)
    run_load(rebuild="true")
    execute(add)
    run_load()


def test_objects_of_analysts_on_the_tables_are_kept(commit, run_load, execute, side):
    """Views show the rows of a load and a rebuild; indexes and triggers do not interfere."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE VIEW spent AS SELECT sum(payment_amount) AS total, count(*) AS payments FROM fact_payment;
        CREATE INDEX by_type ON fact_payment (payment_type_id);
        CREATE TABLE noted (payment_id int);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO noted VALUES (NEW.payment_id); RETURN NEW; END';
        CREATE TRIGGER note AFTER INSERT ON fact_payment FOR EACH ROW EXECUTE FUNCTION note()""")
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    for rebuild in ("false", "true"):
        run_load(rebuild=rebuild)
        assert execute("SELECT payments FROM spent") == [(2,)]
    assert execute("SELECT count(*) FROM noted") == [(3,)]
    assert execute("SELECT to_regclass('by_type')::text") == [("by_type",)]


@postgres_only
def test_error_of_a_trigger_is_reported_with_its_table(commit, run_load, execute):
    """Message, detail and hint of the server are in one line."""
    commit(FIRST)
    run_load()
    execute("""
        CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'The books are closed' USING DETAIL = 'Since Friday.', HINT = 'Ask Pat.'; END$$;
        CREATE TRIGGER closed BEFORE INSERT ON fact_payment FOR EACH ROW EXECUTE FUNCTION closed()""")
    commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})
    message = r"fact_payment: The books are closed; Since Friday; Ask Pat; PL/pgSQL function closed\(\) line 1 at RAISE"
    with pytest.raises(StatementError, match=message):
        run_load()


def test_batch_with_a_duplicate_key_is_named_and_replaced_by_a_rebuilt_zone(commit, run_load, execute):
    """As committed by an older version: the error names the key, and after `rebuild processed` the load succeeds."""
    commit(FIRST)
    run_load()
    receipt = (9, "SALES_RECEIPT", 2, None)
    commit({"dim_payment_type": [receipt, receipt]}, ingested=(2, 2))
    message = r"dim_payment_type: the batch has 2 rows, staging 1: .*\(payment_type_id.*\(9.*\) 2 times.*"
    for _ in range(2):
        with pytest.raises(StagingError, match=message + "totelake rebuild processed"):
            run_load()

    rebuilt = commit({**FIRST, "dim_payment_type": [*FIRST["dim_payment_type"], receipt]}, ingested=(1, 2))
    run_load()

    assert execute("SELECT payment_type_id FROM dim_payment_type ORDER BY 1") == [(3,), (9,)]
    assert execute("SELECT processed_sequence FROM load_ledger") == [(rebuilt.sequence,)]


def test_missing_rows_in_staging_are_reported_without_a_key(commit, run_load):
    """No duplicate key is named."""
    commit({"dim_currency": [(1, "GBP", "Pound Sterling", 1, None)]}, counts={"dim_currency": 3})
    with pytest.raises(StagingError, match=r"has 3 rows, staging 1: 2 rows did not arrive. Nothing was merged; run"):
        run_load()
