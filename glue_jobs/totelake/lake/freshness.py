"""How old the warehouse is: up to which moment of totesys it is complete.

An ingest that finds nothing new writes nothing, and has still seen that nothing changed up to its snapshot. It notes
the moment in the workflow run; the load of the same run, which the ingest and the transform precede, finds it there.
"""

from datetime import UTC, datetime

from totelake.lake.batches import ProcessedBatch
from totelake.runtime.glue import JobRun

_INGESTED_UP_TO = "ingested_up_to"


def note(run: JobRun, taken_at: str) -> None:
    """Note, once the ingest is done, that the ingested zone has everything up to the snapshot `taken_at`.

    A run outside of a workflow has nobody to tell it to.
    """
    if run.workflow:
        run.workflow.note(**{_INGESTED_UP_TO: taken_at})


def warehouse_age(run: JobRun, loaded: ProcessedBatch | None) -> float | None:
    """Return how many seconds ago the moment was that the warehouse is complete up to, None before the first batch.

    It has everything up to `loaded`. The moment is the snapshot of that batch, or the later one that the ingest of the
    same workflow run has noted. A load that was started by hand knows of no other ingest.
    """
    moments = [loaded.snapshot_taken_at] if loaded else []
    if run.workflow and (noted := run.workflow.find(_INGESTED_UP_TO)):
        moments.append(noted)
    return seconds_since(max(moments)) if moments else None


def seconds_since(moment: str, until: str | None = None) -> float:
    """Return the seconds from `moment` to `until`, or to now: times as commit records write them, or without a zone."""
    end = _read(until) if until else datetime.now(UTC)
    return (end - _read(moment)).total_seconds()


def _read(moment: str) -> datetime:
    read = datetime.fromisoformat(moment)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
