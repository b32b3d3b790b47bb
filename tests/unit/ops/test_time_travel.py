"""Queries as of an earlier batch: their restriction to its rows, and the batch of a number or time."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import duckdb
import pytest
import typer

from ops.cli.lake_query import batch_or_time
from ops.sandbox.errors import NoBatchAsOfError, NotAskedAsOfError
from ops.sandbox.time_travel import CoveredBatch, find_batch, restricted
from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED, PROCESSED

DATABASES = {"processed": PROCESSED.database, "ingested": INGESTED.database, "discovered": DISCOVERED_DATABASE}
ALL_VERSIONS, CURRENT = [("CARD",), ("CASH",)], [("CARD",)]
"""The names in `dim_payment_type` up to batch 2, and in its view as of batch 2."""


@pytest.fixture(scope="module")
def lake():
    """Return a DuckDB with two dimensions: in batch 2 a payment type is renamed and another added, 3 deletes both."""
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE SCHEMA totesys_processed;
            CREATE SCHEMA budget;
            USE totesys_processed;
            CREATE TABLE dim_payment_type (
                payment_type_id INT, payment_type_name TEXT, _ingested_sequence INT, _deleted_at TIMESTAMP);
            INSERT INTO dim_payment_type VALUES
                (1, 'CASH', 1, NULL), (1, 'CARD', 2, NULL), (1, 'CARD', 3, '2026-01-03');
            CREATE TABLE dim_currency (
                currency_id INT, currency_code TEXT, currency_name TEXT, _ingested_sequence INT, _deleted_at TIMESTAMP);
            INSERT INTO dim_currency VALUES (1, 'GBP', 'Pound Sterling', 1, NULL), (2, 'CHF', NULL, 3, NULL);
            CREATE TABLE budget.dim_payment_type (payment_type_name TEXT);
            INSERT INTO budget.dim_payment_type VALUES ('BUDGET');
        """)
        yield connection


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT payment_type_name FROM current_dim_payment_type", CURRENT),
        ("SELECT payment_type_name FROM dim_payment_type", ALL_VERSIONS),
        ('select "payment_type_name" from "totesys_processed"."Dim_Payment_Type"', ALL_VERSIONS),
        ("SELECT totesys_processed.dim_payment_type.payment_type_name FROM dim_payment_type", ALL_VERSIONS),
        ("SELECT current_dim_payment_type.payment_type_name FROM totesys_processed.current_dim_payment_type", CURRENT),
        ("SELECT t.payment_type_name -- ü 😀\nFROM current_dim_payment_type AS t;", CURRENT),
        ("SELECT name FROM current_dim_payment_type t (id, name, batch)", CURRENT),
        ("SELECT payment_type_name FROM current_dim_payment_type, current_dim_currency", CURRENT),
        (
            "SELECT t.payment_type_name FROM current_dim_payment_type t JOIN dim_payment_type USING (payment_type_id)",
            CURRENT * 2,
        ),
        ("SELECT payment_type_name FROM (current_dim_payment_type CROSS JOIN current_dim_currency)", CURRENT),
        ("SELECT a.payment_type_name FROM dim_payment_type a, dim_currency b", ALL_VERSIONS),
        ("WITH a AS (SELECT * FROM current_dim_payment_type) SELECT payment_type_name FROM a", CURRENT),
        ("SELECT 'CARD' WHERE EXISTS (SELECT * FROM current_dim_payment_type)", CURRENT),
        ("SELECT (SELECT max(payment_type_name) FROM dim_payment_type WHERE _ingested_sequence = 3)", [(None,)]),
        ("SELECT payment_type_name FROM dim_payment_type EXCEPT SELECT 'CASH'", CURRENT),
        ("SELECT payment_type_name FROM budget.dim_payment_type", [("BUDGET",)]),
        # A common table expression shadows the name in the query around it, and not in itself or with a database.
        (
            "WITH current_dim_payment_type AS (SELECT 'SHADOW' AS x) SELECT x FROM Current_Dim_Payment_Type",
            [("SHADOW",)],
        ),
        (
            """WITH current_dim_payment_type AS (SELECT * FROM current_dim_payment_type)
               SELECT payment_type_name FROM current_dim_payment_type""",
            CURRENT,
        ),
        (
            """WITH dim_payment_type AS (SELECT 'SHADOW' AS payment_type_name)
               SELECT payment_type_name FROM totesys_processed.dim_payment_type""",
            ALL_VERSIONS,
        ),
        (
            "WITH dim_payment_type AS (SELECT 'SHADOW' AS x) SELECT payment_type_name FROM current_dim_payment_type",
            CURRENT,
        ),
        (
            """SELECT payment_type_name FROM dim_payment_type WHERE 'SHADOW' IN
               (WITH dim_payment_type AS (SELECT 'SHADOW' AS x) SELECT x FROM dim_payment_type)""",
            ALL_VERSIONS,
        ),
        (
            """WITH a AS (SELECT payment_type_name FROM dim_payment_type), dim_payment_type AS (SELECT 'SHADOW')
               SELECT * FROM a""",
            ALL_VERSIONS,
        ),
        (
            """WITH RECURSIVE dim_payment_type (n) AS (SELECT 1 UNION ALL SELECT 2 FROM dim_payment_type WHERE n < 2)
               SELECT n FROM dim_payment_type""",
            [(1,), (2,)],
        ),
    ],
)
def test_query_has_the_rows_up_to_the_batch(lake, query, rows):
    """Of star tables and their views, whatever they are called in the query; other tables stay as they are."""
    assert sorted(lake.execute(restricted(query, 2, DATABASES)).fetchall()) == rows


