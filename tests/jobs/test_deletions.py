"""Deletions are found by counting where few rows have changed, and by comparing all keys where that is not possible."""

import psycopg
import pytest

from totelake.ingest import extract
from totelake.lake import keys

COPY = """
    INSERT INTO payment ({key} transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid,
                         payment_date, company_ac_number, counterparty_ac_number)
    SELECT {value} transaction_id, counterparty_id, 99, currency_id, payment_type_id, paid, payment_date,
           company_ac_number, counterparty_ac_number FROM payment WHERE payment_id = 5"""
INSERT, REINSERT = COPY.format(key="", value=""), COPY.format(key="payment_id,", value="3,")
UPDATE = "UPDATE payment SET payment_amount = payment_amount + 1 WHERE payment_id IN (1, 2)"
DELETE = "DELETE FROM payment WHERE payment_id = 3"


@pytest.fixture
def compared(monkeypatch):
    """Return the names of the tables whose keys are compared, in a list that grows."""
    names, keys = [], extract.Extract.keys
    monkeypatch.setattr(extract.Extract, "keys", lambda self, table: names.append(table.name) or keys(self, table))
    return names


def change(totesys, *statements):
    """Run `statements` in one transaction."""
    with psycopg.connect(totesys) as connection:
        for statement in statements:
            connection.execute(statement)


def rows_of(batch):
    """Return how many rows, and how many of them tombstones, `batch` has of the table payment."""
    part = batch.tables["payment"]
    return part.rows, part.deletes


def test_keys_are_not_compared_when_the_counts_add_up(lake, totesys, reader, compared):
    """Insertions, updates, and a row that was deleted earlier and is inserted again."""
    lake.ingest(reader)
    change(totesys, INSERT, UPDATE)
    assert rows_of(lake.ingest(reader)) == (3, 0)
    change(totesys, DELETE)
    assert rows_of(lake.ingest(reader)) == (1, 1)
    assert compared.count("payment") == 1

    change(totesys, REINSERT, UPDATE)

    assert rows_of(lake.ingest(reader)) == (3, 0)
    assert compared.count("payment") == 1


def test_deletion_among_insertions_and_updates_is_found(lake, totesys, reader, compared):
    """The number of rows is the same as before."""
    lake.ingest(reader)
    change(totesys, DELETE, INSERT, UPDATE)
    assert rows_of(lake.ingest(reader)) == (4, 1)
    assert compared == ["payment"]


def test_row_deleted_and_inserted_again_between_batches_is_an_update(lake, totesys, reader, compared):
    """Its key is alive in both batches."""
    lake.ingest(reader)
    change(totesys, DELETE, REINSERT)
    assert rows_of(lake.ingest(reader)) == (1, 0)
    assert compared == []


@pytest.mark.parametrize("limit", ["MAX_KEYS", "MAX_FILES"])
def test_all_keys_are_compared_above_a_limit(lake, totesys, reader, limit, request):
    """Too many changed rows, or too many batches to look them up in."""
    compared, monkeypatch = map(request.getfixturevalue, ("compared", "monkeypatch"))
    lake.ingest(reader)
    monkeypatch.setattr(keys, limit, 0)
    change(totesys, UPDATE)
    assert rows_of(lake.ingest(reader)) == (2, 0)
    assert compared == ["payment"]
