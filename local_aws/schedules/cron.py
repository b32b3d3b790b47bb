"""AWS's cron expressions: six fields, weekdays numbered from Sunday = 1, and the wildcards L, W, # and ?.

Source: "Cron-based schedules" of EventBridge Scheduler's user guide; EventBridge rules and Glue use the same fields.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr[1:], start=1)}
_DAYS = {name: number for number, name in enumerate(("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"), start=1)}
_SATURDAY, _SUNDAY = 5, 6  # as date.weekday() counts

type DayRule = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an expression: its name, its lowest and highest value, and the names of values."""

    name: str
    lowest: int
    highest: int
    names: tuple[tuple[str, int], ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """Return the values that `text` selects: lists, ranges, steps, names and `*`."""
        return frozenset(value for item in text.split(",") for value in self._item_values(item))

    def number(self, text: str) -> int:
        """Parse one value, a number or a name; raise ValueError when it is invalid."""
        numbers = {name.upper(): number for name, number in self.names}
        number = numbers.get(text.upper(), int(text) if text.isascii() and text.isdigit() else None)
        if number is None or not self.lowest <= number <= self.highest:
            raise ValueError(f"the {self.name} {text!r} must be {self.lowest} to {self.highest}")
        return number

    def _item_values(self, item: str) -> range:
        span, slash, step = item.partition("/")
        if slash and not (step.isdigit() and int(step)):
            raise ValueError(f"the step {step!r} of the {self.name} is not a positive number")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = self.lowest, self.highest
        else:
            low = self.number(first)
            high = self.number(last) if dash else self.highest if slash else low
        if high < low:
            raise ValueError(f"the range {span!r} of the {self.name} is descending")
        return range(low, high + 1, int(step) if slash else 1)


_MINUTE = Field("minute", 0, 59)
_HOUR = Field("hour", 0, 23)
_DAY_OF_MONTH = Field("day of the month", 1, 31)
_MONTH = Field("month", 1, 12, tuple(_MONTHS.items()))
_DAY_OF_WEEK = Field("day of the week", 1, 7, tuple(_DAYS.items()))
_YEAR = Field("year", 1970, 2199)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: tuple[int, ...]
    is_day: DayRule

    @classmethod
    def parse(cls, fields: str) -> "Cron":
        """Parse the six fields between the brackets of `cron(…)`; raise ValueError that names the invalid field."""
        texts = fields.split()
        if len(texts) != 6:  # noqa: PLR2004
            raise ValueError(f"cron needs six fields, not {len(texts)}")
        minute, hour, day_of_month, month, day_of_week, year = texts
        if (day_of_month == "?") == (day_of_week == "?"):
            raise ValueError("exactly one of day of the month and day of the week must be ?")
        return cls(
            minutes=tuple(sorted(_MINUTE.values(minute))),
            hours=tuple(sorted(_HOUR.values(hour))),
            months=_MONTH.values(month),
            years=tuple(sorted(_YEAR.values(year))),
            is_day=_weekday_rule(day_of_week) if day_of_month == "?" else _month_day_rule(day_of_month),
        )

    def from_(self, moment: datetime) -> Iterator[datetime]:
        """Yield the matching local times from the minute of `moment`, in order; all are naive."""
        for year in (year for year in self.years if year >= moment.year):
            for day in _days(year):
                if day >= moment.date() and day.month in self.months and self.is_day(day):
                    yield from (time for time in self._times(day) if time >= moment.replace(second=0, microsecond=0))

    def _times(self, day: date) -> Iterator[datetime]:
        for hour in self.hours:
            for minute in self.minutes:
                yield datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a time on a wall clock


def _days(year: int) -> Iterator[date]:
    first = date(year, 1, 1).toordinal()
    return map(date.fromordinal, range(first, first + 365 + calendar.isleap(year)))


def _last_day(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _month_day_rule(text: str) -> DayRule:
    """Parse days of the month, including `L` (last day), `LW` (last weekday), `15W` (nearest weekday)."""
    rules: list[DayRule] = []
    for item in text.upper().split(","):
        if item == "L":
            rules.append(lambda day: day.day == _last_day(day))
        elif item == "LW":
            rules.append(lambda day: day.day == _nearest_working_day(day, _last_day(day)))
        elif item.endswith("W"):
            rules.append(partial(_is_nearest_working_day, target=_DAY_OF_MONTH.number(item[:-1])))
        else:
            rules.append(partial(_is_day_in, days=_DAY_OF_MONTH.values(item)))
    return lambda day: any(rule(day) for rule in rules)


def _weekday_rule(text: str) -> DayRule:
    """Parse days of the week, including `6L` (last Friday of the month) and, as the only item, `6#3` (third Friday)."""
    if "#" in text:
        weekday, _, occurrence = text.partition("#")
        if not re.fullmatch("[1-5]", occurrence):
            raise ValueError(f"{text!r} is not a day of the week and its occurrence in the month, such as 6#3")
        return partial(_is_nth_weekday, weekday=_DAY_OF_WEEK.number(weekday), occurrence=int(occurrence))
    rules: list[DayRule] = []
    for item in text.upper().split(","):
        if item.endswith("L") and item != "L":
            rules.append(partial(_is_last_weekday, weekday=_DAY_OF_WEEK.number(item[:-1])))
        else:  # L by itself is the last day of the week, Saturday
            weekdays = _DAY_OF_WEEK.values("7" if item == "L" else item)
            rules.append(partial(_is_weekday_in, weekdays=weekdays))
    return lambda day: any(rule(day) for rule in rules)


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _is_day_in(day: date, days: frozenset[int]) -> bool:
    return day.day in days


def _is_weekday_in(day: date, weekdays: frozenset[int]) -> bool:
    return _weekday(day) in weekdays


def _is_last_weekday(day: date, weekday: int) -> bool:
    return _weekday(day) == weekday and day.day + 7 > _last_day(day)


def _is_nth_weekday(day: date, weekday: int, occurrence: int) -> bool:
    return _weekday(day) == weekday and (day.day - 1) // 7 + 1 == occurrence


def _is_nearest_working_day(day: date, target: int) -> bool:
    return target <= _last_day(day) and day.day == _nearest_working_day(day, target)


def _nearest_working_day(month: date, target: int) -> int:
    """Return the day from Monday to Friday of the month that is nearest to the day `target`."""
    weekday = month.replace(day=target).weekday()
    if weekday == _SATURDAY:
        return target - 1 if target > 1 else target + 2
    if weekday == _SUNDAY:
        return target + 1 if target < _last_day(month) else target - 2
    return target
