"""Deletions in totesys: tombstones in the raw zone, and the limit for mass deletions."""

import psycopg
import pytest

from tests.lakes import job_run
from totelake import ingest
from totelake.lake import history
from totelake.runtime.errors import (
    ArgumentError,
    MassDeletionError,
    UnknownTableError,
)


def test_deleted_row_is_ingested_as_a_tombstone_once(lake, totesys, reader):
    """The tombstone has the last known values; a row inserted again is a row again."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE payment SET paid = true WHERE payment_id IN (3, 4)")
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        [(amount,)] = connection.execute("DELETE FROM payment WHERE payment_id = 4 RETURNING payment_amount").fetchall()
        connection.execute("UPDATE payment SET paid = true WHERE payment_id = 5")

    batch = lake.ingest(reader)

    rows = lake.rows(batch, "payment").orderBy("payment_id").collect()
    assert [(row.payment_id, row._op, row.paid) for row in rows] == [(4, "D", True), (5, "U", True)]
    assert rows[0].payment_amount == amount
    assert (batch.tables["payment"].rows, batch.tables["payment"].deletes) == (2, 1)
    assert lake.ingest(reader) is None

    with psycopg.connect(totesys) as connection:
        connection.execute(
            "INSERT INTO payment (payment_id, transaction_id, counterparty_id, payment_amount, currency_id,"
            " payment_type_id, paid, payment_date, company_ac_number, counterparty_ac_number)"
            " SELECT 4, transaction_id, counterparty_id, 99, currency_id, payment_type_id, paid, payment_date,"
            " company_ac_number, counterparty_ac_number FROM payment WHERE payment_id = 5"
        )
    [reinserted] = lake.rows(lake.ingest(reader), "payment").collect()
    assert (reinserted.payment_id, reinserted._op, reinserted.payment_amount) == (4, "U", 99)
    versions = history.versions(lake.ingested, "payment", 4)
    assert [(version.sequence, version.deleted, version.values["paid"]) for version in versions] == [
        (1, False, versions[0].values["paid"]),
        (2, False, True),
        (3, True, True),
        (4, False, True),
    ]
    assert history.versions(lake.ingested, "payment", 1_000_000) == []


def test_batch_of_deletions_only_is_committed(lake, totesys, reader):
    """No row of the table was written since the last batch."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("DELETE FROM payment WHERE payment_id IN (1, 2)")

    batch = lake.ingest(reader)

    assert {table: (part.rows, part.deletes) for table, part in batch.tables.items()} == {"payment": (2, 2)}


def test_deletion_is_detected_when_the_row_count_is_unchanged(lake, totesys, reader):
    """As many rows were inserted as deleted."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("DELETE FROM design WHERE design_id = (SELECT max(design_id) FROM design)")
        connection.execute(
            "INSERT INTO design (design_name, file_location, file_name) VALUES ('New', '/usr', 'n.json')"
        )

    batch = lake.ingest(reader)

    assert (batch.tables["design"].rows, batch.tables["design"].deletes) == (2, 1)


def test_mass_deletion_stops_the_batch_until_it_is_allowed(lake, totesys, reader):
    """The error gives the table and its number of deleted rows; a job argument allows the deletion."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        [(payments,)] = connection.execute("SELECT count(*) FROM payment").fetchall()
        connection.execute("TRUNCATE payment")

    with pytest.raises(MassDeletionError, match=f"totesys.payment: {payments} of its {payments} rows were deleted"):
        lake.ingest(reader)
    assert len(lake.ingested_batches()) == 1

    batch = ingest.run(job_run(deletable_share="1"), reader, lake.ingested)
    assert batch.tables["payment"].deletes == payments


def test_history_of_an_unknown_table_is_rejected(lake):
    """The error lists the tables."""
    with pytest.raises(UnknownTableError, match="There is no table payments; there are address, counterparty"):
        history.versions(lake.ingested, "payments", 1)


def test_invalid_deletable_share_is_rejected(lake, reader):
    """Before a connection is opened."""
    with pytest.raises(ArgumentError, match="--deletable_share 20%: expected a fraction from 0 to 1"):
        ingest.run(job_run(deletable_share="20%"), reader, lake.ingested)
