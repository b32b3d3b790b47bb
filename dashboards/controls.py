"""The filters above a page, which the address of the page remembers."""

from datetime import date

import streamlit as st

from dashboards.filters import Filters
from dashboards.warehouse import Choices

YEAR, QUARTER, CALENDAR_YEAR, ALL, OWN = "Last 12 months", "Last 3 months", "This year", "All time", "Own range"
_RANGES = (YEAR, QUARTER, CALENDAR_YEAR, ALL, OWN)


def filters(choices: Choices, days: tuple[date, date], when: str, *, with_designs: bool = False) -> Filters:
    """Show the filters and return what they are set to; `days` are the first and the last one that there is."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        since, until = _range(days, when)
        currencies = st.pills(
            "Currency", choices.currencies, selection_mode="multi", default=choices.currencies, key="currency",
            bind="query-params",
        )
        designs = _designs(choices) if with_designs else []
    chosen = None if set(currencies) == set(choices.currencies) else tuple(currencies)
    return Filters(since, until, chosen, tuple(designs) or None)


def _range(days: tuple[date, date], when: str) -> tuple[date | None, date | None]:
    """Return the first and the last day; what is still to come belongs to every range but an own one."""
    chosen = st.selectbox(when, _RANGES, key="range", bind="query-params", width=180)
    if chosen == OWN:
        first, last = days
        picked = st.date_input("From and to", days, min_value=first, max_value=last, key=f"days-{when}", width=240)
        return (picked[0], picked[-1]) if isinstance(picked, tuple) and picked else days
    return first_day(chosen, date.today()), None  # noqa: DTZ011 - the reader's own day


def first_day(chosen: str, today: date) -> date | None:
    """Return the day on which a range begins; months are whole ones, this one among them."""
    months = {YEAR: 11, QUARTER: 2, CALENDAR_YEAR: today.month - 1}.get(chosen)
    if months is None:
        return None
    years, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(years, month + 1, 1)


def _designs(choices: Choices) -> list[str]:
    return st.multiselect(
        "Design", choices.designs, placeholder="All designs", key="design", bind="query-params", width=320
    )
