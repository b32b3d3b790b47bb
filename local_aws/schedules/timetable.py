"""The timetable: what is due when, and what has been due just now."""

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
class Entry:
    """Something that fires on a schedule.

    `key` is unique and stays the same; an entry whose other fields change starts anew. `fire` is called, in a thread of
    its own, with the time that the schedule meant; `finish` after the last time. With a `window`, an entry fires at a
    random moment within it. A rate fires first at `starts`, or at once where `at_once` says so, or else one period
    after it was first seen.
    """

    key: str
    expression: str
    fire: Callable[[datetime], None] = field(compare=False)
    timezone: str = "UTC"
    starts: datetime | None = None
    ends: datetime | None = None
    window: timedelta = timedelta(0)
    at_once: bool = False
    finish: Callable[[], None] | None = field(default=None, compare=False)

    def first(self, now: datetime) -> datetime | None:
        """Give the first time to fire for an entry that is seen for the first time `now`."""
        if is_once(self.expression):
            return next_fire(self.expression, self.timezone, now)  # AWS ignores start and end of one-time schedules
        if not is_rate(self.expression):
            return self._not_after_end(
                next_fire(self.expression, self.timezone, max(now, self._starts(now) - _INSTANT))
            )
        if self.starts is not None:
            return self.starts if self.starts > now else self.following(self.starts, now)
        return self._not_after_end(now if self.at_once else now + period(self.expression))

    def following(self, last: datetime, now: datetime) -> datetime | None:
        """Give the next time after `now`, `last` being one of its times; times in between are not caught up."""
        if not is_rate(self.expression):
            return self._not_after_end(next_fire(self.expression, self.timezone, now))
        periods = (now - last) // period(self.expression) + 1
        return self._not_after_end(last + periods * period(self.expression))

    def _starts(self, now: datetime) -> datetime:
        return now if self.starts is None else self.starts

    def _not_after_end(self, moment: datetime | None) -> datetime | None:
        return None if moment is None or (self.ends is not None and moment > self.ends) else moment


type Source = Callable[[], Iterable[Entry]]
"""Whatever knows of entries: it is asked again on every look at the clock."""


@dataclass(slots=True)
class _Plan:
    """An entry with the time it is meant to fire and the moment in the window when it does."""

    entry: Entry
    scheduled: datetime | None
    due: datetime | None


class Timetable:
    """What its sources know of, and when each of it fires next."""

    def __init__(self, sources: dict[str, Source]) -> None:
        """Begin with nothing known: what would have been due earlier is past."""
        self._sources = sources
        self._plans: dict[str, _Plan] = {}

    def tick(self, now: datetime) -> datetime | None:
        """Fire what is due `now` and give the next time at which something is; `now` in UTC.

        A time that was missed because nobody ticked is fired late if its entry was known by then, once, however many
        times were missed; what was missed while the endpoint was down is not caught up. (Choice.)
        """
        entries = {entry.key: entry for entry in self._entries()}
        self._plans = {key: plan for key, plan in self._plans.items() if key in entries}
        for key, entry in entries.items():
            plan = self._plans.get(key)
            if plan is None or plan.entry != entry:
                plan = self._plans[key] = _plan(entry, _readable(entry, now))
            if plan.scheduled is not None and plan.due is not None and plan.due <= now:
                following = entry.following(plan.scheduled, now)
                _run(entry, plan.scheduled, last=following is None)
                self._plans[key] = _plan(entry, following)
        return min((plan.due for plan in self._plans.values() if plan.due is not None), default=None)

    def upcoming(self) -> dict[str, datetime]:
        """Give the time that each entry is meant to fire next, by its key; none for one that never fires again."""
        return {key: plan.scheduled for key, plan in list(self._plans.items()) if plan.scheduled is not None}

    def _entries(self) -> Iterator[Entry]:
        for name, source in list(self._sources.items()):
            try:
                yield from list(source())
            except Exception:  # noqa: BLE001 - one broken source does not stop the others' schedules
                _LOG.exception("the schedules of %s could not be read", name)


def _plan(entry: Entry, scheduled: datetime | None) -> _Plan:
    if scheduled is None:
        return _Plan(entry, None, None)
    return _Plan(entry, scheduled, scheduled + entry.window * random.random())  # noqa: S311 - not a secret


def _readable(entry: Entry, now: datetime) -> datetime | None:
    try:
        return entry.first(now)
    except ScheduleExpressionError as error:
        _LOG.error("%s never fires: %s", entry.key, error)
        return None


def _run(entry: Entry, scheduled: datetime, *, last: bool) -> None:
    def fire() -> None:
        try:
            entry.fire(scheduled.astimezone(UTC))
            if last and entry.finish is not None:
                entry.finish()
        except Exception:  # noqa: BLE001 - the end of a thread: nobody above could tell
            _LOG.exception("%s failed when its schedule fired", entry.key)

    threading.Thread(target=fire, name=f"schedule-{entry.key}", daemon=True).start()
