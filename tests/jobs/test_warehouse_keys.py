"""Keys and identities dropped in the warehouse: a load adds them again or names what prevents it."""

import psycopg
import pytest

from tests.jobs.warehouse_kinds import postgres_only
from tests.star_batches import DIMENSIONS, FIRST, SMALL, payment
from tests.unit.totelake.predefined_schema import FOREIGN_KEYS, KEYS
from totelake.runtime.errors import (
    OrphanError,
    WarehouseColumnsError,
    WarehouseKeysError,
)

REBUILD = "totelake rebuild warehouse"

KEYS_LOST = {
    "unique": "ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key",
    "primary": "ALTER TABLE dim_currency DROP CONSTRAINT dim_currency_pkey CASCADE",
    "ledger": "ALTER TABLE load_ledger DROP CONSTRAINT load_ledger_batch_id_key",
    "deferrable": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key;
        ALTER TABLE fact_payment ADD UNIQUE (payment_id, _ingested_sequence) DEFERRABLE""",
    "partial": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key;
        CREATE UNIQUE INDEX ON fact_payment (payment_id, _ingested_sequence) WHERE paid""",
    "foreign": "ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey",
    "not valid": """
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey;
        ALTER TABLE fact_payment ADD CONSTRAINT fact_payment_currency_id_fkey
            FOREIGN KEY (currency_id) REFERENCES dim_currency (currency_id) NOT VALID""",
    "of another table": """
        CREATE TABLE other (currency_id int PRIMARY KEY); INSERT INTO other VALUES (1);
        ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_currency_id_fkey;
        ALTER TABLE fact_payment ADD CONSTRAINT fact_payment_currency_id_fkey
            FOREIGN KEY (currency_id) REFERENCES other""",
}


UNIQUE = """
SELECT i.indrelid::regclass::text, array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisvalid AND i.indimmediate AND i.indpred IS NULL
    AND i.indrelid IN ('fact_payment'::regclass, 'dim_currency'::regclass, 'load_ledger'::regclass)
GROUP BY i.indexrelid, i.indrelid ORDER BY 1, 2
"""


@postgres_only
@pytest.mark.parametrize(
    ("lost", "pending"), [*((lost, True) for lost in KEYS_LOST), ("unique", False), ("not valid", False)]
)
def test_dropped_key_is_added_again(commit, run_load, execute, *, lost, pending):
    """Without it a merge fails or duplicates rows."""
    commit(FIRST)
    run_load()
    unique, foreign = execute(UNIQUE), sorted(execute(KEYS))
    execute(KEYS_LOST[lost])
    assert (execute(UNIQUE), sorted(execute(KEYS))) != (unique, foreign)
    if pending:
        commit({"fact_payment": [payment(paid=True, version=101, batch=2)]})

    run_load()

    assert (execute(UNIQUE), sorted(execute(KEYS))) == (unique, foreign)
    assert execute("SELECT count(*) FROM fact_payment") == [(1 + pending,)]


@postgres_only
def test_invalid_index_does_not_count_as_a_key(commit, run_load, execute, admin, side):
    """A failed CREATE INDEX CONCURRENTLY leaves one."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["unique"] + "; CREATE UNIQUE INDEX broken ON fact_payment (payment_id, _ingested_sequence)")
    with psycopg.connect(superuser_of(admin, side.warehouse.login)) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
    run_load()
    added = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'fact_payment'::regclass AND contype = 'u'"
    assert execute(added) == [(1,)]


@postgres_only
def test_key_violated_by_rows_is_named_with_the_row(commit, run_load, execute):
    """A rebuild removes the duplicates and adds the key."""
    commit(FIRST)
    run_load()
    execute(KEYS_LOST["primary"] + "; INSERT INTO dim_currency SELECT * FROM dim_currency WHERE currency_id = 1")
    with pytest.raises(WarehouseKeysError) as raised:
        run_load()
    message = str(raised.value)
    assert "dim_currency: PRIMARY KEY (currency_id) is missing" in message
    assert "Key (currency_id)=(1) is duplicated" in message
    assert 'ALTER TABLE "public"."dim_currency" ADD PRIMARY KEY ("currency_id")' in message
    assert REBUILD in message

    run_load(rebuild="true")

    assert execute("SELECT count(*) FROM dim_currency") == [(1,)]
    assert len(execute(KEYS)) == len(FOREIGN_KEYS)


@postgres_only
def test_dropped_identity_is_named(commit, run_load, execute):
    """Facts could not be inserted."""
    commit(SMALL)
    run_load()
    execute("ALTER TABLE fact_payment ALTER payment_record_id DROP IDENTITY")
    with pytest.raises(WarehouseColumnsError, match="fact_payment: column payment_record_id is integer NOT NULL, decl"):
        run_load()


@postgres_only
def test_fact_without_its_dimension_row_is_reported_with_the_key(commit, run_load, execute):
    """With foreign keys in place, and when they are added at the end of a first load."""
    orphan = (*payment(paid=True, batch=1)[:5], 99, *payment(paid=True, batch=1)[6:])
    batch = commit({**DIMENSIONS, "fact_payment": [orphan]})
    orphan_error = r'reference a dimension.*Key \(transaction_id\)=\(99\) is not present in table "dim_transaction"'
    orphan_error = orphan_error.replace("transaction", "counterparty") if orphan[6] == 99 else orphan_error
    for _ in range(2):
        with pytest.raises(OrphanError, match=f"Batch {batch.batch_id}: rows of fact_payment {orphan_error}"):
            run_load()
        execute("ALTER TABLE fact_payment DROP CONSTRAINT IF EXISTS fact_payment_transaction_id_fkey")


def superuser_of(admin, login):
    """Return the superuser's connection string for the database of a login."""
    return psycopg.conninfo.make_conninfo(admin.info.dsn, password=admin.info.password, dbname=login.database)
