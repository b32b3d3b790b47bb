"""Events that wait for their EVENT trigger: gathered until they are enough, or the first one has waited long enough."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from local_aws.glue.job_runs import now


@dataclass(frozen=True)
class Batch:
    """The events that begin one run of a workflow."""

    events: tuple[str, ...]
    waited_seconds: int

    @property
    def condition(self) -> dict[str, int]:
        """What the run says of it: StartingEventBatchCondition."""
        return {"BatchSize": len(self.events), "BatchWindow": self.waited_seconds}

    @property
    def properties(self) -> dict[str, str]:
        """The run property by which jobs learn of the events, in the form that Glue's documentation takes apart."""
        return {"aws:eventIds": f"[{','.join(self.events)}]"}


@dataclass
class _Gathering:
    timer: threading.Timer
    events: list[str] = field(default_factory=list)
    since: datetime = field(default_factory=now)


class Batches:
    """Gathers events by the workflow that they are for; `full` is called with each batch, in some thread."""

    def __init__(self, full: Callable[[str, Batch], None]) -> None:
        """Begin with nothing gathered."""
        self._full = full
        self._lock = threading.Lock()
        self._gathering: dict[str, _Gathering] = {}

    def add(self, workflow: str, event: str, size: int, window_seconds: int) -> None:
        """Add an event; the batch goes out with its `size`-th, or `window_seconds` after its first."""
        with self._lock:
            gathering = self._gathering.get(workflow)
            if gathering is None:
                timer = threading.Timer(window_seconds, self._out, (workflow,))
                timer.daemon = True
                timer.start()
                gathering = self._gathering[workflow] = _Gathering(timer)
            gathering.events.append(event)
            enough = len(gathering.events) >= size
        if enough:
            self._out(workflow)

    def close(self) -> None:
        """Forget what waits."""
        with self._lock:
            for gathering in self._gathering.values():
                gathering.timer.cancel()
            self._gathering.clear()

    def _out(self, workflow: str) -> None:
        with self._lock:
            gathering = self._gathering.pop(workflow, None)
        if gathering:
            gathering.timer.cancel()
            waited = round((now() - gathering.since).total_seconds())
            self._full(workflow, Batch(tuple(gathering.events), waited))
