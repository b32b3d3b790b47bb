"""The filters above a page, which the address of the page remembers."""

import string
from datetime import date, timedelta

import streamlit as st

from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices
from local_aws.visible_text import visible

ALL, OWN = "All time", "Own range"
_BACK = {"Last 12 months": (11, 0), "Last 3 months": (2, 0)}
_LITERAL = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})
_BACK_AND_AHEAD = {"Last 12 and next 3 months": (11, 3), "Last and next 3 months": (2, 3)}


def filters(
    choices: FilterChoices, days: tuple[date, date], when: str, *, with_designs: bool = False, ahead: bool = False
) -> Filters:
    """Show the filters and return what they are set to; `days` are the first and the last one that there is."""
    with st.container(horizontal=True, vertical_alignment="top", key="filters"):
        since, until = _range(days, when, ahead=ahead)
        currencies = st.pills(
            "Currency",
            choices.currencies,
            selection_mode="multi",
            default=choices.currencies,
            format_func=_as_markdown,
            key="currency",
            bind="query-params",
        )
        designs = _designs(choices) if with_designs else []
    chosen = None if set(currencies) == set(choices.currencies) else tuple(currencies)
    return Filters(since, until, chosen, tuple(designs) or None)


def _range(days: tuple[date, date], when: str, *, ahead: bool) -> tuple[date | None, date | None]:
    """Return the first and the last day of the range that is chosen, None where it has none."""
    ranges = _BACK_AND_AHEAD if ahead else _BACK
    chosen = st.selectbox(when, [*ranges, ALL, OWN], key=f"range-{when.lower()}", bind="query-params", width=240)
    if chosen in ranges:
        return months(date.today(), *ranges[chosen])  # noqa: DTZ011 - the reader's own day
    if chosen == ALL:
        return None, None
    first, last = days
    picked = st.date_input("From and to", days, min_value=first, max_value=last, key=f"days-{when.lower()}", width=240)
    return (picked[0], picked[-1]) if isinstance(picked, tuple) and picked else days


def months(today: date, back: int, ahead: int) -> tuple[date, date]:
    """Return the first and the last day of whole months: this one, so many before it and so many after it."""
    return _first_of(today, -back), _first_of(today, ahead + 1) - timedelta(days=1)


def _first_of(today: date, later: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 + later, 12)
    return date(year, month + 1, 1)


def _designs(choices: FilterChoices) -> list[str]:
    return st.multiselect(
        "Design",
        choices.designs,
        placeholder="All designs",
        format_func=visible,
        key="design",
        bind="query-params",
        width=320,
    )


def _as_markdown(text: str) -> str:
    """Return Markdown that shows `text` as it is: a label of a pill is Markdown, which may name images elsewhere."""
    return visible(text).translate(_LITERAL)
