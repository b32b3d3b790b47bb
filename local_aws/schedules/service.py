"""The thread that fires schedules: it sleeps until the next due time, and polls for changed schedules."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from local_aws.schedules import rules, scheduler
from local_aws.schedules.clock import Clock, SystemClock
from local_aws.schedules.timetable import Source, Timetable

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
"""The interval at which the thread looks for created, changed or deleted schedules."""


class Schedules:
    """The schedules of EventBridge Scheduler, the rules with a schedule, and those of `sources`, by name."""

    def __init__(self, sources: Mapping[str, Source], clock: Callable[[], Clock] = SystemClock) -> None:
        """Prepare to fire; `clock` makes the clock of each start."""
        self._sources = dict(sources)
        self._make_clock = clock
        self._clock: Clock | None = None
        self._thread: threading.Thread | None = None
        self._timetable: Timetable | None = None

    def start(self) -> None:
        """Start firing; idempotent."""
        if self._thread:
            return
        self._clock = clock = self._make_clock()
        own = {"EventBridge Scheduler": lambda: scheduler.entries(clock), "EventBridge rules": rules.entries}
        self._timetable = Timetable({**self._sources, **own})
        self._thread = threading.Thread(target=_run, args=(self._timetable, clock), name="schedules", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop firing, cancel pending retries, and return when the thread has ended."""
        if self._thread and self._clock:
            self._clock.stop()
            self._thread.join()
        self._thread = self._clock = self._timetable = None

    def upcoming(self) -> dict[str, datetime]:
        """Return the time in UTC at which each schedule or scheduled rule fires next, by its ARN."""
        return self._timetable.upcoming() if self._timetable else {}


def _run(timetable: Timetable, clock: Clock) -> None:
    pause = 0.0
    while not clock.wait(pause):
        pause = _POLL_SECONDS
        try:
            due = timetable.tick(clock.now())
        except Exception:  # noqa: BLE001 - the thread continues: other schedules may be valid
            _LOG.exception("schedules could not be processed")
        else:
            if due is not None:
                pause = min(pause, max(0.0, (due - clock.now()).total_seconds()))
