"""The filters above a page, which the address of the page remembers."""

from datetime import date, timedelta

import streamlit as st

from dashboards.filters import Filters
from dashboards.warehouse import Choices

ALL, OWN = "All time", "Own range"
_DAYS = {"Last 12 months": 365, "Last 90 days": 90}


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
    today = date.today()  # noqa: DTZ011 - the reader's own day
    chosen = st.selectbox(when, [ALL, *_DAYS, "This year", OWN], key="range", bind="query-params", width=190)
    if chosen in _DAYS:
        return today - timedelta(days=_DAYS[chosen]), today
    if chosen == "This year":
        return today.replace(month=1, day=1), today
    if chosen == OWN:
        first, last = days
        picked = st.date_input("From and to", days, min_value=first, max_value=last, key=f"days-{when}", width=250)
        return (picked[0], picked[-1]) if isinstance(picked, tuple) and picked else days
    return None, None


def _designs(choices: Choices) -> list[str]:
    return st.multiselect(
        "Design", choices.designs, placeholder="All designs", key="design", bind="query-params", width=320
    )
