"""The ledger: batches in order, each once; and the lock that lets one load in at a time."""

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


class Log(CommitLog[ProcessedBatch]):
    """A commit log of these batches, without a bucket."""

    def __init__(self, *batches):
        """Hold `batches`, the first of them sequence 1."""
        self.bucket = "processed"
        self.batches = batches

    def last_sequence(self):
        """Return how many there are."""
        return len(self.batches)

    def read(self, sequence):
        """Return one."""
        return self.batches[sequence - 1]

    def since(self, sequence):
        """Return those after `sequence`."""
        return list(self.batches[sequence:])


@pytest.fixture
def connection(warehouse):
    """Connect to a warehouse with an empty ledger."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        apply(opened)
        yield opened


def test_an_empty_ledger_lacks_everything(connection):
    """All batches, in their order."""
    assert ledger.pending(connection, Log(BATCH, NEXT)) == [BATCH, NEXT]


def test_what_is_in_the_ledger_is_not_pending(connection):
    """Only what was committed after it is."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    assert ledger.pending(connection, Log(BATCH, NEXT)) == [NEXT]
    assert ledger.pending(connection, Log(BATCH)) == []


def test_an_entry_says_what_was_loaded_and_by_whom(connection):
    """Batch, range, snapshot, rows of each table, the run and its code."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    columns = "processed_sequence, batch_id, first_ingested, last_ingested, rows, run_id, code_version"
    row = connection.execute(f"SELECT {columns}, loaded_at > snapshot_taken_at FROM load_ledger").fetchone()
    assert row == (1, BATCH.batch_id, 1, 2, {"dim_currency": 3}, "jr_load", "v2", True)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(BATCH, id="the same again"),
        pytest.param(replace(NEXT, sequence=3), id="one left out"),
        pytest.param(replace(NEXT, first_ingested=4), id="an ingested batch left out"),
        pytest.param(replace(NEXT, first_ingested=2), id="an ingested batch twice"),
    ],
)
def test_a_batch_that_does_not_follow_is_refused(connection, batch):
    """Both when it is looked for and when it is entered; the ledger stays as it is."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError, match=f"{batch.batch_id} has sequence {batch.sequence}"):
        ledger.enter(connection, batch, "jr_load", "v2")
    with pytest.raises(LedgerError, match=batch.batch_id):
        ledger.pending(connection, Log(BATCH, batch))
    assert connection.execute("SELECT count(*) FROM load_ledger").fetchone() == (1,)


def test_a_ledger_ahead_of_the_log_is_refused(connection):
    """The warehouse was loaded from somewhere else."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError, match=r"ends with sequence 1 .* the log of s3://processed with 0"):
        ledger.pending(connection, Log())


def test_another_batch_under_the_same_number_is_refused_with_both_names(connection):
    """A bucket that was begun anew is not the one that the warehouse was loaded from."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    with pytest.raises(LedgerError) as raised:
        ledger.pending(connection, Log(replace(BATCH, batch_id="another")))
    assert BATCH.batch_id in str(raised.value)
    assert "batch another" in str(raised.value)


def test_a_ledger_with_a_gap_is_refused(connection):
    """Somebody removed an entry."""
    ledger.enter(connection, BATCH, "jr_load", "v2")
    ledger.enter(connection, NEXT, "jr_load", "v2")
    connection.execute("DELETE FROM load_ledger WHERE processed_sequence = 1")
    with pytest.raises(LedgerError, match="1 entries and ends with sequence 2"):
        ledger.pending(connection, Log(BATCH, NEXT))


def test_a_second_load_is_told_who_is_at_it(warehouse):
    """Its error names the run that holds the lock, and no password."""
    with open_warehouse(warehouse, "jr_first"), pytest.raises(AlreadyRunningError) as raised:
        open_warehouse(warehouse, "jr_second").__enter__()
    assert "load: already running (totelake load jr_first, process " in str(raised.value)
    assert "connected since 20" in str(raised.value)
    assert warehouse.password not in str(raised.value)


def test_an_attempt_does_not_meet_the_lock_of_the_one_before_it(warehouse):
    """The server may not know yet that the connection of that one is gone; the lock of another run stays."""
    with open_warehouse(warehouse, "jr_first") as cut_off:
        with open_warehouse(warehouse, "jr_first") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            cut_off.execute("SELECT 1")


def test_the_lock_ends_with_its_load(warehouse):
    """However that ends."""
    with pytest.raises(ZeroDivisionError), open_warehouse(warehouse, "jr_first"):
        raise ZeroDivisionError
    with open_warehouse(warehouse, "jr_second") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_loads_of_different_databases_do_not_meet(warehouse, make_database):
    """The lock is the database's own."""
    other = psycopg.conninfo.conninfo_to_dict(make_database(owner=warehouse.user))
    with (
        open_warehouse(warehouse, "jr_first"),
        open_warehouse(replace(warehouse, database=other["dbname"]), "jr_second"),
    ):
        pass
