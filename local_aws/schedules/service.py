"""The thread that fires schedules: it sleeps until the next due time, and polls for changed schedules."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from local_aws.schedules import endpoint, rules, scheduler
from local_aws.schedules.clock import Clock, SystemClock
from local_aws.schedules.timetable import Source, Timetable

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
"""The interval at which the thread looks for created, changed or deleted schedules."""

_SOURCES: dict[str, Source] = {}


@dataclass(slots=True)
class _Service:
    clock: Clock
    timetable: Timetable
    thread: threading.Thread


_running: list[_Service] = []


def register(name: str, source: Source) -> None:
    """Add a source of entries, before or after the start; it replaces an earlier source of the same name."""
    _SOURCES[name] = source


def start(endpoint_url: str, clock: Clock | None = None) -> None:
    """Start firing EventBridge Scheduler's schedules, scheduled rules and registered sources; idempotent.

    Schedules call their targets at `endpoint_url`.
    """
    if _running:
        return
    endpoint.use(endpoint_url)
    clock = clock or SystemClock()
    scheduler.install()
    rules.install()
    register("EventBridge Scheduler", lambda: scheduler.entries(clock))
    register("EventBridge rules", rules.entries)
    timetable = Timetable(_SOURCES)
    thread = threading.Thread(target=_run, args=(timetable, clock), name="schedules", daemon=True)
    _running.append(_Service(clock, timetable, thread))
    thread.start()


def stop() -> None:
    """Stop firing, cancel pending retries, and return when the thread has ended."""
    while _running:
        service = _running.pop()
        service.clock.stop()
        service.thread.join()


def upcoming() -> dict[str, datetime]:
    """Return the time in UTC at which each schedule or scheduled rule fires next, by its ARN."""
    return {key: due for service in _running for key, due in service.timetable.upcoming().items()}


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
