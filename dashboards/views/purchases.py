"""What is bought, and from whom."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, controls, theme
from dashboards.cards import PageContext, answered, tiles
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Purchases"
_UNIT = "Spend, in each currency"


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return what they are set to."""
    return controls.filters(choices, choices.orders, "Ordered")


def show(desk: PageContext) -> None:
    """Draw the page."""
    tiles(desk.ask("spend_by_month"), "spend", "Spend", {"orders": "orders", "items": "items"})
    left, right = st.columns(2)
    with left:
        lines = partial(charts.monthly_lines, value="spend", says="Spend")
        answered(desk, "spend_by_month", _UNIT, lines)
    with right:
        answered(desk, "deliveries_due", "Items to arrive, by week", _deliveries, "Nothing is to arrive.")
    answered(desk, "spend_against_revenue", "Revenue and spend, in each currency", _margins)
    ranking = Ranking("supplier", "spend", "Spend", {"orders": "Orders", "items": "Items"})
    answered(desk, "spend_by_supplier", _UNIT, partial(charts.ranked, ranking=ranking))
    answered(desk, "spend_by_supplier_and_month", _UNIT, _by_month)


def _margins(answer: pd.DataFrame) -> None:
    for place, currency in charts.panels(charts.currencies_of(answer)):
        with place:
            charts.against(answer[answer["currency"] == currency], currency)


def _by_month(answer: pd.DataFrame) -> None:
    for place, currency in charts.panels(charts.currencies_of(answer)):
        part, colour = answer[answer["currency"] == currency], theme.colour_of(currency)
        with place:
            charts.heatmap(charts.by_month(part), "supplier", "spend", colour=colour, currency=currency, unit="Spend")


def _deliveries(answer: pd.DataFrame) -> None:
    charts.heatmap(charts.by_week(answer), "supplier", "items", colour=theme.STAGES[0], unit="Items")
