"""The points of a run between which it can be cut off, each with a name.

Nothing that was done before a boundary may be lost, and nothing doubled, when the process dies at it. Whoever wants to
see that watches the boundaries and kills the process at one of them; no one else watches.

snapshot exported       ingest: the source's snapshot is held, no row has been read
table written           ingest, transform: the files of one table are there
before log created      ingest, transform: all files are there, no record names them
log created             ingest, transform: the batch is committed, the catalog does not know it
partitions registered   ingest, transform: the stage has done everything
table staged            load: one table of the batch is in staging
before merge committed  load: everything is merged, in a transaction that is open
merge committed         load: the batch is there, its staging tables too
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

SNAPSHOT_EXPORTED = "snapshot exported"
TABLE_WRITTEN = "table written"
BEFORE_LOG_CREATED = "before log created"
LOG_CREATED = "log created"
PARTITIONS_REGISTERED = "partitions registered"
TABLE_STAGED = "table staged"
BEFORE_MERGE_COMMITTED = "before merge committed"
MERGE_COMMITTED = "merge committed"

type Watcher = Callable[[str], None]

_watchers: list[Watcher] = []


def hit(boundary: str) -> None:
    """Tell whoever watches that the run has come to `boundary`; tables are written by several threads at once."""
    for watcher in _watchers:
        watcher(boundary)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` with the name of every boundary that this process reaches within the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
