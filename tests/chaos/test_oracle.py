"""That the proof would tell: whatever is done to a sound warehouse, lake or catalog by hand is found."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.chaos.crew import Crew, postgres_server
from tests.chaos.site import BASE, Site
from tests.chaos.verification import hold_against_source
from totelake.lake.zones import INGESTED, PROCESSED


def in_warehouse(statement: str) -> Callable[[Site], None]:
    """Return the damage that `statement` does to the warehouse."""

    def damage(site: Site) -> None:
        with psycopg.connect(site.warehouse.conninfo) as connection:
            assert connection.execute(statement.encode()).rowcount == 1

    return damage


def change_file(site: Site) -> None:
    """Write a committed file of the ingested zone anew, with one byte more."""
    [file, *_] = sorted((site.lake.folder / site.lake.ingested).rglob("*.parquet"))
    file.write_bytes(file.read_bytes() + b".")


def change_record(site: Site) -> None:
    """Change a record of the log of the processed zone."""
    record = site.lake.folder / site.lake.processed / "log" / "00000001.json"
    record.write_bytes(record.read_bytes() + b"\n")


def remove_file(site: Site) -> None:
    """Remove a committed file of the processed zone."""
    [file, *_] = sorted((site.lake.folder / site.lake.processed / "tables" / "dim_staff").rglob("*.parquet"))
    file.unlink()


def lose_partition(site: Site) -> None:
    """Take a partition out of the catalog."""
    site.glue.databases[INGESTED.database].tables["payment"].partitions.popitem()


def double_partition(site: Site) -> None:
    """Register a partition that no record of the log names."""
    partitions = site.glue.databases[PROCESSED.database].tables["dim_design"].partitions
    [partition] = partitions.values()
    partitions["another"] = type(partition)(PROCESSED.database, "dim_design", {"Values": ["another"]})


DAMAGES = {
    "nothing": (lambda _site: None, ()),
    "fact missing": (
        in_warehouse(
            "DELETE FROM fact_payment WHERE payment_record_id = (SELECT min(payment_record_id) FROM fact_payment)"
        ),
        ("fact_payment: missing",),
    ),
    "fact altered": (
        in_warehouse("UPDATE fact_sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 3"),
        ("fact_sales_order: missing", "fact_sales_order: must not be there"),
    ),
    "fact doubled": (
        in_warehouse(
            "INSERT INTO fact_payment SELECT (jsonb_populate_record(p, jsonb_build_object("
            "'payment_record_id', 0, '_ingested_sequence', 2))).* FROM fact_payment AS p ORDER BY 1 LIMIT 1"
        ),
        ("fact_payment: must not be there",),
    ),
    "time altered": (
        in_warehouse(
            "UPDATE fact_payment SET created_time = created_time + interval '1 ms'"
            " WHERE payment_record_id = (SELECT min(payment_record_id) FROM fact_payment)"
        ),
        ("fact_payment: missing", "fact_payment: must not be there"),
    ),
    "fact deleted": (
        in_warehouse("UPDATE fact_purchase_order SET _deleted_at = '2024-01-01' WHERE purchase_order_id = 1"),
        ("fact_purchase_order: missing", "fact_purchase_order: must not be there"),
    ),
    "dimension missing": (
        in_warehouse("UPDATE dim_staff SET _deleted_at = '2024-01-01' WHERE staff_id = 1"),
        ("dim_staff: missing", "dim_staff.gone: must not be there"),
    ),
    "dimension altered": (
        in_warehouse("UPDATE dim_counterparty SET counterparty_legal_city = 'Elsewhere' WHERE counterparty_id = 1"),
        ("dim_counterparty: missing", "dim_counterparty: must not be there"),
    ),
    "ledger emptied": (in_warehouse("DELETE FROM load_ledger"), ("the ledger has []",)),
    "file changed": (change_file, ("was committed and is not the same any more",)),
    "record changed": (change_record, ("log/00000001.json was committed and is not the same any more",)),
    "file removed": (remove_file, ("was committed and is not the same any more",)),
    "partition lost": (lose_partition, ("totesys_ingested.payment: the catalog has []",)),
    "partition doubled": (double_partition, ("totesys_processed.dim_design: the catalog has",)),
}


def faults_after(site: Site, number: int) -> list[str]:
    """Do the damage `number` to a sound site, and return what is found wrong."""
    site.go_back_to(BASE)
    damage, _ = list(DAMAGES.values())[number]
    damage(site)
    faults: list[str] = []
    hold_against_source(site, faults)
    return faults


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, list[str]]]:
    """Do each damage at one site, and return what was found."""
    with postgres_server() as server, Crew(server, 1) as crew:
        yield dict(zip(DAMAGES, crew.do(faults_after, range(len(DAMAGES))), strict=True))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_found_and_nothing_else(found, damage):
    """Each is one row, file or partition, and told as such."""
    _, wanted = DAMAGES[damage]

    assert len(found[damage]) == len(wanted), found[damage]
    assert all(text in fault for text, fault in zip(wanted, found[damage], strict=True)), found[damage]
