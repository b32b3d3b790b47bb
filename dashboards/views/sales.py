"""What is sold: to whom, where to, by whom."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, controls, theme
from dashboards.cards import PageContext, answered, tiles
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Sales"
_UNIT = "Revenue, in each currency"
_COUNTED = {"orders": "Orders", "units": "Bags"}


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return what they are set to."""
    return controls.filters(choices, choices.orders, "Ordered", with_designs=True)


def show(desk: PageContext) -> None:
    """Draw the page."""
    tiles(desk.ask("revenue_by_month"), "revenue", "Revenue", {"orders": "orders", "units": "bags"})
    wide, narrow = st.columns([2, 1])
    with wide:
        revenue = partial(charts.monthly_lines, value="revenue", says="Revenue")
        answered(desk, "revenue_by_month", _UNIT, revenue)
    with narrow:
        price = partial(charts.monthly_lines, value="average_unit_price", says="Average price", decimals=2)
        answered(desk, "average_unit_price", "Price of one bag, in each currency", price)
    for label in ("design", "country", "counterparty", "staff", "department"):
        details = {"department": "Department", **_COUNTED} if label == "staff" else _COUNTED
        ranking = Ranking(label, "revenue", "Revenue", details)
        answered(desk, f"revenue_by_{label}", _UNIT, partial(charts.ranked, ranking=ranking))
    answered(desk, "deliveries_due", "Bags to deliver, by week", _deliveries, "Nothing has to be delivered.")


def _deliveries(answer: pd.DataFrame) -> None:
    charts.heatmap(charts.by_week(answer), "country", "units", colour=theme.STAGES[0], unit="Bags")
