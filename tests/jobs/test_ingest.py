"""The ingest stage on a real totesys: every version of every row, once, from one consistent snapshot."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.chaos.outages import wait_until
from totelake.ingest import extract, source
from totelake.runtime.errors import (
    CommitConflictError,
    SourceSchemaError,
    SourceValueError,
)
from totelake.tables import SOURCE_TABLES
from totesys import seed


def test_first_batch_has_every_row_of_all_tables(lake, totesys, reader):
    """Row counts equal the source's, table by table."""
    batch = lake.ingest(reader)

    assert batch.full
    assert set(batch.tables) == set(SOURCE_TABLES)
    with psycopg.connect(totesys) as connection:
        for table, part in batch.tables.items():
            [count] = connection.execute(f"SELECT count(*) FROM public.{table}").fetchone()
            assert part.rows == count == lake.rows(batch, table).count(), table


def test_declared_tables_match_totesys(reader):
    """Every column has its declared name and type; there are no others."""
    with source.open_source(reader) as opened:
        checked = opened.resolve(list(SOURCE_TABLES.values()))

    assert {table.declared.name: table.undeclared for table in checked} == dict.fromkeys(SOURCE_TABLES, ())


def test_reader_role_cannot_write(reader):
    """Read-only is enforced by the database."""
    with psycopg.connect(reader.conninfo) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM public.payment")


def test_ingest_writes_nothing_when_nothing_changed(lake, reader):
    """Neither a file nor a commit record."""
    lake.ingest(reader)
    files = lake.files()

    assert lake.ingest(reader) is None
    assert lake.files() == files


def test_next_batch_has_only_changed_rows(lake, totesys, reader):
    """An update that does not set `last_updated` is included."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE department SET manager = 'Robert''); DROP TABLE staff;--' WHERE department_id = 1")

    batch = lake.ingest(reader)

    assert not batch.full
    assert {table: part.rows for table, part in batch.tables.items()} == {"department": 1}
    [row] = lake.rows(batch, "department").collect()
    assert (row.manager, row._op) == ("Robert'); DROP TABLE staff;--", "U")


def scans(totesys: str) -> dict[str, int]:
    """Return the number of sequential scans of each table up to now."""
    with psycopg.connect(totesys) as connection:
        return dict(connection.execute("SELECT relname, seq_scan FROM pg_stat_user_tables").fetchall())


def test_changed_row_is_found_by_one_scan(lake, totesys, reader):
    """After that of all tables which counts them; its values, key and row are read from its place."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE payment SET paid = NOT paid WHERE payment_id = 7")
    before = scans(totesys)

    batch = lake.ingest(reader)

    # A session publishes its statistics when it ends.
    wait_until(lambda: scans(totesys)["payment"] > before["payment"])
    after = scans(totesys)
    assert batch.tables["payment"].rows == 1
    assert {name: after[name] - before[name] for name in ("payment", "sales_order", "currency")} == {
        "payment": 2,
        "sales_order": 1,
        "currency": 1,
    }


def test_row_committed_late_is_in_the_next_batch(lake, totesys, reader):
    """Its transaction was open during an ingest, and it is older than rows already ingested."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as late, psycopg.connect(totesys, autocommit=True) as early:
        late.execute(
            "UPDATE department SET location = 'late', last_updated = current_timestamp - interval '1 hour'"
            " WHERE department_id = 1"
        )
        early.execute(
            "UPDATE department SET location = 'early', last_updated = clock_timestamp() WHERE department_id = 2"
        )
        first = lake.ingest(reader)
        late.commit()
    second = lake.ingest(reader)

    assert [row.location for row in lake.rows(first, "department").collect()] == ["early"]
    assert [row.location for row in lake.rows(second, "department").collect()] == ["late"]
    assert second.tables["department"].highest_last_updated < first.tables["department"].lowest_last_updated
    assert lake.ingest(reader) is None


def test_rows_of_a_savepoint_are_ingested(lake, totesys, reader):
    """A subtransaction's id is missing in the snapshot's list of running transactions."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as writer:
        writer.execute("UPDATE department SET location = 'outer' WHERE department_id = 1")
        with writer.transaction():
            writer.execute("UPDATE department SET location = 'inner' WHERE department_id = 2")
        assert lake.ingest(reader) is None
        writer.commit()

    batch = lake.ingest(reader)

    assert sorted(row.location for row in lake.rows(batch, "department").collect()) == ["inner", "outer"]
    assert lake.ingest(reader) is None


