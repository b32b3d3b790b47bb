"""The plain SQL that benchmarks compare totelake with makes the rows that the warehouse must have."""

from benchmarks import comparison, star_sql
from benchmarks.peers import reference_sql
from benchmarks.peers.steps import Steps
from benchmarks.reconcile import fill_warehouse
from tests.postgres_servers import login_of
from totelake.reconcile import expected
from totelake.warehouse.postgres import apply
from totelake.warehouse.postgres.session import open_warehouse


def test_reference_makes_the_expected_rows(totesys_database, warehouse_database, make_database, tmp_path):
    """All tables but the calendar are compared with the queries of reconcile, which are written apart from these."""
    target, steps = make_database(), Steps()
    reference_sql.run(comparison.plan_of(comparison.REFERENCE, totesys_database, target, str(tmp_path)), steps)
    with open_warehouse(login_of(warehouse_database), "jr_1") as connection:
        apply(connection, with_foreign_keys=False)
    fill_warehouse(login_of(totesys_database), login_of(warehouse_database))
    tables = {table.name: table for table in expected.TABLES}

    made = comparison.digests(target, f"{star_sql.SCHEMA}.{{}}", tables)

    assert made == comparison.digests(warehouse_database, "public.current_{}", tables)
    assert made["fact_sales_order"][0] == 200
    assert steps.seconds.keys() == comparison.STEPS.keys()
