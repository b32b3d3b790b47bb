"""What is sold: to whom, where to, by whom."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, controls, looks
from dashboards.cards import Desk, answered, tiles
from dashboards.filters import Filters
from dashboards.questions import read
from dashboards.warehouse import Choices

TITLE = "Sales"
_UNIT = "Revenue, in each currency"
_COUNTED = {"orders": "Orders", "units": "Bags"}


def filters(choices: Choices) -> Filters:
    """Show the filters of the page and return what they are set to."""
    return controls.filters(choices, choices.orders, "Ordered", with_designs=True)


def show(desk: Desk) -> None:
    """Draw the page."""
    tiles(desk.ask(read("sales", "revenue_by_month")), "revenue", "Revenue", (("orders", "orders"), ("units", "bags")))
    wide, narrow = st.columns([2, 1])
    with wide:
        answered(
            desk, "sales", "revenue_by_month", _UNIT, partial(charts.monthly_lines, value="revenue", says="Revenue")
        )
    with narrow:
        price = partial(charts.monthly_lines, value="average_unit_price", says="Average price", decimals=2)
        answered(desk, "sales", "average_unit_price", "Price of one bag, in each currency", price)
    for name, label, more in (
        ("revenue_by_design", "design", {}),
        ("revenue_by_country", "country", {}),
        ("revenue_by_counterparty", "counterparty", {}),
        ("revenue_by_staff", "staff", {"department": "Department"}),
        ("revenue_by_department", "department", {}),
    ):
        draw = partial(charts.ranked, label=label, value="revenue", details={**more, **_COUNTED}, unit="Revenue")
        answered(desk, "sales", name, _UNIT, draw)
    answered(desk, "sales", "deliveries_due", "Bags to deliver, by week", _deliveries, "Nothing has to be delivered.")


def _deliveries(answer: pd.DataFrame) -> None:
    charts.heatmap(charts.by_week(answer), "country", "units", colour=looks.STAGES[0], unit="Bags")
