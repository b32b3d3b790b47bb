"""The filters of a page, which are kept in its URL."""

import string
from datetime import date, timedelta

import streamlit as st

from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices
from local_aws.visible_text import visible

ALL, CUSTOM = "All time", "Custom range"
_PAST = {"Last 12 months": (11, 0), "Last 3 months": (2, 0)}
_PAST_AND_FUTURE = {"Last 12 and next 3 months": (11, 3), "Last and next 3 months": (2, 3)}
_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})


def filters(
    choices: FilterChoices,
    days: tuple[date, date],
    label: str,
    *,
    with_designs: bool = False,
    with_future: bool = False,
) -> Filters:
    """Show the filters and return their values; `days` are the first and the last day of the data."""
    with st.container(horizontal=True, vertical_alignment="top", key="filters"):
        since, until = _range(days, label, with_future=with_future)
        currencies = st.pills(
            "Currency",
            choices.currencies,
            selection_mode="multi",
            default=choices.currencies,
            format_func=_escaped_markdown,
            key="currency",
            bind="query-params",
        )
        designs = _designs(choices) if with_designs else []
    selected = None if set(currencies) == set(choices.currencies) else tuple(currencies)
    return Filters(since, until, selected, tuple(designs) or None)


def _range(days: tuple[date, date], label: str, *, with_future: bool) -> tuple[date | None, date | None]:
    """Return the first and the last day of the selected range, None for an open end."""
    ranges = _PAST_AND_FUTURE if with_future else _PAST
    selected = st.selectbox(label, [*ranges, ALL, CUSTOM], key=f"range-{label.lower()}", bind="query-params", width=240)
    if selected in ranges:
        return months(date.today(), *ranges[selected])  # noqa: DTZ011 - in the time zone of this machine
    if selected == ALL:
        return None, None
    first, last = days
    picked = st.date_input("From and to", days, min_value=first, max_value=last, key=f"days-{label.lower()}", width=240)
    return (picked[0], picked[-1]) if isinstance(picked, tuple) and picked else days


def months(today: date, past: int, future: int) -> tuple[date, date]:
    """Return the first and the last day of this month with `past` months before it and `future` months after it."""
    return _first_of_month(today, -past), _first_of_month(today, future + 1) - timedelta(days=1)


def _first_of_month(today: date, offset: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
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


def _escaped_markdown(text: str) -> str:
    """Return `text` escaped for the label of a pill, which is Markdown and could load external images."""
    return visible(text).translate(_ESCAPED)
