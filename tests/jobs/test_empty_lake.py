"""The jobs that may run before the first ingest: an environment's first job run should not depend on any database."""

from tests.lakes import job_run
from totelake import compact
from totelake.verify import stage


def test_verify_finds_nothing_in_an_empty_lake(lake):
    """It needs neither a connection nor data, so it shows whether jobs can start at all."""
    assert stage.run(job_run(), lake.ingested, lake.processed).findings == []


def test_compact_has_nothing_to_do_in_an_empty_lake(lake):
    """It writes nothing."""
    compact.run(job_run(), lake.ingested, lake.processed)

    assert lake.files() == []
