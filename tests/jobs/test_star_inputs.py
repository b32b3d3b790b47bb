"""The inputs that reach the warehouse, see `tests.jobs.inputs`: after each of them it shows what totesys does.

All of them follow each other in one world. What it shows is compared with totesys by the plain SQL of reconcile.
"""

import psycopg
import pytest

from tests.jobs.inputs import STAR_INPUTS, SUPERUSER
from tests.lakes import job_run
from tests.postgres_servers import WAREHOUSE_OWNER, as_role, login_of
from totelake import reconcile
from totelake.lake import quarantine
from totelake.warehouse import load
from totelake.warehouse.postgres.load import Postgres


class World:
    """One totesys, one lake and one warehouse, and the stages between them."""

    def __init__(self, totesys, reader, lake, warehouse):
        """Run all stages once."""
        self.totesys, self.reader, self.lake, self.warehouse = totesys, reader, lake, warehouse
        self.run()

    def run(self, **arguments):
        """Run all stages; the load gets the arguments."""
        self.lake.ingest(self.reader)
        self.lake.transform()
        load.run(job_run(**arguments), self.lake.processed, Postgres(login_of(self.warehouse)))

    def change(self, statement, *, in_warehouse):
        """Run a statement in the warehouse or in totesys, as the role that may do anything.

        `{role}` stands for the settings of the warehouse's role in this warehouse only: other tests share the role.
        """
        url = as_role(self.warehouse if in_warehouse else self.totesys, SUPERUSER)
        with psycopg.connect(url, autocommit=True) as connection:
            role = f"ALTER ROLE {WAREHOUSE_OWNER} IN DATABASE {connection.info.dbname}"
            connection.execute(statement.replace("{role}", role))

    def compare(self):
        """Compare the warehouse with totesys; what waits in quarantine is no difference."""
        databases = reconcile.Databases(self.reader, Postgres(login_of(self.warehouse)))
        return reconcile.run(job_run(), databases, self.lake.ingested, self.lake.processed)


@pytest.fixture(scope="module")
def world(shared_totesys, shared_reader, shared_lake, make_module_database):
    """Return the one world."""
    return World(shared_totesys, shared_reader, shared_lake, make_module_database(owner=WAREHOUSE_OWNER))


@pytest.fixture(autouse=True)
def _settings(world):
    """Undo what an input has set for the warehouse's role."""
    yield
    world.change("{role} RESET ALL", in_warehouse=True)


@pytest.mark.parametrize("given", STAR_INPUTS, ids=str)
def test_an_input_reaches_the_warehouse_waits_or_is_refused_by_name(given, world):
    """And a change of totesys comes along with it."""
    world.change("UPDATE design SET design_name = design_name || 'é' WHERE design_id = 1", in_warehouse=False)
    world.change(given.change, in_warehouse=given.in_warehouse)

    if given.refused:
        error, words = given.refused
        with pytest.raises(error, match=words):
            world.run()
        if given.undo:
            world.change(given.undo, in_warehouse=given.in_warehouse)
        world.run(**({"rebuild": "true"} if given.rebuild else {}))
    else:
        world.run()
    waiting = {(fault.table, fault.key, fault.rule, fault.column) for fault in quarantine.faults(world.lake.processed)}
    assert waiting == ({given.waits} if given.waits else set())
    reports = world.compare()
    assert sum(report.differences for report in reports.values()) == 0

    if given.waits:
        assert sum(report.explained for report in reports.values()) == 1
        world.change(given.undo, in_warehouse=given.in_warehouse)
        world.run()
        assert quarantine.faults(world.lake.processed) == []
        assert sum(report.explained for report in world.compare().values()) == 0
