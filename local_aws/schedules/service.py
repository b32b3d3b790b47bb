"""The thread in which schedules fire: it sleeps to the next due time, and looks up when schedules change."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from local_aws.schedules import rules, scheduler
from local_aws.schedules.clock import Clock, SystemClock
from local_aws.schedules.timetable import Source, Timetable

_LOG = logging.getLogger(__name__)
_LOOK_UP = 0.5
"""Seconds after which the thread looks for schedules that were made, changed or deleted."""

_SOURCES: dict[str, Source] = {}


@dataclass(slots=True)
class _Service:
    clock: Clock
    timetable: Timetable
    thread: threading.Thread


_running: list[_Service] = []


def register(name: str, source: Source) -> None:
    """Let what `source` gives fire as well, now or once started; a name that is taken stands for the new source."""
    _SOURCES[name] = source


def start(clock: Clock | None = None) -> None:
    """Begin to fire: EventBridge Scheduler's schedules, scheduled rules and what is registered; again is no error."""
    if _running:
        return
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
    """Fire nothing any more, give up what is being retried, and return once the thread has ended."""
    while _running:
        service = _running.pop()
        service.clock.stop()
        service.thread.join()


def upcoming() -> dict[str, datetime]:
    """Give the time, in UTC, at which each schedule or scheduled rule fires next, by its ARN."""
    return {key: due for service in _running for key, due in service.timetable.upcoming().items()}


def _run(timetable: Timetable, clock: Clock) -> None:
    pause = 0.0
    while not clock.wait(pause):
        pause = _LOOK_UP
        try:
            due = timetable.tick(clock.now())
        except Exception:  # noqa: BLE001 - the thread goes on: the next schedule may be sound
            _LOG.exception("schedules could not be looked through")
        else:
            if due is not None:
                pause = min(pause, max(0.0, (due - clock.now()).total_seconds()))
