"""The verification detects any damage to the warehouse, the lake or the catalog."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.chaos.testbed import BASE, PipelineTestbed
from tests.chaos.verification import verify
from tests.chaos.workers import WorkerPool, postgres_server
from totelake.lake.batches import IngestedBatch
from totelake.lake.checkpoints import Checkpoint
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import LiveFiles
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.runtime.connections import session_options


def in_warehouse(statement: str) -> Callable[[PipelineTestbed], None]:
    """Return the damage done by executing `statement` in the warehouse."""

    def damage(testbed: PipelineTestbed) -> None:
        with psycopg.connect(testbed.warehouse.conninfo, options=session_options(search_path="public")) as connection:
            assert connection.execute(statement.encode()).rowcount == 1

    return damage


def change_file(testbed: PipelineTestbed) -> None:
    """Append a byte to a committed file of the ingested zone."""
    [file, *_] = sorted((testbed.lake.folder / testbed.lake.ingested).rglob("*.parquet"))
    file.write_bytes(file.read_bytes() + b".")


def change_record(testbed: PipelineTestbed) -> None:
    """Change a record of the processed zone's commit log."""
    record = testbed.lake.folder / testbed.lake.processed / "log" / "00000001.json"
    record.write_bytes(record.read_bytes() + b"\n")


def remove_file(testbed: PipelineTestbed) -> None:
    """Delete a committed file of the processed zone."""
    [file, *_] = sorted((testbed.lake.folder / testbed.lake.processed / "tables" / "dim_staff").rglob("*.parquet"))
    file.unlink()


def lose_partition(testbed: PipelineTestbed) -> None:
    """Delete a partition from the catalog."""
    testbed.glue.databases[INGESTED.database].tables["payment"].partitions.popitem()


def double_partition(testbed: PipelineTestbed) -> None:
    """Register a partition without a commit record."""
    partitions = testbed.glue.databases[PROCESSED.database].tables["dim_design"].partitions
    [partition] = partitions.values()
    partitions["another"] = type(partition)(PROCESSED.database, "dim_design", {"Values": ["another"]})


def lose_file_set(testbed: PipelineTestbed) -> None:
    """Write a checkpoint that lacks a committed file set."""
    log = CommitLog(testbed.lake.ingested, IngestedBatch)
    files = log.live_files()
    tables = {name: sets for name, sets in files.tables.items() if name != "payment"}
    checkpoint = Checkpoint(log.next_checkpoint, LiveFiles(files.sequence, tables), "jr_test", "test", "")
    assert log.checkpoints.write(checkpoint)


DAMAGES = {
    "none": (lambda _site: None, ()),
    "fact missing": (
        in_warehouse(
            "DELETE FROM fact_payment WHERE payment_record_id = (SELECT min(payment_record_id) FROM fact_payment)"
        ),
        ("fact_payment: missing",),
    ),
    "fact altered": (
        in_warehouse("UPDATE fact_sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 3"),
        ("fact_sales_order: missing", "fact_sales_order: unexpected"),
    ),
    "fact duplicated": (
        in_warehouse(
            "INSERT INTO fact_payment SELECT (jsonb_populate_record(p, jsonb_build_object("
            "'payment_record_id', 0, '_ingested_sequence', 2))).* FROM fact_payment AS p ORDER BY 1 LIMIT 1"
        ),
        ("fact_payment: unexpected",),
    ),
    "time altered": (
        in_warehouse(
            "UPDATE fact_payment SET created_time = created_time + interval '1 ms'"
            " WHERE payment_record_id = (SELECT min(payment_record_id) FROM fact_payment)"
        ),
        ("fact_payment: missing", "fact_payment: unexpected"),
    ),
    "fact deleted": (
        in_warehouse("UPDATE fact_purchase_order SET _deleted_at = '2024-01-01' WHERE purchase_order_id = 1"),
        ("fact_purchase_order: missing", "fact_purchase_order: unexpected"),
    ),
    "dimension missing": (
        in_warehouse("UPDATE dim_staff SET _deleted_at = '2024-01-01' WHERE staff_id = 1"),
        ("dim_staff: missing", "dim_staff.deleted: unexpected"),
    ),
    "dimension altered": (
        in_warehouse("UPDATE dim_counterparty SET counterparty_legal_city = 'Elsewhere' WHERE counterparty_id = 1"),
        ("dim_counterparty: missing", "dim_counterparty: unexpected"),
    ),
    "ledger emptied": (in_warehouse("DELETE FROM load_ledger"), ("the ledger has []",)),
    "file changed": (change_file, ("was committed and has changed since",)),
    "record changed": (change_record, ("log/00000001.json was committed and has changed since",)),
    "file removed": (remove_file, ("was committed and has changed since",)),
    "partition lost": (lose_partition, ("totesys_ingested.payment: the catalog has []",)),
    "partition duplicated": (double_partition, ("totesys_processed.dim_design: the catalog has",)),
    "file set lost": (
        lose_file_set,
        ("totesys_ingested.payment: the catalog has", "ingested.payment: the live files have other rows"),
    ),
}


def faults_after(testbed: PipelineTestbed, number: int) -> list[str]:
    """Apply damage `number` to a verified testbed, and return the faults."""
    testbed.restore_state(BASE)
    damage, _ = list(DAMAGES.values())[number]
    damage(testbed)
    faults: list[str] = []
    verify(testbed, faults)
    return faults


@pytest.fixture(scope="module")
def faults_by_damage() -> Iterator[dict[str, list[str]]]:
    """Return the faults after each damage."""
    with postgres_server() as server, WorkerPool(server, 1) as workers:
        yield dict(zip(DAMAGES, workers.do(faults_after, range(len(DAMAGES))), strict=True))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_detected_and_nothing_else(faults_by_damage, damage):
    """Each is one row, file or partition."""
    _, expected = DAMAGES[damage]

    assert len(faults_by_damage[damage]) == len(expected), faults_by_damage[damage]
    assert all(text in fault for text, fault in zip(expected, faults_by_damage[damage], strict=True)), faults_by_damage[
        damage
    ]
