"""The ingest stage on a real totesys: every version of every row, once, at one moment."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from totelake import catalog, extract, source
from totelake.batches import IngestedBatch
from totelake.errors import CommitConflictError, SourceSchemaError, SourceValueError
from totelake.log import CommitLog
from totelake.tables import SOURCE_TABLES
from totelake.zones import INGESTED
from totesys import seed


def test_the_first_batch_holds_every_row_of_all_tables(lake, totesys, reader):
    """Counted against the source, table by table."""
    batch = lake.ingest(reader)

    assert batch.full
    assert set(batch.tables) == set(SOURCE_TABLES)
    with psycopg.connect(totesys) as connection:
        for table, part in batch.tables.items():
            [count] = connection.execute(f"SELECT count(*) FROM public.{table}").fetchone()
            assert part.rows == count == lake.rows(batch, table).count(), table


def test_the_declared_tables_are_those_of_totesys(reader):
    """Every column under its name and of its type, none besides."""
    with source.open_source(reader) as opened:
        found = [opened.find(table) for table in SOURCE_TABLES.values()]

    assert {table.declared.name: table.extra for table in found} == dict.fromkeys(SOURCE_TABLES, ())


def test_the_reader_can_only_read(reader):
    """Whatever the jobs are told to do."""
    with psycopg.connect(reader.conninfo) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM payment")


def test_nothing_changed_means_nothing_written(lake, reader):
    """No file, no record."""
    lake.ingest(reader)
    files = lake.files()

    assert lake.ingest(reader) is None
    assert lake.files() == files


def test_only_what_changed_lands_in_the_next_batch(lake, totesys, reader):
    """An update that forgets `last_updated` counts like any other."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE department SET manager = 'Robert''); DROP TABLE staff;--' WHERE department_id = 1")

    batch = lake.ingest(reader)

    assert not batch.full
    assert {table: part.rows for table, part in batch.tables.items()} == {"department": 1}
    [row] = lake.rows(batch, "department").collect()
    assert (row.manager, row._op) == ("Robert'); DROP TABLE staff;--", "U")


def test_a_row_that_is_committed_late_arrives_in_the_next_batch(lake, totesys, reader):
    """Its transaction was open across an ingest, and it is older than rows that were taken already."""
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


def test_a_savepoints_rows_come_like_any_others(lake, totesys, reader):
    """A row written in a subtransaction has an id of its own, which the snapshot's list of running ones lacks."""
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


def test_the_later_of_two_writers_wins_even_with_the_older_transaction(lake, totesys, reader):
    """Transaction ids are given at the first write, so they do not order the versions of a row; batches do."""
    lake.ingest(reader)
    with psycopg.connect(totesys) as older, psycopg.connect(totesys) as younger:
        older.execute("UPDATE department SET location = 'elsewhere' WHERE department_id = 8")
        younger.execute("UPDATE department SET location = 'first' WHERE department_id = 1")
        younger.commit()
        first = lake.ingest(reader)
        older.execute("UPDATE department SET location = 'second' WHERE department_id = 1")
        older.commit()
    second = lake.ingest(reader)

    [before] = lake.rows(first, "department").collect()
    [after] = lake.rows(second, "department").where("department_id = 1").collect()
    assert (before.location, after.location) == ("first", "second")
    assert after._source_version < before._source_version
    assert second.sequence > first.sequence


def test_a_batch_is_one_moment_of_the_whole_database(lake, empty_totesys, empty_reader, monkeypatch):
    """Writers move money between rows while a table is read in many ranges: the sum is that of every moment."""
    seed.seed(empty_totesys, sales_orders=5_000)
    monkeypatch.setattr(extract, "PARTITION_BYTES", 32 * 1024)
    with psycopg.connect(empty_totesys) as connection:
        [(total, payments)] = connection.execute("SELECT sum(payment_amount), count(*) FROM payment").fetchall()
    go, stop = threading.Event(), threading.Event()
    ranges = extract.block_ranges

    def measured(size, block_size):
        """Let the writers go when the ranges are fixed: rows that moved before would all lie in the last one."""
        go.set()
        return ranges(size, block_size)

    monkeypatch.setattr(extract, "block_ranges", measured)
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(_move_money, empty_totesys, payments, go, stop) for _ in range(2)]
        try:
            batch = lake.ingest(empty_reader)
        finally:
            go.set()
            stop.set()
    moves = sum(writer.result() for writer in writers)

    columns = ("sum(payment_amount) AS total", "count(*) AS rows", "count(DISTINCT payment_id) AS payments")
    [row] = lake.rows(batch, "payment").selectExpr(*columns).collect()
    assert moves > 100
    assert (row.total, row.rows, row.payments) == (total, payments, payments)


