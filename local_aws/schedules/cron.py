"""AWS's cron expressions: six fields, days counted from Sunday = 1, and the signs L, W, # and ?.

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
    """One field of an expression: its name, its lowest and highest value, and the names that its values have."""

    name: str
    lowest: int
    highest: int
    names: tuple[tuple[str, int], ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """Give the values that `text` selects: lists, ranges, steps, names and `*`."""
        return frozenset(value for item in text.split(",") for value in self._item(item))

    def number(self, text: str) -> int:
        """Read one value, by number or by name."""
        named = {name.upper(): number for name, number in self.names}
        number = named.get(text.upper(), int(text) if text.isascii() and text.isdigit() else None)
        if number is None or not self.lowest <= number <= self.highest:
            raise ValueError(f"the {self.name} {text!r} has to be {self.lowest} to {self.highest}")
        return number

    def _item(self, item: str) -> range:
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
            raise ValueError(f"the range {span!r} of the {self.name} runs backwards")
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
        """Read the six fields between the brackets of `cron(…)`; ValueError says which of them is wrong, and why."""
        parts = fields.split()
        if len(parts) != 6:  # noqa: PLR2004
            raise ValueError(f"there have to be six fields and not {len(parts)}")
        minute, hour, day_of_month, month, day_of_week, year = parts
        if (day_of_month == "?") == (day_of_week == "?"):
            raise ValueError("exactly one of day of the month and day of the week has to be ?")
        return cls(
            minutes=tuple(sorted(_MINUTE.values(minute))),
            hours=tuple(sorted(_HOUR.values(hour))),
            months=_MONTH.values(month),
            years=tuple(sorted(_YEAR.values(year))),
            is_day=_weekday_rule(day_of_week) if day_of_month == "?" else _month_day_rule(day_of_month),
        )

    def from_(self, moment: datetime) -> Iterator[datetime]:
        """Give the times of the wall clock, from the minute of `moment` on, in their order; all of them naive."""
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
    """Days of the month; among them `L` (the last), `LW` (the last working day), `15W` (the working day nearest)."""
    rules: list[DayRule] = []
    for item in text.upper().split(","):
        if item == "L":
            rules.append(lambda day: day.day == _last_day(day))
        elif item == "LW":
            rules.append(lambda day: day.day == _nearest_working_day(day, _last_day(day)))
        elif item.endswith("W"):
            rules.append(partial(_is_nearest_working_day, wanted=_DAY_OF_MONTH.number(item[:-1])))
        else:
            rules.append(partial(_is_day_among, wanted=_DAY_OF_MONTH.values(item)))
    return lambda day: any(rule(day) for rule in rules)


def _weekday_rule(text: str) -> DayRule:
    """Days of the week; among them `6L` (the last Friday of the month) and, alone, `6#3` (the third Friday)."""
    if "#" in text:
        weekday, _, count = text.partition("#")
        if not re.fullmatch("[1-5]", count):
            raise ValueError(f"{text!r} is not a day of the week in a week of the month, such as 6#3")
        return partial(_is_weekday_of_week, weekday=_DAY_OF_WEEK.number(weekday), count=int(count))
    rules: list[DayRule] = []
    for item in text.upper().split(","):
        if item.endswith("L") and item != "L":
            rules.append(partial(_is_last_weekday, weekday=_DAY_OF_WEEK.number(item[:-1])))
        else:  # L by itself is the last day of the week, Saturday
            wanted = _DAY_OF_WEEK.values("7" if item == "L" else item)
            rules.append(partial(_is_weekday_among, wanted=wanted))
    return lambda day: any(rule(day) for rule in rules)


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _is_day_among(day: date, wanted: frozenset[int]) -> bool:
    return day.day in wanted


def _is_weekday_among(day: date, wanted: frozenset[int]) -> bool:
    return _weekday(day) in wanted


def _is_last_weekday(day: date, weekday: int) -> bool:
    return _weekday(day) == weekday and day.day + 7 > _last_day(day)


def _is_weekday_of_week(day: date, weekday: int, count: int) -> bool:
    return _weekday(day) == weekday and (day.day - 1) // 7 + 1 == count


def _is_nearest_working_day(day: date, wanted: int) -> bool:
    return wanted <= _last_day(day) and day.day == _nearest_working_day(day, wanted)


def _nearest_working_day(month: date, wanted: int) -> int:
    """Give the day from Monday to Friday that is nearest to day `wanted`, without leaving the month."""
    weekday = month.replace(day=wanted).weekday()
    if weekday == _SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == _SUNDAY:
        return wanted + 1 if wanted < _last_day(month) else wanted - 2
    return wanted