def test_view_has_what_is_not_deleted(lake):
    """A record is missing before the batch that has it, and after the one that deletes it."""
    query = "SELECT count(*) FROM current_dim_payment_type, current_dim_currency"

    counts = [lake.execute(restricted(query, last, DATABASES)).fetchone() for last in range(4)]

    assert counts == [(0,), (1,), (1,), (0,)]


def test_text_around_the_tables_is_kept():
    """Comments, functions and layout, and names with the catalog, which DuckDB does not have."""
    names = 'awsdatacatalog.totesys_processed.dim_date.*\n  FROM "AwsDataCatalog".totesys_processed.dim_date'

    assert restricted(f"-- Days\nSELECT {names}", 7, DATABASES) == (
        "-- Days\nSELECT dim_date.*\n"
        '  FROM (SELECT * FROM "totesys_processed"."dim_date" WHERE "_ingested_sequence" <= 7) AS dim_date'
    )
    assert restricted("SELECT * FROM other.totesys_processed.dim_date", 7, DATABASES).endswith("processed.dim_date")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM totesys_ingested.payment", "totesys_ingested.payment cannot .* no batch number.*history TABLE"),
        ("SELECT * FROM dim_date, totesys_discovered.payment", "totesys_discovered.payment cannot .* no batch number"),
        ("SELECT * FROM my_view", "my_view cannot .* neither a star table nor the view"),
        ('SELECT * FROM "fact_payment$partitions"', "neither a star table"),
        ("SHOW TABLES", "Only a single SELECT"),
        ("CREATE VIEW x AS SELECT * FROM dim_date", "Only a single SELECT"),
        ("SELECT 1; SELECT 2", "Only a single SELECT"),
        ("SELECT FROM (", "cannot be parsed"),
    ],
)
def test_query_without_an_answer_is_refused(query, message):
    """Rather than answered with the rows of today."""
    with pytest.raises(NotAskedAsOfError, match=message):
        restricted(query, 2, DATABASES)


class Log:
    """A processed log with the last ingested batch and the snapshot's time of each batch; it counts reads."""

    def __init__(self, *batches):
        """Commit the `batches`."""
        self.batches, self.reads = batches, set()

    def last_sequence(self):
        """Return the number of batches."""
        return len(self.batches)

    def read(self, sequence):
        """Return a batch."""
        self.reads.add(sequence)
        last, taken_at = self.batches[sequence - 1]
        return SimpleNamespace(last_ingested=last, snapshot_taken_at=taken_at)


LOG = ((2, "2026-01-01T23:59:59.999Z"), (3, "2026-01-02T10:00:00.000Z"), (5, "2026-01-03T10:00:00.000Z"))


@pytest.mark.parametrize(
    ("as_of", "number"),
    [
        ("2", 2),
        ("3", 3),
        ("4", 3),
        ("5", 5),
        ("2026-01-01", 2),
        ("2026-01-02T09:59:59.999", 2),
        ("2026-01-02T10:00", 3),
        ("2026-01-02T10:59:59+01:00", 2),
        ("2026-01-02T11:00+01:00", 3),
        ("2026-01-02 10:00Z", 3),
        ("2026-01-02", 3),
        ("2027-01-01", 5),
    ],
)
def test_batch_is_the_last_one_up_to_a_number_or_time(as_of, number):
    """Of batches that were transformed together it is the last one."""
    batch = find_batch(Log(*LOG), batch_or_time(as_of))

    assert batch == CoveredBatch(number, dict(LOG)[number])


def test_rebuild_of_the_zone_does_not_change_the_batches():
    """Its record covers all batches up to the last one."""
    log = Log(*LOG, LOG[-1], (6, "2026-01-04T10:00:00.000Z"))

    assert [find_batch(log, number).number for number in range(2, 7)] == [2, 3, 3, 5, 6]


@pytest.mark.parametrize("as_of", ["0", "1", "6", "2026-01-01T23:59:59", "2025-12-31", "0001-01-01T00:00+14:00"])
def test_unknown_batch_is_an_error_with_the_known_ones(as_of):
    """With their numbers and times."""
    batches = "its batches are 2, of 2026-01-01T23:59:59.999Z, to 5, of 2026-01-03T10:00:00.000Z"
    with pytest.raises(NoBatchAsOfError, match=batches):
        find_batch(Log(*LOG), batch_or_time(as_of))


def test_empty_zone_is_an_error():
    """It has no batch that could be named."""
    with pytest.raises(NoBatchAsOfError, match="no batches yet; run the workflow with: totelake run"):
        find_batch(Log(), 1)


def test_few_records_are_read():
    """A binary search, however many batches there are."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    log = Log(*((number, (start + timedelta(hours=number)).isoformat()) for number in range(1, 9_001)))

    assert find_batch(log, datetime(2026, 3, 1, tzinfo=UTC)).number == 59 * 24
    assert len(log.reads) < 20


@pytest.mark.parametrize("text", ["", "-1", "²", "yesterday", "2026-13-01", "1.5", "2026-01-01T25:00"])
def test_other_text_is_no_batch(text):
    """The message has an example of each form."""
    with pytest.raises(typer.BadParameter, match="neither the number of a batch nor a time such as 2026-01-31"):
        batch_or_time(text)