def _move_money(url: str, payments: int, go: threading.Event, stop: threading.Event) -> int:
    choice, moves = random.Random(7), 0
    go.wait()
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


def test_two_ingests_at_once_make_one_commit(lake, reader):
    """The other one says so and leaves nothing that anyone reads."""
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
    ],
    ids=["dropped", "renamed", "retyped"],
)
def test_a_source_column_that_changed_stops_the_batch(lake, totesys, reader, change, message):
    """Before a row is read, and with the column's name."""
    with psycopg.connect(totesys) as connection:
        connection.execute(change)

    with pytest.raises(SourceSchemaError, match=message):
        lake.ingest(reader)

    assert lake.files() == []


@pytest.mark.parametrize("amount", ["'NaN'", "0.1234567890123456789", "1e20"])
def test_a_number_that_would_be_rounded_stops_the_batch(lake, totesys, reader, amount):
    """Money is exact or refused."""
    with psycopg.connect(totesys) as connection:
        connection.execute(f"UPDATE payment SET payment_amount = {amount} WHERE payment_id = 1")

    with pytest.raises(SourceValueError, match=r"totesys\.payment: 1 changed rows"):
        lake.ingest(reader)


def test_a_restored_source_is_read_in_full(lake, totesys, reader, monkeypatch):
    """A new timeline gives the transaction ids of the old one out again; what the old ones said is not compared."""
    lake.ingest(reader)
    snapshot = source.SourceReader.__init__

    def restored(self, *arguments):
        snapshot(self, *arguments)
        self.snapshot = replace(self.snapshot, timeline=2)

    monkeypatch.setattr(source.SourceReader, "__init__", restored)

    assert lake.ingest(reader).full
    with psycopg.connect(totesys) as late, psycopg.connect(totesys) as early:
        late.execute("UPDATE department SET location = 'late' WHERE department_id = 1")
        early.execute("UPDATE department SET location = 'early' WHERE department_id = 2")
        early.commit()
        lake.ingest(reader)
        late.commit()
    batch = lake.ingest(reader)
    assert not batch.full
    assert [row.location for row in lake.rows(batch, "department").collect()] == ["late"]


def test_a_new_source_column_is_landed_as_it_is(lake, totesys, reader):
    """Nobody declared it, and it is not lost."""
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE currency ADD COLUMN symbol varchar DEFAULT '£'")

    batch = lake.ingest(reader)

    assert {row.symbol for row in lake.rows(batch, "currency").collect()} == {"£"}


def test_a_committed_batch_is_in_the_catalog(lake, reader, partitions):
    """One partition a table."""
    batch = lake.ingest(reader)

    assert partitions(INGESTED, "staff") == [[batch.batch_id]]


def test_what_was_committed_but_not_registered_is_made_good(lake, reader, partitions, monkeypatch):
    """The run was killed between the two; the next one begins by registering, even when nothing changed."""
    with monkeypatch.context() as killed:
        killed.setattr(catalog, "register", _killed)
        with pytest.raises(KeyboardInterrupt):
            lake.ingest(reader)
    assert partitions(INGESTED, "staff") == []

    assert lake.ingest(reader) is None

    [batch] = CommitLog(lake.ingested, IngestedBatch).since(0)
    assert partitions(INGESTED, "staff") == [[batch.batch_id]]


def _killed(*_: object) -> int:
    raise KeyboardInterrupt


def test_an_attempt_that_dies_before_its_commit_leaves_nothing_to_read(lake, reader, monkeypatch):
    """Its files are orphans, and the next batch has every row."""
    with monkeypatch.context() as killed:
        killed.setattr(CommitLog, "commit", _killed)
        with pytest.raises(KeyboardInterrupt):
            lake.ingest(reader)
    assert lake.ingested_batches() == []

    batch = lake.ingest(reader)

    assert batch.sequence == 1
    assert set(batch.tables) == set(SOURCE_TABLES)
