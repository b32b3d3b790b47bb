"""Commit of an ingested batch and its registration in the catalog, also after a kill."""

import pytest

from totelake.lake import catalog
from totelake.lake.batches import IngestedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED
from totelake.tables import SOURCE_TABLES


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
