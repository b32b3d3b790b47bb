"""The page Sales: revenue by month, design, country, customer, staff and department."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, controls, theme
from dashboards.cards import PageContext, answer_card, tiles
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Sales"
_UNIT = "Revenue, by currency"
_COUNTS = {"orders": "Orders", "units": "Bags"}


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return their values."""
    return controls.filters(choices, choices.orders, "Ordered", with_designs=True)


def show(context: PageContext) -> None:
    """Draw the page."""
    tiles(context.answer("revenue_by_month"), "revenue", "Revenue", {"orders": "orders", "units": "bags"})
    wide, narrow = st.columns([2, 1])
    with wide:
        revenue = partial(charts.monthly_lines, value="revenue", label="Revenue")
        answer_card(context, "revenue_by_month", _UNIT, revenue)
    with narrow:
        price = partial(charts.monthly_lines, value="average_unit_price", label="Average price", decimals=2)
        answer_card(context, "average_unit_price", "Price of a bag, by currency", price)
    for label in ("design", "country", "counterparty", "staff", "department"):
        details = {"department": "Department", **_COUNTS} if label == "staff" else _COUNTS
        ranking = Ranking(label, "revenue", "Revenue", details)
        answer_card(context, f"revenue_by_{label}", _UNIT, partial(charts.ranked, ranking=ranking))
    answer_card(context, "deliveries_due", "Bags to deliver, by week", _deliveries, "No deliveries are due.")


def _deliveries(answer: pd.DataFrame) -> None:
    charts.heatmap(charts.by_week(answer), "country", "units", colour=theme.STAGES[0], unit="Bags")
