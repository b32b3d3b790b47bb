"""The ingest stage on a real totesys: every version of every row, once, from one consistent snapshot."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo

from tests.lakes import job_run
from totelake import ingest
from totelake.ingest import extract, source
from totelake.lake import catalog, history
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED
from totelake.runtime.errors import (
    ArgumentError,
    CommitConflictError,
    MassDeletionError,
    SourceSchemaError,
    SourceValueError,
    UnknownTableError,
)
from totelake.tables import SOURCE_TABLES
from totesys import roles, schema, seed


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
        checked = opened.find(list(SOURCE_TABLES.values()))

    assert {table.declared.name: table.extra for table in checked} == dict.fromkeys(SOURCE_TABLES, ())


def test_reader_role_cannot_write(reader):
    """Read-only is enforced by the database."""
    with psycopg.connect(reader.conninfo) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM payment")


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
        ("ALTER TABLE payment ADD COLUMN _op int", "column _op is new and has the name of a column of the lake"),
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


def test_restored_source_is_read_in_full_and_only_differences_are_ingested(lake, totesys, reader, monkeypatch, capsys):
    """A new timeline reuses transaction ids, so those of the old one are not compared."""
    lake.ingest(reader)
    snapshot = source.SourceReader.__init__

    def restored(self, *arguments):
        snapshot(self, *arguments)
        self.snapshot = replace(self.snapshot, timeline=2)

    monkeypatch.setattr(source.SourceReader, "__init__", restored)
    with psycopg.connect(totesys) as late, psycopg.connect(totesys) as early:
        late.execute("UPDATE department SET location = 'late' WHERE department_id = 1")
        early.execute("UPDATE department SET location = 'early' WHERE department_id = 2")
        early.execute("UPDATE design SET design_name = design_name")
        early.commit()
        reload = lake.ingest(reader)
        late.commit()
    batch = lake.ingest(reader)

    reason = "totesys was restored, or its standby promoted, since the last batch"
    assert (reload.full, reload.reload, set(reload.tables)) == (True, reason, {"department"})
    assert reason in capsys.readouterr().out
    assert [row.location for row in lake.rows(reload, "department").collect()] == ["early"]
    assert (batch.full, set(batch.tables)) == (False, {"department"})
    assert [row.location for row in lake.rows(batch, "department").collect()] == ["late"]
    assert lake.ingest(reader) is None


def test_another_database_is_compared_with_the_lake(lake, totesys, reader, make_database):
    """From a copy, changed, new and missing rows are ingested."""
    lake.ingest(reader)
    copy = make_database(conninfo.conninfo_to_dict(totesys)["dbname"], roles.OWNER)
    with psycopg.connect(copy) as connection:
        schema.grant(connection, roles.READER)
        connection.execute("UPDATE sales_order SET units_sold = 4711 WHERE sales_order_id = 5")
        connection.execute("INSERT INTO currency (currency_id, currency_code) VALUES (4, 'CHF')")
        connection.execute("DELETE FROM payment WHERE payment_id = 7")

    batch = lake.ingest(replace(reader, database=conninfo.conninfo_to_dict(copy)["dbname"]))

    assert batch.reload == "totesys is another cluster or database than at the last batch"
    counts = {table: (part.rows, part.deletes) for table, part in batch.tables.items()}
    assert counts == {"sales_order": (1, 0), "currency": (1, 0), "payment": (1, 1)}


def test_reload_without_differences_commits_a_new_baseline(lake, reader):
    """The next batch starts from its transaction ids."""
    lake.ingest(reader)

    batch = ingest.run(job_run(reload="true"), reader, lake.ingested)

    assert (batch.tables, batch.reload) == ({}, "the run was told to compare every row")
    assert lake.ingest(reader) is None


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

    with pytest.raises(MassDeletionError, match=f"totesys.payment: {payments} of its {payments} rows are gone"):
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
    with pytest.raises(ArgumentError, match="--deletable_share 20%: a share from 0 to 1"):
        ingest.run(job_run(deletable_share="20%"), reader, lake.ingested)


def test_undeclared_source_column_is_ingested(lake, totesys, reader, capsys):
    """The column's values are kept, and the log line of the run names it."""
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE currency ADD COLUMN symbol varchar DEFAULT '£'")

    batch = lake.ingest(reader)

    assert {row.symbol for row in lake.rows(batch, "currency").collect()} == {"£"}
    assert '"undeclared_columns": ["symbol"]' in capsys.readouterr().out


def test_committed_batch_is_registered_in_the_catalog(lake, reader, partitions):
    """One partition per table."""
    batch = lake.ingest(reader)

    assert partitions(INGESTED, "staff") == [[batch.batch_id]]


def test_committed_but_unregistered_batch_is_registered_by_the_next_run(lake, reader, partitions, monkeypatch):
    """Killed between commit and registration, even when nothing changed since."""
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


def test_attempt_killed_before_its_commit_leaves_nothing_to_read(lake, reader, monkeypatch):
    """Its files are orphans, and the next batch has every row."""
    with monkeypatch.context() as killed:
        killed.setattr(CommitLog, "commit", _killed)
        with pytest.raises(KeyboardInterrupt):
            lake.ingest(reader)
    assert lake.ingested_batches() == []

    batch = lake.ingest(reader)

    assert batch.sequence == 1
    assert set(batch.tables) == set(SOURCE_TABLES)
