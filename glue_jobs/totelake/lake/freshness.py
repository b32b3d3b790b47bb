"""The age of the warehouse, the time since the totesys snapshot up to which it is complete, and of the compaction.

An ingest without changes writes no batch, but shows that nothing changed up to its snapshot. It stores the snapshot's
time in the properties of the workflow run, where the later load of the same run reads it.
"""

from datetime import UTC, datetime

from totelake.lake import objects
from totelake.lake.batches import ProcessedBatch
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.runtime.glue import JobRun

_INGESTED_UP_TO = "ingested_up_to"


def record_ingested_up_to(run: JobRun, taken_at: str) -> None:
    """Record in the workflow run, if there is one, that the ingested zone is complete up to the snapshot `taken_at`."""
    if run.workflow:
        run.workflow.set_properties(**{_INGESTED_UP_TO: taken_at})


def warehouse_age(run: JobRun, loaded: ProcessedBatch | None) -> float | None:
    """Return the seconds since the snapshot up to which the warehouse is complete, None before the first batch.

    That is the snapshot of the batch `loaded` last, or the later one that the ingest of the same workflow run recorded.
    """
    times = [loaded.snapshot_taken_at] if loaded else []
    if run.workflow and (ingested_up_to := run.workflow.get_property(_INGESTED_UP_TO)):
        times.append(ingested_up_to)
    return seconds_since(max(times)) if times else None


def compaction_age(files: LiveFiles) -> float | None:
    """Return the seconds since the last compaction of the zone with the live `files`, None if the zone is empty.

    If there was none, it is the age of the oldest live batch.
    """
    sets = [each for of_table in files.tables.values() for each in of_table]
    compacted = [_written_at(each) for each in sets if each.compacted]
    since = max(compacted) if compacted else min(map(_written_at, sets), default=None)
    return (datetime.now(UTC) - since).total_seconds() if since else None


def seconds_since(start: str, until: str | None = None) -> float:
    """Return the seconds from `start` to `until` or now; both are ISO 8601, in UTC if they have no time zone."""
    end = _parsed(until) if until else datetime.now(UTC)
    return (end - _parsed(start)).total_seconds()


def _written_at(files: FileSet) -> datetime:
    return objects.written_at(objects.batch_of(files.path))


def _parsed(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
