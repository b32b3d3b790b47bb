"""All stages on the inputs of `tests.jobs.inputs`: after each, the warehouse equals totesys.

All run in sequence on one pipeline. Warehouse and totesys are compared by the plain SQL of reconcile.
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


class StagePipeline:
    """One totesys, one lake, one warehouse and the stages between them."""

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
        """Run a statement in the warehouse or in totesys as superuser.

        `{role}` alters the settings of the warehouse's role in this warehouse only: other tests share the role.
        """
        url = as_role(self.warehouse if in_warehouse else self.totesys, SUPERUSER)
        with psycopg.connect(url, autocommit=True) as connection:
            role = f"ALTER ROLE {WAREHOUSE_OWNER} IN DATABASE {connection.info.dbname}"
            connection.execute(statement.replace("{role}", role))

    def compare(self):
        """Compare the warehouse with totesys; a row in quarantine is no difference."""
        databases = reconcile.Databases(self.reader, Postgres(login_of(self.warehouse)))
        return reconcile.run(job_run(), databases, self.lake.ingested, self.lake.processed)


@pytest.fixture(scope="module")
def pipeline(shared_totesys, shared_reader, shared_lake, make_module_database):
    """Return the pipeline that all inputs run on."""
    return StagePipeline(shared_totesys, shared_reader, shared_lake, make_module_database(owner=WAREHOUSE_OWNER))


@pytest.fixture(autouse=True)
def _settings(pipeline):
    """Reset the settings of the warehouse's role after each input."""
    yield
    pipeline.change("{role} RESET ALL", in_warehouse=True)


@pytest.mark.parametrize("given", STAR_INPUTS, ids=str)
def test_input_is_loaded_quarantined_or_rejected_by_name(given, pipeline):
    """A valid change of totesys in the same run is loaded too."""
    pipeline.change("UPDATE design SET design_name = design_name || 'é' WHERE design_id = 1", in_warehouse=False)
    pipeline.change(given.change, in_warehouse=given.in_warehouse)

    if given.rejection:
        error, message = given.rejection
        with pytest.raises(error, match=message):
            pipeline.run()
        if given.undo:
            pipeline.change(given.undo, in_warehouse=given.in_warehouse)
        pipeline.run(**({"rebuild": "true"} if given.rebuild else {}))
    else:
        pipeline.run()
    quarantined = {
        (fault.table, fault.key, fault.rule, fault.column) for fault in quarantine.violations(pipeline.lake.processed)
    }
    assert quarantined == ({given.quarantined} if given.quarantined else set())
    reports = pipeline.compare()
    assert sum(report.differences for report in reports.values()) == 0

    if given.quarantined:
        assert sum(report.explained for report in reports.values()) == 1
        pipeline.change(given.undo, in_warehouse=given.in_warehouse)
        pipeline.run()
        assert quarantine.violations(pipeline.lake.processed) == []
        assert sum(report.explained for report in pipeline.compare().values()) == 0
