"""The ledger: batches in order, each once; and the lock that admits one load at a time."""

from dataclasses import replace

import psycopg
import pytest

from totelake.lake.batches import ProcessedBatch, ProcessedTable
from totelake.lake.commit_log import CommitLog
from totelake.runtime.errors import AlreadyRunningError, LedgerError
from totelake.warehouse.postgres import apply, ledger
from totelake.warehouse.postgres.session import open_warehouse

BATCH = ProcessedBatch(
    sequence=1,
    batch_id="20241121T090000000Z-aaaaaaaa",
    first_ingested=1,
    last_ingested=2,
    snapshot_taken_at="2024-11-21T09:00:00.000Z",
    tables={"dim_currency": ProcessedTable(path="tables/dim_currency/batch_id=a/", rows=3, bytes=10, months=())},
    run_id="jr_transform",
    code_version="v1",
    committed_at="2024-11-21T09:01:00.000Z",
)
NEXT = replace(BATCH, sequence=2, batch_id="20241121T093000000Z-bbbbbbbb", first_ingested=3, last_ingested=3)


class MemoryCommitLog(CommitLog[ProcessedBatch]):
    """A commit log of the given batches, without a bucket."""

    def __init__(self, *batches):
        """Store `batches`, the first with sequence 1."""
        self.bucket = "processed"
        self.batches = batches

    def last_sequence(self):
        """Return the number of batches."""
        return len(self.batches)

    def read(self, sequence):
        """Return the batch with that sequence."""
        return self.batches[sequence - 1]

    def since(self, sequence):
        """Return the batches after `sequence`."""
        return list(self.batches[sequence:])


@pytest.fixture
def connection(warehouse):
    """Return a connection to a warehouse with an empty ledger."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        apply(opened)
        yield opened


def test_all_batches_are_pending_with_an_empty_ledger(connection):
    """In order."""
    assert ledger.pending(connection, MemoryCommitLog(BATCH, NEXT)) == [BATCH, NEXT]


def test_loaded_batch_is_not_pending(connection):
    """Only later ones are."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    assert ledger.pending(connection, MemoryCommitLog(BATCH, NEXT)) == [NEXT]
    assert ledger.pending(connection, MemoryCommitLog(BATCH)) == []


def test_ledger_row_has_batch_rows_and_run(connection):
    """With the range, the snapshot, the rows of each table, the run and its code version."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    columns = "processed_sequence, batch_id, first_ingested, last_ingested, rows, run_id, code_version"
    row = connection.execute(f"SELECT {columns}, loaded_at > snapshot_taken_at FROM public.load_ledger").fetchone()
    assert row == (1, BATCH.batch_id, 1, 2, {"dim_currency": 3}, "jr_load", "v2", True)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(BATCH, id="the same batch"),
        pytest.param(replace(NEXT, sequence=3), id="a gap"),
        pytest.param(replace(NEXT, first_ingested=4), id="a gap of ingested batches"),
        pytest.param(replace(NEXT, first_ingested=2), id="an ingested batch twice"),
    ],
)
def test_non_consecutive_batch_is_rejected(connection, batch):
    """Both as pending and on entry; the ledger is unchanged."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError, match=f"{batch.batch_id} has sequence {batch.sequence}"):
        ledger.insert(connection, batch, "jr_load", "v2")
    with pytest.raises(LedgerError, match=batch.batch_id):
        ledger.pending(connection, MemoryCommitLog(BATCH, batch))
    assert connection.execute("SELECT count(*) FROM public.load_ledger").fetchone() == (1,)


def test_ledger_ahead_of_the_log_is_rejected(connection):
    """The warehouse was loaded from another bucket."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError, match=r"ends with sequence 1 .* the log of s3://processed with 0"):
        ledger.pending(connection, MemoryCommitLog())


def test_other_batch_with_the_same_sequence_is_rejected_with_both_ids(connection):
    """A recreated bucket is not the one that the warehouse was loaded from."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError) as raised:
        ledger.pending(connection, MemoryCommitLog(replace(BATCH, batch_id="another")))
    assert BATCH.batch_id in str(raised.value)
    assert "batch another" in str(raised.value)


def test_ledger_with_a_gap_is_rejected(connection):
    """A row was deleted."""
    ledger.insert(connection, BATCH, "jr_load", "v2")
    ledger.insert(connection, NEXT, "jr_load", "v2")
    connection.execute("DELETE FROM public.load_ledger WHERE processed_sequence = 1")
    with pytest.raises(LedgerError, match="1 entries and ends with sequence 2"):
        ledger.pending(connection, MemoryCommitLog(BATCH, NEXT))


def test_second_load_is_rejected_with_the_running_one(warehouse):
    """The error names the run that holds the lock, without the password."""
    with open_warehouse(warehouse, "jr_first"), pytest.raises(AlreadyRunningError) as raised:
        open_warehouse(warehouse, "jr_second").__enter__()
    assert "load: already running (totelake load jr_first, process " in str(raised.value)
    assert "connected since 20" in str(raised.value)
    assert warehouse.password not in str(raised.value)


def test_retry_takes_over_the_lock_of_its_own_run(warehouse):
    """The server may not know that the old connection is gone; the lock of another run stays."""
    with open_warehouse(warehouse, "jr_first") as replaced:
        with open_warehouse(warehouse, "jr_first") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            replaced.execute("SELECT 1")


def test_lock_is_released_at_the_end_of_the_load(warehouse):
    """Also after an error."""
    with pytest.raises(ZeroDivisionError), open_warehouse(warehouse, "jr_first"):
        raise ZeroDivisionError
    with open_warehouse(warehouse, "jr_second") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_loads_of_different_databases_do_not_block_each_other(warehouse, make_database):
    """The lock belongs to the database."""
    other = psycopg.conninfo.conninfo_to_dict(make_database(owner=warehouse.user))
    with (
        open_warehouse(warehouse, "jr_first"),
        open_warehouse(replace(warehouse, database=other["dbname"]), "jr_second"),
    ):
        pass
