"""The timetable of schedules: fires entries when they are due."""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local_aws.schedules.expressions import ScheduleExpressionError, is_once, is_rate, next_fire, period

_LOG = logging.getLogger(__name__)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """An entry that fires on a schedule.

    `key` is unique and constant; an entry whose other fields change is scheduled from scratch. `fire` is called in its
    own thread with the scheduled time; `finish` after the last time. With a `window`, an entry fires at a random time
    within it. A rate first fires at `starts`, or immediately with `fires_immediately`, or else one period after it was
    first seen.
    """

    key: str
    expression: str
    fire: Callable[[datetime], None] = field(compare=False)
    timezone: str = "UTC"
    starts: datetime | None = None
    ends: datetime | None = None
    window: timedelta = timedelta(0)
    fires_immediately: bool = False
    finish: Callable[[], None] | None = field(default=None, compare=False)

    def first(self, now: datetime) -> datetime | None:
        """Return the first time to fire for an entry that is new at the time `now`; None when it never fires."""
        if is_once(self.expression):
            return next_fire(self.expression, self.timezone, now)  # AWS ignores start and end of one-time schedules
        if not is_rate(self.expression):
            return self._not_after_end(
                next_fire(self.expression, self.timezone, max(now, self._starts(now) - _INSTANT))
            )
        if self.starts is not None:
            return self.starts if self.starts > now else self.following(self.starts, now)
        return self._not_after_end(now if self.fires_immediately else now + period(self.expression))

    def following(self, last: datetime, now: datetime) -> datetime | None:
        """Return the next time after `now`, given the `last` one; missed times in between are skipped."""
        if not is_rate(self.expression):
            return self._not_after_end(next_fire(self.expression, self.timezone, now))
        periods = (now - last) // period(self.expression) + 1
        return self._not_after_end(last + periods * period(self.expression))

    def _starts(self, now: datetime) -> datetime:
        return now if self.starts is None else self.starts

    def _not_after_end(self, time: datetime | None) -> datetime | None:
        return None if time is None or (self.ends is not None and time > self.ends) else time


type Source = Callable[[], Iterable[ScheduleEntry]]
"""Returns the current entries; called on every tick."""


@dataclass(slots=True)
class _Plan:
    """An entry with its next scheduled time and the due time in its window; None when it never fires again."""

    entry: ScheduleEntry
    scheduled: datetime | None
    due: datetime | None


class Timetable:
    """The entries of all sources, with the next time of each."""

    def __init__(self, sources: dict[str, Source]) -> None:
        """Create a timetable of these sources; entries are read on the first tick."""
        self._sources = sources
        self._plans: dict[str, _Plan] = {}

    def tick(self, now: datetime) -> datetime | None:
        """Fire the entries that are due at `now`, in UTC; return the next due time, None when there is none.

        If ticks were late, an entry that was already known fires once, however many times it missed; times missed while
        the endpoint was down are not caught up. (Choice.)
        """
        entries = {entry.key: entry for entry in self._entries()}
        self._plans = {key: plan for key, plan in self._plans.items() if key in entries}
        for key, entry in entries.items():
            plan = self._plans.get(key)
            if plan is None or plan.entry != entry:
                plan = self._plans[key] = _plan(entry, _first_time(entry, now))
            if plan.scheduled is not None and plan.due is not None and plan.due <= now:
                following = entry.following(plan.scheduled, now)
                _run(entry, plan.scheduled, last=following is None)
                self._plans[key] = _plan(entry, following)
        return min((plan.due for plan in self._plans.values() if plan.due is not None), default=None)

    def upcoming(self) -> dict[str, datetime]:
        """Return the next scheduled time of each entry by key, without entries that never fire again."""
        return {key: plan.scheduled for key, plan in list(self._plans.items()) if plan.scheduled is not None}

    def _entries(self) -> Iterator[ScheduleEntry]:
        for name, source in list(self._sources.items()):
            try:
                yield from list(source())
            except Exception:  # noqa: BLE001 - a broken source must not stop the schedules of others
                _LOG.exception("the schedules of %s could not be read", name)


def _plan(entry: ScheduleEntry, scheduled: datetime | None) -> _Plan:
    if scheduled is None:
        return _Plan(entry, None, None)
    return _Plan(entry, scheduled, scheduled + entry.window * random.random())  # noqa: S311 - not a secret


def _first_time(entry: ScheduleEntry, now: datetime) -> datetime | None:
    try:
        return entry.first(now)
    except ScheduleExpressionError as error:
        _LOG.error("%s never fires: %s", entry.key, error)
        return None


def _run(entry: ScheduleEntry, scheduled: datetime, *, last: bool) -> None:
    def fire() -> None:
        try:
            entry.fire(scheduled.astimezone(UTC))
            if last and entry.finish is not None:
                entry.finish()
        except Exception:  # noqa: BLE001 - nothing handles exceptions of this thread
            _LOG.exception("%s failed when its schedule fired", entry.key)

    threading.Thread(target=fire, name=f"schedule-{entry.key}", daemon=True).start()
