"""The page Purchases: spend by month and supplier."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, controls, theme
from dashboards.cards import PageContext, answer_card, tiles
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Purchases"
_UNIT = "Spend, by currency"


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return their values."""
    return controls.filters(choices, choices.orders, "Ordered")


def show(context: PageContext) -> None:
    """Draw the page."""
    tiles(context.answer("spend_by_month"), "spend", "Spend", {"orders": "orders", "items": "items"})
    left, right = st.columns(2)
    with left:
        lines = partial(charts.monthly_lines, value="spend", label="Spend")
        answer_card(context, "spend_by_month", _UNIT, lines)
    with right:
        answer_card(context, "deliveries_due", "Items to receive, by week", _deliveries, "No deliveries are due.")
    answer_card(context, "spend_against_revenue", "Revenue and spend, by currency", _margins)
    ranking = Ranking("supplier", "spend", "Spend", {"orders": "Orders", "items": "Items"})
    answer_card(context, "spend_by_supplier", _UNIT, partial(charts.ranked, ranking=ranking))
    answer_card(context, "spend_by_supplier_and_month", _UNIT, _by_month)


def _margins(answer: pd.DataFrame) -> None:
    for column, currency in charts.panels(charts.currencies_of(answer)):
        with column:
            charts.revenue_and_spend(answer[answer["currency"] == currency], currency)


def _by_month(answer: pd.DataFrame) -> None:
    for column, currency in charts.panels(charts.currencies_of(answer)):
        part, colour = answer[answer["currency"] == currency], theme.colour_of(currency)
        with column:
            charts.heatmap(charts.by_month(part), "supplier", "spend", colour=colour, currency=currency, unit="Spend")


def _deliveries(answer: pd.DataFrame) -> None:
    charts.heatmap(charts.by_week(answer), "supplier", "items", colour=theme.STAGES[0], unit="Items")
