"""Failpoints: named points of a run at which tests kill the process.

When the process dies at a failpoint, no data is lost and none is duplicated. Outside of tests nothing watches them.

snapshot exported       ingest: the source's snapshot is open, no row has been read
table written           ingest, transform: the files of one table are written
before log created      ingest, transform: all files are written, no commit record lists them
log created             ingest, transform: the batch is committed, its partitions are not registered
partitions registered   ingest, transform: the stage is complete
table staged            load: one table of the batch is in staging
before merge committed  load: everything is merged, in a transaction that is open
merge committed         load: the batch is loaded, its staging tables still exist
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


def hit(failpoint: str) -> None:
    """Call the watchers with the `failpoint` that the run has reached, from any of the threads that write tables."""
    for watcher in _watchers:
        watcher(failpoint)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` with the name of every failpoint that this process reaches within the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