def test_last_committed_version_wins_with_a_lower_transaction_id(lake, totesys, reader):
    """Transaction ids are assigned at the first write, so they do not order a row's versions; batches do."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as older, psycopg.connect(totesys) as newer:
        older.execute("UPDATE department SET location = 'elsewhere' WHERE department_id = 8")
        newer.execute("UPDATE department SET location = 'first' WHERE department_id = 1")
        newer.commit()
        first = lake.ingest(reader)
        older.execute("UPDATE department SET location = 'second' WHERE department_id = 1")
        older.commit()
    second = lake.ingest(reader)

    [before] = lake.rows(first, "department").collect()
    [after] = lake.rows(second, "department").where("department_id = 1").collect()
    assert (before.location, after.location) == ("first", "second")
    assert after._source_version < before._source_version
    assert second.sequence > first.sequence


def test_batch_is_a_consistent_snapshot_of_the_database(lake, empty_totesys, empty_reader, monkeypatch):
    """Writers move money between rows while a table is read in many ranges: the sum stays constant."""
    seed.seed(empty_totesys, sales_orders=5_000)
    monkeypatch.setattr(extract, "PARTITION_BYTES", 32 * 1024)
    with psycopg.connect(empty_totesys) as connection:
        [(total, payments)] = connection.execute("SELECT sum(payment_amount), count(*) FROM payment").fetchall()
    started, stop = threading.Event(), threading.Event()
    ranges = extract.block_ranges

    def measured(size, block_size):
        """Start the writers once the ranges are fixed: rows moved earlier would all be in the last one."""
        started.set()
        return ranges(size, block_size)

    monkeypatch.setattr(extract, "block_ranges", measured)
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(_move_money, empty_totesys, payments, started, stop) for _ in range(2)]
        try:
            batch = lake.ingest(empty_reader)
        finally:
            started.set()
            stop.set()
    moves = sum(writer.result() for writer in writers)

    columns = ("sum(payment_amount) AS total", "count(*) AS rows", "count(DISTINCT payment_id) AS payments")
    [row] = lake.rows(batch, "payment").selectExpr(*columns).collect()
    assert moves > 100
    assert (row.total, row.rows, row.payments) == (total, payments, payments)


def _move_money(url: str, payments: int, started: threading.Event, stop: threading.Event) -> int:
    choice, moves = random.Random(7), 0
    started.wait()
    with psycopg.connect(url) as connection:
        while not stop.is_set():
            giver, taker = sorted(choice.sample(range(1, payments + 1), 2))
            connection.execute(
                "UPDATE payment SET payment_amount = payment_amount + CASE WHEN payment_id = %s THEN 10 ELSE -10 END"
                " WHERE payment_id IN (SELECT payment_id FROM payment WHERE payment_id IN (%s, %s)"
                " ORDER BY payment_id FOR UPDATE)",
                (giver, giver, taker),
            )
            connection.commit()
            moves += 1
    return moves


def test_concurrent_ingests_make_one_commit(lake, reader):
    """The other one fails with a conflict and leaves nothing that is read."""
    both = threading.Barrier(2)

    def start() -> object:
        both.wait()
        try:
            return lake.ingest(reader)
        except CommitConflictError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in [pool.submit(start), pool.submit(start)]]

    assert len(lake.ingested_batches()) == 1
    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
    assert kinds in (["CommitConflictError", "IngestedBatch"], ["IngestedBatch", "NoneType"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE payment DROP COLUMN paid", "column paid is missing"),
        ("ALTER TABLE payment RENAME COLUMN paid TO settled", "column paid is missing"),
        ("ALTER TABLE payment ALTER COLUMN paid TYPE varchar", "column paid is character varying, declared boolean"),
        ("ALTER TABLE payment ALTER COLUMN payment_id TYPE bigint", "column payment_id is bigint, declared integer"),
        ("ALTER TABLE payment ADD COLUMN _op int", "column _op is new and has the name of a column that the lake adds"),
        ("ALTER TABLE payment RENAME TO payments", "totesys.payment: the table is missing"),
    ],
    ids=["dropped", "renamed", "retyped", "widened", "reserved name", "dropped table"],
)
def test_changed_source_column_stops_the_batch(lake, totesys, reader, change, message):
    """Before any row is read; the error names the column."""
    with psycopg.connect(totesys) as connection:
        connection.execute(change)

    with pytest.raises(SourceSchemaError, match=message):
        lake.ingest(reader)

    assert lake.files() == []


@pytest.mark.parametrize("amount", ["'NaN'", "0.1234567890123456789", "1e20"])
def test_number_that_would_be_rounded_stops_the_batch(lake, totesys, reader, amount):
    """Money is exact or rejected."""
    with psycopg.connect(totesys) as connection:
        connection.execute(f"UPDATE payment SET payment_amount = {amount} WHERE payment_id = 1")

    with pytest.raises(SourceValueError, match=r"totesys\.payment: 1 changed rows"):
        lake.ingest(reader)


def test_undeclared_source_column_is_ingested(lake, totesys, reader, capsys):
    """The column's values are kept, and the log line of the run names it."""
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE currency ADD COLUMN symbol varchar DEFAULT '£'")

    batch = lake.ingest(reader)

    assert {row.symbol for row in lake.rows(batch, "currency").collect()} == {"£"}
    assert '"undeclared_columns": ["symbol"]' in capsys.readouterr().out
