"""Events collected for an EVENT trigger, until the batch is full or its window has passed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from local_aws.glue.jobs.runs import now


@dataclass(frozen=True)
class EventBatch:
    """The events that start one run of a workflow."""

    events: tuple[str, ...]
    waited_seconds: int

    @property
    def condition(self) -> dict[str, int]:
        """StartingEventBatchCondition of the run."""
        return {"BatchSize": len(self.events), "BatchWindow": self.waited_seconds}

    @property
    def properties(self) -> dict[str, str]:
        """The run property with the ids of the events, in the form that Glue's documentation parses."""
        return {"aws:eventIds": f"[{','.join(self.events)}]"}


@dataclass
class _OpenBatch:
    timer: threading.Timer
    events: list[str] = field(default_factory=list)
    since: datetime = field(default_factory=now)


class EventBatches:
    """Collects events by workflow; `on_batch` is called with each batch, in any thread."""

    def __init__(self, on_batch: Callable[[str, EventBatch], None]) -> None:
        """Begin without events."""
        self._on_batch = on_batch
        self._lock = threading.Lock()
        self._open: dict[str, _OpenBatch] = {}

    def add(self, workflow: str, event: str, size: int, window_seconds: int) -> None:
        """Add an event; the batch is complete with its `size`-th, or `window_seconds` after its first."""
        with self._lock:
            batch = self._open.get(workflow)
            if batch is None:
                timer = threading.Timer(window_seconds, self._complete, (workflow,))
                timer.daemon = True
                timer.start()
                batch = self._open[workflow] = _OpenBatch(timer)
            batch.events.append(event)
            is_full = len(batch.events) >= size
        if is_full:
            self._complete(workflow)

    def close(self) -> None:
        """Discard incomplete batches."""
        with self._lock:
            for batch in self._open.values():
                batch.timer.cancel()
            self._open.clear()

    def _complete(self, workflow: str) -> None:
        with self._lock:
            batch = self._open.pop(workflow, None)
        if batch:
            batch.timer.cancel()
            waited = round((now() - batch.since).total_seconds())
            self._on_batch(workflow, EventBatch(tuple(batch.events), waited))
